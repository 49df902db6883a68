/* gate_translator: an Open MPI program, a host with MPICH, and a translator between them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/mpi-abi/judge.h"

#define SITE "host/etc/cmpirun/mpi.d/t.conf"
#define WORDS                                                                                      \
	"[translator small]\\nfrom = openmpi.40\\nto = mpich\\nprefix = $SMALL\\nprefix = /opt/small\\n"    \
	"preload = lib/libsmall.so\\nlibrary-path = lib/stub\\nenvironment = SMALL_TO={mpi}\\n"           \
	"environment = SMALL_FORTRAN={fortran}\\nenvironment = SMALL_HOME={prefix}{x}\\n"

/* The translator's libraries are made where libraries are made, and moved. */
static void translator(const char *functions, const char *site)
{
	fake_run("mkdir -p host/opt/small/lib/stub host/etc/cmpirun/mpi.d; printf '%s' >" SITE, site);
	fake_library("host", "libsmall.so", functions, FAKE_HOST_LIBC);
	fake_library("host", "libmpi.so.40", "", "");
	fake_run("mv host/usr/lib64/libsmall.so host/opt/small/lib; mv host/usr/lib64/libmpi.so.40 host/opt/small/lib/stub");
}

static void fresh(void)
{
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("image", "libmpi.so.40", FAKE_OPEN_MPI "int MPI_Send(void){return 0;}", FAKE_LIBC);
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpi.so.40" FAKE_LIBC);
	fake_library("host", "libmpi.so.12", FAKE_MPICH, FAKE_HOST_LIBC);
	translator("int MPI_Init(void){return old_call();}", WORDS);
}

static const char *set_value(const struct abi_decision *decision, const char *name)
{
	for (size_t i = 0; i < decision->set_count; i++)
		if (strcmp(decision->sets[i].name, name) == 0)
			return decision->sets[i].value;
	return NULL;
}

static void translated(enum abi_wish wish)
{
	struct abi_decision *decision = judge_wish(wish, NULL);
	if (decision->verdict != ABI_SWAP)
		fail_msg("refused: %s", decision->why ? decision->why : "own");
	assert_int_equal(decision->level, ABI_LEVEL_TRANSLATOR);
	assert_string_equal(decision->translator, "small");
	assert_string_equal(decision->host_path, "/usr/lib64/libmpi.so.12");
	assert_int_equal(decision->attempts[0].reason, ABI_REASON_FAMILY);
	/* The program's libmpi.so.40 is the stub, wherever it is looked for. */
	assert_string_equal(bind_to(decision, "/usr/lib64/libmpi.so.40")->source, "/opt/small/lib/stub/libmpi.so.40");
	assert_string_equal(bind_to(decision, ABI_DIR "/lib/libmpi.so.40")->source, "/opt/small/lib/stub/libmpi.so.40");
	assert_string_equal(bind_to(decision, ABI_DIR "/lib/libmpi.so.12")->source, "/usr/lib64/libmpi.so.12");
	assert_true(bind_to(decision, "/opt/small")->directory);
	assert_string_equal(set_value(decision, "LD_PRELOAD"), "/opt/small/lib/libsmall.so");
	assert_string_equal(set_value(decision, "SMALL_TO"), ABI_DIR "/lib/libmpi.so.12");
	assert_string_equal(set_value(decision, "SMALL_HOME"), "/opt/small{x}");
	assert_null(set_value(decision, "SMALL_FORTRAN"));  /* the host has none */
	assert_string_equal(decision->pmi, "PMI-1 (/usr/lib64/libmpi.so.12)");
	assert_int_equal(decision->proven, 1);
	abi_decision_free(&decision);
}

static void takes_its_place(void **state)
{
	(void)state;
	fresh();
	translated(ABI_WISH_MPI);
	translated(ABI_WISH_BEST);
}

static void same_abi_is_better(void **state)
{
	(void)state;
	fresh();
	fake_library("host", "libmpi.so.40", FAKE_OPEN_MPI "int MPI_Send(void){return 0;}", FAKE_HOST_LIBC);
	struct abi_decision *decision = judge(NULL);
	assert_int_equal(decision->verdict, ABI_SWAP);
	assert_int_equal(decision->level, ABI_LEVEL_MPI);
	abi_decision_free(&decision);
}

/* The first refusal has the word; why the translator does not go either stands beside it. */
static void not_taken(const char *text)
{
	struct abi_decision *decision = judge(NULL);
	assert_int_equal(decision->verdict, ABI_REFUSE);
	assert_int_equal(decision->reason, ABI_REASON_FAMILY);
	assert_int_equal(decision->attempt_count, text ? 1 : 0);
	if (text && !strstr(decision->attempts[0].why, text))
		fail_msg("'%s' is not in: %s", text, decision->attempts[0].why);
	assert_int_equal(decision->bind_count + decision->set_count, 0);
	abi_decision_free(&decision);
}

static void refusals(void **state)
{
	(void)state;
	fresh();
	fake_program("image", "more", "int main(void){return MPI_Send();}", "image/usr/lib64/libmpi.so.40" FAKE_LIBC);
	not_taken("/usr/bin/more in the image needs MPI_Send, which the host's small does not have");
	translator("int MPI_Init(void){return old_call();} int MPI_Send(void){return 0;}", WORDS);
	struct abi_decision *decision = judge(NULL);
	assert_int_equal(decision->verdict, ABI_SWAP);
	assert_int_equal(decision->proven, 2);
	abi_decision_free(&decision);
}

static void levels(void **state)
{
	(void)state;
	fresh();
	fake_library("image", "libmpi_mpifh.so.40", "int mpi_init_(void){return MPI_Init();}",
		     "image/usr/lib64/libmpi.so.40" FAKE_LIBC);
	fake_program("image", "fort", "int main(void){return mpi_init_();}",
		     "image/usr/lib64/libmpi_mpifh.so.40 image/usr/lib64/libmpi.so.40" FAKE_LIBC);
	not_taken("an interface that the translator small does not translate");
}

static void not_there(void **state)
{
	(void)state;
	fresh();
	fake_run("mv host/opt/small host/opt/elsewhere");
	not_taken(NULL);
	fresh();
	translator("int MPI_Init(void){return old_call();}", "[translator small]\\nfrom = openmpi.20\\nto = mpich\\n"
		   "prefix = /opt/small\\npreload = lib/libsmall.so\\n");
	not_taken(NULL);
	fresh();
	fake_run("rm host/opt/small/lib/libsmall.so");
	struct abi_decision *decision = judge_wish(ABI_WISH_BEST, NULL);
	assert_int_equal(decision->verdict, ABI_OWN);
	assert_int_equal(decision->attempts[2].reason, ABI_REASON_NO_TRANSLATOR);
	assert_non_null(strstr(decision->attempts[2].why, "translator small: host file /opt/small/lib/libsmall.so"));
	abi_decision_free(&decision);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_its_place), cmocka_unit_test(same_abi_is_better),
		cmocka_unit_test(refusals), cmocka_unit_test(levels), cmocka_unit_test(not_there),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
