/* host: the linker's search order, in a root that stands in for the host. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/host.h"
#include "mpi-abi/ldcache.h"
#include "tests/unit/mpi-abi/fake.h"

static struct host *open_host(const char *library_path)
{
	struct err err = ERR_NONE;
	struct host *host = NULL;
	if (host_open("host", library_path, &host, &err) < 0)
		fail_msg("%s", err.text);
	return host;
}

static void found(const struct host *host, const char *from, const char *search, const char *expected)
{
	struct err err = ERR_NONE;
	char *path = NULL;
	int rc = host_library_new(host, "libx.so.1", elf_machine_here(), from, search, &path, &err);
	assert_int_equal(rc, expected ? 0 : -ENOENT);
	if (expected)
		assert_string_equal(path, expected);
	free(path);
}

static void search_order(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	AUTO_LDCACHE struct ldcache cache = {0};
	AUTO_BUF struct buf bytes = {0};
	fake_libc("host", 0);
	fake_library("host", "libx.so.1", "int x(void){return 0;}", "");
	fake_run("mkdir -p host/opt/bin; for d in cache env run opt/rel; do mkdir -p host/$d; cp host/usr/lib64/libx.so.1 host/$d/;"
		 "done; mv host/run/libx.so.1 host/run/libx.so.1.5; ln -s /run/libx.so.1.5 host/run/libx.so.1;"
		 "mkdir host/wrong; printf '\\177ELF\\1\\1\\1not for this machine, but a file of 64 bytes or so.'"
		 ">host/wrong/libx.so.1");
	struct host *host = open_host(NULL);
	found(host, NULL, NULL, "/usr/lib64/libx.so.1");
	host_free(&host);

	assert_int_equal(ldcache_set(&cache, "libx.so.1", "/cache/libx.so.1",
				     ldcache_flags(elf_machine_here()), &err), 0);
	assert_int_equal(ldcache_write(&cache, &bytes, &err), 0);
	FILE *file = fopen("host/etc/ld.so.cache", "w");
	assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
	fclose(file);
	host = open_host(NULL);
	found(host, NULL, NULL, "/cache/libx.so.1");
	found(host, "/a/b", "/run", "/run/libx.so.1.5");
	found(host, "/opt/bin/prog", "/none:$ORIGIN/../rel", "/opt/rel/libx.so.1");
	found(host, "/opt/bin/prog", "${ORIGIN}/../rel", "/opt/rel/libx.so.1");
	found(host, "/opt/bin/prog", "$LIB:/wrong", "/cache/libx.so.1");
	host_free(&host);
	host = open_host("/wrong:/env");
	found(host, "/a/b", "/run", "/env/libx.so.1");
	host_free(&host);
}

static int count(void *context, const char *path, struct err *err)
{
	(void)err;
	assert_non_null(strstr(path, ".so"));
	(*(int *)context)++;
	return 0;
}

static void module_directories(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	int seen = 0;
	fake_libc("host", 0);
	fake_run("mkdir -p host/m/deep; touch host/m/a.so host/m/deep/b.so.0.0 host/m/c.txt; ln -s a.so host/m/l.so");
	struct host *host = open_host(NULL);
	assert_int_equal(host_modules(host, "/m", count, &seen, &err), 0);
	assert_int_equal(seen, 2);
	assert_int_equal(host_modules(host, "/none", count, &seen, &err), 0);
	assert_true(host_is_directory(host, "/m"));
	assert_false(host_is_directory(host, "/m/a.so"));
	host_free(&host);
}

/* A link with an absolute text stays inside the root. */
static void inside_the_root(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	char *real = NULL;
	fake_libc("host", 0);
	fake_run("ln -s /etc/target host/link; ln -s ../../../../../../etc/target host/up; touch host/etc/target;"
		 "ln -s /etc/passwd host/out");
	struct host *host = open_host(NULL);
	assert_int_equal(host_realpath_new(host, "/link", &real, &err), 0);
	assert_string_equal(real, "/etc/target");
	free(real);
	assert_int_equal(host_realpath_new(host, "/up", &real, &err), 0);
	assert_string_equal(real, "/etc/target");
	free(real);
	assert_int_equal(host_realpath_new(host, "/out", &real, &err), -ENOENT);
	host_free(&host);
	assert_int_equal(host_open("/no/such/root", NULL, &host, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(search_order), cmocka_unit_test(module_directories),
		cmocka_unit_test(inside_the_root),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
