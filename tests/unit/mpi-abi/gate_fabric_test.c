/* gate_fabric: the host's libfabric under the image's MPI; and which level is taken of several. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/mpi-abi/judge.h"

static void fabric(const char *side, int versions)
{
	fake_run("printf 'FABRIC_1.0 { global: fi_getinfo; local: *; };%s' >fmap",
		 versions > 1 ? " FABRIC_1.1 { global: fi_new; } FABRIC_1.0;" : "");
	fake_library(side, "libfabric.so.1", "int fi_getinfo(void){return 0;} int fi_new(void){return 0;}",
		     "-Wl,--version-script=fmap");
}

/* An image with an Open MPI over libfabric; a host with MPICH, so only the fabric can fit. */
static void fresh(void)
{
	fake_libc("image", 0);
	fake_libc("host", 0);
	fabric("image", 1);
	fabric("host", 2);
	fake_library("image", "libmpi.so.40", FAKE_OPEN_MPI "int net(void){return fi_getinfo();}",
		     "image/usr/lib64/libfabric.so.1" FAKE_LIBC);
	fake_program("image", "app", FAKE_MAIN,
		     "-Wl,--allow-shlib-undefined image/usr/lib64/libmpi.so.40" FAKE_LIBC);
	fake_library("host", "libmpi.so.12", FAKE_MPICH, FAKE_HOST_LIBC);
	fake_run("mkdir -p host/usr/lib64/libfabric image/usr/lib64/libfabric;"
		 "cp host/usr/lib64/libfabric.so.1 host/usr/lib64/libfabric/libcxi-fi.so");
}

static void refused_wish(enum abi_wish wish, enum abi_reason reason, const char *text)
{
	struct abi_decision *decision = judge_wish(wish, NULL);
	assert_int_equal(decision->verdict, ABI_REFUSE);
	assert_int_equal(decision->reason, reason);
	if (!strstr(decision->why, text))
		fail_msg("'%s' does not say '%s'", decision->why, text);
	abi_decision_free(&decision);
}

static void the_hosts_fabric(void **state)
{
	(void)state;
	fresh();
	struct abi_decision *decision = judge_wish(ABI_WISH_FABRIC, NULL);
	assert_int_equal(decision->verdict, ABI_SWAP);
	assert_int_equal(decision->level, ABI_LEVEL_FABRIC);
	assert_string_equal(decision->host_path, "/usr/lib64/libfabric.so.1");
	assert_string_equal(bind_to(decision, "/usr/lib64/libfabric.so.1")->source, "/usr/lib64/libfabric.so.1");
	assert_true(bind_to(decision, "/usr/lib64/libfabric")->directory);
	assert_null(bind_to(decision, "/usr/lib64/libmpi.so.40"));
	assert_int_equal(decision->drop_count, 1);
	assert_string_equal(decision->drops[0].name, "FI_*");
	assert_true(decision->proven >= 1);
	abi_decision_free(&decision);
}

static void refusals(void **state)
{
	(void)state;
	fresh();
	fabric("host", 1);
	fabric("image", 2);
	fake_library("image", "libmpi.so.40", FAKE_OPEN_MPI "int net(void){return fi_new();}",
		     "image/usr/lib64/libfabric.so.1" FAKE_LIBC);
	refused_wish(ABI_WISH_FABRIC, ABI_REASON_VERSION, "FABRIC_1.1");
	fake_run("rm host/usr/lib64/libfabric.so.1");
	refused_wish(ABI_WISH_FABRIC, ABI_REASON_NO_FABRIC, "the host has no");
	fake_run("rm image/usr/lib64/libfabric.so.1");
	refused_wish(ABI_WISH_FABRIC, ABI_REASON_NO_FABRIC, "nothing in the image");
}

static void the_best_that_goes(void **state)
{
	(void)state;
	fresh();
	struct abi_decision *decision = judge_wish(ABI_WISH_BEST, NULL);
	assert_int_equal(decision->level, ABI_LEVEL_FABRIC);
	assert_int_equal(decision->attempt_count, 1);
	assert_int_equal(decision->attempts[0].level, ABI_LEVEL_MPI);
	assert_int_equal(decision->attempts[0].reason, ABI_REASON_FAMILY);
	abi_decision_free(&decision);

	fabric("host", 1);  /* older than the image's, and nothing in the image needs the newer version */
	fabric("image", 2);
	decision = judge_wish(ABI_WISH_BEST, NULL);
	assert_int_equal(decision->verdict, ABI_OWN);
	assert_int_equal(decision->attempt_count, 3);
	assert_int_equal(decision->attempts[1].level, ABI_LEVEL_FABRIC);
	assert_int_equal(decision->attempts[2].reason, ABI_REASON_NO_TRANSLATOR);
	assert_int_equal(decision->bind_count, 0);
	abi_decision_free(&decision);

	fake_library("host", "libmpi.so.40", FAKE_OPEN_MPI, FAKE_HOST_LIBC);
	decision = judge_wish(ABI_WISH_BEST, NULL);
	assert_int_equal(decision->level, ABI_LEVEL_MPI);
	assert_int_equal(decision->attempt_count, 0);
	abi_decision_free(&decision);
}

/* The standard ABI is a family like the others: libmpi_abi for libmpi_abi of the same number. */
static void the_standard_abi(void **state)
{
	(void)state;
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("image", "libmpi_abi.so.1", "int MPI_Init(void){return old_call();}", FAKE_LIBC);
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpi_abi.so.1" FAKE_LIBC);
	fake_library("host", "libmpi.so.12", FAKE_MPICH, FAKE_HOST_LIBC);
	refused_wish(ABI_WISH_MPI, ABI_REASON_FAMILY, "MPI standard ABI");
	fake_library("host", "libmpi_abi.so.1", "int MPI_Init(void){return old_call();}", FAKE_HOST_LIBC);
	struct abi_decision *decision = judge_wish(ABI_WISH_MPI, NULL);
	assert_int_equal(decision->verdict, ABI_SWAP);
	assert_string_equal(decision->host_path, "/usr/lib64/libmpi_abi.so.1");
	abi_decision_free(&decision);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hosts_fabric),   cmocka_unit_test(refusals),
		cmocka_unit_test(the_best_that_goes), cmocka_unit_test(the_standard_abi),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
