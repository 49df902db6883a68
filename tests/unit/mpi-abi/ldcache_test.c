/* ldcache: the machine's own cache, one written by us, and what the linker makes of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi-abi/elf.h"
#include "mpi-abi/ldcache.h"

static char file_bytes[1 << 20];

static size_t load(const char *path)
{
	FILE *file = fopen(path, "r");
	if (!file)
		return 0;
	size_t len = fread(file_bytes, 1, sizeof file_bytes, file);
	fclose(file);
	return len;
}

static void order(void **state)
{
	(void)state;
	assert_int_equal(ldcache_compare("liba.so.2", "liba.so.2"), 0);
	assert_true(ldcache_compare("liba.so.10", "liba.so.9") > 0);
	assert_true(ldcache_compare("liba.so.1", "libb.so.1") < 0);
	assert_true(ldcache_compare("lib1.so", "liba.so") > 0);
	assert_true(ldcache_compare("liba", "liba.so") < 0);
	assert_true(ldcache_compare("liba.so.007", "liba.so.7") == 0);
	assert_true(ldcache_compare("liba.so.99999999999999999999", "liba.so.1") != 0);
}

static void debian(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	AUTO_LDCACHE struct ldcache cache;
	size_t len = load(TEST_SOURCE_DIR "/fuzz/mpi-abi/ldcache_fuzz/debian");
	assert_int_equal(ldcache_parse(file_bytes, len, &cache, &err), 0);
	const struct ldcache_entry *entry = ldcache_find(&cache, "libc.so.6", 0x303);
	assert_non_null(entry);
	assert_string_equal(entry->path, "/lib/x86_64-linux-gnu/libc.so.6");
	assert_null(ldcache_find(&cache, "libc.so.6", 0xa03));
	assert_null(ldcache_find(&cache, "libc.so", 0));
}

static void written_and_read(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	AUTO_LDCACHE struct ldcache cache = {0}, again;
	AUTO_BUF struct buf bytes = {0};
	cache.hwcaps = calloc(2, sizeof *cache.hwcaps);
	cache.hwcaps[0] = strdup("x86-64-v3");
	cache.hwcap_count = 1;
	assert_int_equal(ldcache_set(&cache, "libz.so.9", "/a/libz.so.9", 0x303, &err), 0);
	assert_int_equal(ldcache_set(&cache, "libz.so.10", "/a/v3/libz.so.10", 0x303, &err), 0);
	cache.entries[1].hwcap = 1ull << 62;
	cache.entries[1].os_version = 5;
	assert_int_equal(ldcache_set(&cache, "libmpi.so.12", "/b/libmpich.so.12", 0x303, &err), 0);
	assert_int_equal(ldcache_set(&cache, "libmpi.so.12", "/c/libmpi_gnu.so", 0x303, &err), 0);
	assert_int_equal(ldcache_write(&cache, &bytes, &err), 0);
	assert_int_equal(ldcache_parse(bytes.data, bytes.len, &again, &err), 0);
	assert_int_equal(again.count, 3);
	assert_string_equal(again.entries[0].key, "libz.so.10");
	assert_int_equal(again.entries[0].hwcap, 1ull << 62);
	assert_int_equal(again.entries[0].os_version, 5);
	assert_string_equal(again.entries[1].key, "libz.so.9");
	assert_string_equal(again.entries[2].path, "/c/libmpi_gnu.so");
	assert_int_equal(again.hwcap_count, 1);
	assert_string_equal(again.hwcaps[0], "x86-64-v3");
	assert_null(ldcache_find(&again, "libz.so.10", 0));
}

/* The real judge: ldconfig -p reads a cache with an alias key in it. */
static void the_linker_reads_it(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	AUTO_LDCACHE struct ldcache cache;
	AUTO_BUF struct buf bytes = {0};
	char path[] = "/tmp/ldcache_test.XXXXXX", command[300];
	size_t len = load("/etc/ld.so.cache");
	if (len == 0 || system("PATH=$PATH:/sbin:/usr/sbin command -v ldconfig >/dev/null") != 0)
		skip();
	assert_int_equal(ldcache_parse(file_bytes, len, &cache, &err), 0);
	assert_int_equal(ldcache_set(&cache, "libalias.so.77", "/no/such/file",
				     ldcache_flags(elf_machine_here()), &err), 0);
	assert_int_equal(ldcache_write(&cache, &bytes, &err), 0);
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");
	assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
	fclose(file);
	snprintf(command, sizeof command,
		 "PATH=$PATH:/sbin:/usr/sbin; ldconfig -p -C %s >%s.out && "
		 "grep -q 'libalias.so.77 .*=> /no/such/file' %s.out && "
		 "[ $(ldconfig -p -C %s | grep -c '=>') = %zu ]", path, path, path, path, cache.count);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof command, "rm -f %s %s.out", path, path);
	assert_int_equal(system(command), 0);
}

static void broken_ones(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct ldcache cache;
	size_t len = load(TEST_SOURCE_DIR "/fuzz/mpi-abi/ldcache_fuzz/debian");
	assert_int_equal(ldcache_parse("", 0, &cache, &err), -EBADMSG);
	assert_int_equal(ldcache_parse("ld.so-1.7.0\0\0\0\0\0", 16, &cache, &err), -ENOTSUP);
	for (size_t cut = 48; cut < len - 200; cut += 97)
		assert_int_equal(ldcache_parse(file_bytes, cut, &cache, &err), -EBADMSG);
	file_bytes[20] = (char)0xff;
	file_bytes[21] = (char)0xff;
	assert_int_equal(ldcache_parse(file_bytes, len, &cache, &err), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order),      cmocka_unit_test(debian), cmocka_unit_test(written_and_read),
		cmocka_unit_test(the_linker_reads_it), cmocka_unit_test(broken_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
