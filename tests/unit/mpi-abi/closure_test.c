/* closure: what a host library drags along. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/closure.h"
#include "tests/unit/mpi-abi/fake.h"

static struct closure *closure_of(const char *path, const char *soname, const char *const *more,
				  size_t count)
{
	struct err err = ERR_NONE;
	struct host *host = NULL;
	struct recipes recipes = {0};
	struct closure *closure = NULL;
	struct host_mpi mpi = {.family = MPI_FAMILY_MPICH, .path = (char *)path, .soname = (char *)soname};
	assert_int_equal(host_open("host", NULL, &host, &err), 0);
	if (recipes_load(host, &recipes, &err) < 0)
		fail_msg("%s", err.text);
	if (closure_new(host, &mpi, elf_machine_here(), &recipes, more, count, &closure, &err) < 0)
		fail_msg("%s", err.text);
	host_free(&host);
	recipes_free(&recipes);
	closure->recipes = NULL;
	return closure;
}

static void a_graph(void **state)
{
	(void)state;
	static const char *const more[] = {"libmpifort.so.12", "libmpicxx.so.12"};
	fake_libc("host", 0);
	fake_run("mkdir -p host/usr/lib64/ucx");
	fake_library("host", "libz.so.1", "int z(void){return 0;}", FAKE_HOST_LIBC);
	fake_library("host", "libgone.so.1", "int gone(void){return 0;}", "");
	fake_library("host", "libucs.so.0", "int ucs(void){return z();}", "host/usr/lib64/libz.so.1");
	fake_library("host", "ucx/libuct_a.so", "int a(void){return gone();}", "host/usr/lib64/libgone.so.1");
	fake_library("host", "libmpi.so.12", FAKE_MPICH,
		     "host/usr/lib64/libucs.so.0 host/usr/lib64/libz.so.1" FAKE_HOST_LIBC);
	fake_library("host", "libmpifort.so.12", "int mpi_init_(void){return MPI_Init();}",
		     "host/usr/lib64/libmpi.so.12");
	fake_run("rm host/usr/lib64/libgone.so.1");
	struct closure *closure = closure_of("/usr/lib64/libmpi.so.12", "libmpi.so.12", more, 2);
	assert_int_equal(closure->library_count, 5);
	assert_null(closure->missing);  /* a module may lack something */
	assert_true(closure_find(closure, "libmpi.so.12")->family);
	assert_true(closure_find(closure, "libmpifort.so.12")->family);
	assert_null(closure_find(closure, "libmpicxx.so.12"));
	assert_true(closure_find(closure, "libucs.so.0")->core);
	assert_false(closure_find(closure, "libz.so.1")->core);
	assert_null(closure_find(closure, "libc.so.6"));
	assert_int_equal(closure->tree_count, 1);
	assert_string_equal(closure->trees[0].path, "/usr/lib64/ucx");
	assert_string_equal(closure->trees[0].beside, "ucx");
	assert_string_equal(closure->trees[0].owner, "libucs.so.0");
	closure_free(&closure);

	fake_run("rm host/usr/lib64/libz.so.1");
	closure = closure_of("/usr/lib64/libmpi.so.12", "libmpi.so.12", NULL, 0);
	assert_string_equal(closure->missing, "libz.so.1");
	assert_string_equal(closure->missing_for, "/usr/lib64/libmpi.so.12");
	closure_free(&closure);
}

static void libc_parts(void **state)
{
	(void)state;
	assert_true(closure_is_libc("libc.so.6"));
	assert_true(closure_is_libc("ld-linux-x86-64.so.2"));
	assert_true(closure_is_libc("libnss_files.so.2"));
	assert_false(closure_is_libc("libc++.so.1"));
	assert_false(closure_is_libc("libstdc++.so.6"));
	assert_false(closure_is_libc("libmpi.so.12"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_graph), cmocka_unit_test(libc_parts)};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
