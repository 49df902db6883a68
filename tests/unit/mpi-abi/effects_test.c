/* effects: binds, hidden directories, the cache, variables. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/ldcache.h"
#include "tests/unit/mpi-abi/judge.h"

#define HOST_MPI " host/usr/lib64/libmpich.so.12" FAKE_HOST_LIBC

static void bound(const struct abi_decision *decision, const char *target, const char *source,
		  bool exists)
{
	const struct abi_bind *bind = bind_to(decision, target);
	if (!bind)
		fail_msg("no bind to %s", target);
	assert_string_equal(bind->source, source);
	assert_int_equal(bind->exists, exists);
}

static void cached(const struct abi_decision *decision, const char *key, const char *path)
{
	struct err err = ERR_NONE;
	AUTO_LDCACHE struct ldcache cache;
	assert_int_equal(decision->file_count, 1);
	assert_string_equal(decision->files[0].target, "/etc/ld.so.cache");
	assert_int_equal(ldcache_parse(decision->files[0].bytes, decision->files[0].len, &cache, &err), 0);
	const struct ldcache_entry *entry = ldcache_find(&cache, key, 0);
	if (!path) {
		assert_null(entry);
		return;
	}
	if (!entry)
		fail_msg("%s is not in the cache", key);
	assert_string_equal(entry->path, path);
}

/* The host: MPICH over UCX with modules; the image: the same with other names and places. */
static void fresh(void)
{
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("host", "libucs.so.0", "int ucs(void){return old_call();}", FAKE_HOST_LIBC);
	fake_run("mkdir -p host/usr/lib64/ucx image/opt/ucx image/etc");
	fake_library("host", "libibx.so.1", "int ibx(void){return 0;}", "");
	fake_library("host", "ucx/libuct_ib.so.0", "int ib(void){return ibx();}", "host/usr/lib64/libibx.so.1");
	fake_library("host", "libmpich.so.12", FAKE_MPICH, "host/usr/lib64/libucs.so.0" FAKE_HOST_LIBC);
	fake_library("image", "libmpi.so.12.1.1", FAKE_MPICH, "-Wl,-soname,libmpi.so.12" FAKE_LIBC);
	fake_run("cd image/usr/lib64; ln -s libmpi.so.12.1.1 libmpi.so.12; mkdir -p ../../opt/app/lib;"
		 "cp libmpi.so.12.1.1 ../../opt/app/lib/libmpi.so.12");
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpi.so.12" FAKE_LIBC
		     " -Wl,-rpath,/opt/app/lib");
}

static void whole_family(void **state)
{
	(void)state;
	fresh();
	struct abi_decision *decision = judge(NULL);
	const char *mpich = "/usr/lib64/libmpich.so.12";
	assert_int_equal(decision->verdict, ABI_SWAP);
	bound(decision, "/usr/lib64/libmpi.so.12.1.1", mpich, true);
	bound(decision, "/opt/app/lib/libmpi.so.12", mpich, true);
	bound(decision, ABI_DIR "/lib/libmpi.so.12", mpich, false);
	bound(decision, ABI_DIR "/lib/libmpich.so.12", mpich, false);
	bound(decision, ABI_DIR "/lib/libucs.so.0", "/usr/lib64/libucs.so.0", false);
	bound(decision, ABI_DIR "/lib/libibx.so.1", "/usr/lib64/libibx.so.1", false);
	bound(decision, ABI_DIR "/lib/ucx", "/usr/lib64/ucx", false);
	bound(decision, "/usr/lib64/ucx", "/usr/lib64/ucx", false);
	assert_null(bind_to(decision, ABI_DIR "/lib/libc.so.6"));
	cached(decision, "libmpi.so.12", ABI_DIR "/lib/libmpi.so.12");
	cached(decision, "libucs.so.0", ABI_DIR "/lib/libucs.so.0");
	cached(decision, "libc.so.6", NULL);
	abi_decision_free(&decision);
}

/* The image's UCX: its library bound over, its modules replaced or hidden. */
static void modules_of_the_image(void **state)
{
	(void)state;
	fresh();
	fake_library("image", "libucs.so.0", "int ucs(void){return 0;}", FAKE_LIBC);
	fake_run("mkdir -p image/opt/ucx/lib/ucx image/usr/lib64/ucx image/srv/modules;"
		 "mv image/usr/lib64/libucs.so.0 image/opt/ucx/lib/;"
		 "for d in opt/ucx/lib/ucx usr/lib64/ucx srv/modules; do"
		 "  cp image/opt/ucx/lib/libucs.so.0 image/$d/libuct_ib.so; done");
	struct abi_decision *decision = judge(NULL);
	assert_int_equal(decision->verdict, ABI_SWAP);
	bound(decision, "/opt/ucx/lib/libucs.so.0", "/usr/lib64/libucs.so.0", true);
	bound(decision, "/opt/ucx/lib/ucx", "/usr/lib64/ucx", true);
	bound(decision, "/usr/lib64/ucx", "/usr/lib64/ucx", true);
	assert_int_equal(decision->hide_count, 1);
	assert_string_equal(decision->hides[0], "/srv/modules");
	abi_decision_free(&decision);
}

