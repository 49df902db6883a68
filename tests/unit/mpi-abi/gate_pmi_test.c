/* gate_pmi: an MPI of the host that our daemon cannot start is none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/mpi-abi/judge.h"

#define MUTE_MPICH "int MPI_Init(void){return old_call();} int MPIR_Dup_fn(void){return 1;} int MPI_Send(void){return 0;}"
#define PALS "int PMI_Init(void){return 0;} const char *const texts[]={\"x\",\"PALS_RANKID\"};"

/* An image with an MPICH; a host with one of this source. */
static void fresh(const char *host_mpi, const char *flags)
{
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("image", "libmpi.so.12", FAKE_MPICH, FAKE_LIBC);
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpi.so.12" FAKE_LIBC);
	fake_library("host", "libpmi.so.0", PALS, "");
	fake_library("host", "libmpi.so.12", host_mpi, flags);
}

static void taken(const char *pmi)
{
	struct abi_decision *decision = judge(NULL);
	if (decision->verdict != ABI_SWAP)
		fail_msg("refused: %s", decision->why);
	assert_string_equal(decision->pmi, pmi);
	abi_decision_free(&decision);
}

static void spoken_by_itself(void **state)
{
	(void)state;
	fresh(FAKE_MPICH, FAKE_HOST_LIBC);
	taken("PMI-1 (/usr/lib64/libmpi.so.12)");
}

static void foreign(void **state)
{
	(void)state;
	fresh(MUTE_MPICH, "host/usr/lib64/libpmi.so.0" FAKE_HOST_LIBC);
	refused(ABI_REASON_PMI, "speaks Cray's PMI (/usr/lib64/libpmi.so.0)");
	fresh(MUTE_MPICH "const char w[]=\"cmd=kvs-fence;\";", FAKE_HOST_LIBC);
	refused(ABI_REASON_PMI, "speaks PMI-2");
}

/* The wire's words are those of the library that is really there: a stand-in for the vendor's. */
static void by_another_library(void **state)
{
	(void)state;
	fresh(MUTE_MPICH, "host/usr/lib64/libpmi.so.0" FAKE_HOST_LIBC);
	fake_library("host", "libpmi.so.0", "int PMI_Init(void){return 0;}" FAKE_PMI, "");
	taken("PMI-1 (/usr/lib64/libpmi.so.0)");
}

#ifdef CMPIRUN_HAVE_PMIX
/* PMIx is served where there is a libpmix, which the daemon loads as well. */
static void by_a_component(void **state)
{
	(void)state;
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("image", "libmpi.so.40", FAKE_OPEN_MPI, FAKE_LIBC);
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpi.so.40" FAKE_LIBC);
	fake_library("host", "libpmix.so.2", "int PMIx_Init(void){return 0;}", "");
	fake_library("host", "libopen-pal.so.40", "int opal_init(void){return 0;}", "");
	fake_library("host", "libmpi.so.40", "int MPI_Init(void){return old_call();} int ompi_mpi_comm_world[64]={1};",
		     "host/usr/lib64/libopen-pal.so.40" FAKE_HOST_LIBC);
	fake_run("mkdir -p host/usr/lib64/openmpi/mca");
	fake_library("host", "openmpi/mca_pmix_ext3x.so", "int m(void){return PMIx_Init();}",
		     "host/usr/lib64/libpmix.so.2");
	taken("PMIx (/usr/lib64/openmpi/mca_pmix_ext3x.so)");
	fake_run("mkdir host/opt; mv host/usr/lib64/libpmix.so.2 host/opt");
	refused(ABI_REASON_PMI, "PMI-1 alone");
}
#endif

/* The user may want it; nobody else takes it. */
static void unknown(void **state)
{
	(void)state;
	fresh(MUTE_MPICH, FAKE_HOST_LIBC);
	taken("not known");
	struct abi_decision *decision = judge_wish(ABI_WISH_BEST, NULL);
	assert_int_equal(decision->verdict, ABI_OWN);
	assert_int_equal(decision->attempts[0].reason, ABI_REASON_PMI);
	abi_decision_free(&decision);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spoken_by_itself), cmocka_unit_test(foreign), cmocka_unit_test(by_another_library),
#ifdef CMPIRUN_HAVE_PMIX
		cmocka_unit_test(by_a_component),
#endif
		cmocka_unit_test(unknown),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