/* The image's own entries stay, its key for the MPI goes. */
static void the_cache_of_the_image(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	AUTO_LDCACHE struct ldcache cache = {0};
	AUTO_BUF struct buf bytes = {0};
	fresh();
	assert_int_equal(ldcache_set(&cache, "libmpi.so.12", "/usr/lib64/libmpi.so.12", 0x303, &err), 0);
	assert_int_equal(ldcache_set(&cache, "libother.so.1", "/usr/lib64/libother.so.1", 0x303, &err), 0);
	assert_int_equal(ldcache_write(&cache, &bytes, &err), 0);
	FILE *file = fopen("image/etc/ld.so.cache", "w");
	assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
	fclose(file);
	struct abi_decision *decision = judge(NULL);
	assert_true(decision->files[0].exists);
	cached(decision, "libmpi.so.12", ABI_DIR "/lib/libmpi.so.12");
	cached(decision, "libother.so.1", "/usr/lib64/libother.so.1");
	abi_decision_free(&decision);
}

static void open_mpi_and_its_prefix(void **state)
{
	(void)state;
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("image", "libmpi.so.40", FAKE_OPEN_MPI, FAKE_LIBC);
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpi.so.40" FAKE_LIBC);
	fake_run("mkdir -p image/usr/lib64/openmpi host/usr/lib64/openmpi host/usr/share/openmpi;"
		 "cp image/usr/lib64/libmpi.so.40 image/usr/lib64/openmpi/mca_btl_old.so");
	fake_library("host", "libopen-pal.so.40", "int opal_init(void){return old_call();}", FAKE_HOST_LIBC);
	fake_library("host", "libmpi.so.40", FAKE_OPEN_MPI,
		     "host/usr/lib64/libopen-pal.so.40" FAKE_HOST_LIBC);
	fake_library("host", "openmpi/mca_btl_tcp.so", "int tcp(void){return 0;}", FAKE_HOST_LIBC);
	struct abi_decision *decision = judge(NULL);
	assert_int_equal(decision->verdict, ABI_SWAP);
	bound(decision, "/usr/lib64/openmpi", "/usr/lib64/openmpi", true);
	bound(decision, "/usr/share/openmpi", "/usr/share/openmpi", false);
	bound(decision, ABI_DIR "/lib/libopen-pal.so.40", "/usr/lib64/libopen-pal.so.40", false);
	assert_int_equal(decision->hide_count, 0);
	assert_int_equal(decision->set_count, 1);
	assert_string_equal(decision->sets[0].name, "OMPI_MCA_mca_base_component_path");
	assert_string_equal(decision->sets[0].value, "/usr/lib64/openmpi");
	abi_decision_free(&decision);
}

/* A directory of the image that leads elsewhere by a link. */
static void targets_without_links(void **state)
{
	(void)state;
	fresh();
	fake_run("rm -rf image/etc; ln -s usr/etc image/etc; mkdir -p image/usr/etc");
	struct abi_decision *decision = judge(NULL);
	assert_string_equal(decision->files[0].target, "/usr/etc/ld.so.cache");
	assert_false(decision->files[0].exists);
	for (size_t i = 0; i < decision->bind_count; i++)
		assert_true(strncmp(decision->binds[i].target, "/lib64/", 7) != 0);
	abi_decision_free(&decision);
}

/* Cray's layout: a library for each compiler, a directory of aliases, a provider, a device, libraries that are opened
 * by name. */
static void cray(void **state)
{
	(void)state;
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("image", "libmpich.so.12", FAKE_MPICH, FAKE_LIBC);
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpich.so.12" FAKE_LIBC);
	fake_library("host", "libcxi.so.1", "int cxi(void){return 0;}", "");
	fake_library("host", "libfabric.so.1", "int fi(void){return cxi();}", "host/usr/lib64/libcxi.so.1");
	fake_library("host", "libmpi_gtl_hsa.so.0", "int gtl(void){return 0;}", "");
	fake_library("host", "libpmi2.so.0", "int PMI2_Init(void){return 0;}", "");
	fake_library("host", "libmpi_gnu_91.so.12", FAKE_MPICH "int f(void){return fi();}",
		     "host/usr/lib64/libfabric.so.1" FAKE_HOST_LIBC);
	fake_run("d=host/opt/cray/pe/mpich/8.1/ofi/gnu/9.1; mkdir -p $d/lib $d/lib-abi-mpich host/dev;"
		 "mv host/usr/lib64/libmpi_gnu_91.so.12 $d/lib/; : >host/dev/cxi0;"
		 "ln -s ../lib/libmpi_gnu_91.so.12 $d/lib-abi-mpich/libmpi.so.12");
	struct abi_decision *decision = judge("/opt/cray/pe/mpich/8.1/ofi/gnu/9.1/lib-abi-mpich");
	if (decision->verdict != ABI_SWAP)
		fail_msg("refused: %s", decision->why);
	const char *real = "/opt/cray/pe/mpich/8.1/ofi/gnu/9.1/lib/libmpi_gnu_91.so.12";
	assert_string_equal(decision->host_path, real);
	assert_string_equal(bind_to(decision, "/usr/lib64/libmpich.so.12")->source, real);
	assert_string_equal(bind_to(decision, ABI_DIR "/lib/libmpich.so.12")->source, real);
	assert_non_null(bind_to(decision, ABI_DIR "/lib/libcxi.so.1"));
	assert_non_null(bind_to(decision, ABI_DIR "/lib/libmpi_gtl_hsa.so.0"));
	assert_non_null(bind_to(decision, ABI_DIR "/lib/libpmi2.so.0"));
	assert_int_equal(decision->device_count, 1);
	assert_string_equal(decision->devices[0], "/dev/cxi0");
	abi_decision_free(&decision);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_family),           cmocka_unit_test(modules_of_the_image),
		cmocka_unit_test(the_cache_of_the_image), cmocka_unit_test(open_mpi_and_its_prefix),
		cmocka_unit_test(targets_without_links), cmocka_unit_test(cray),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
