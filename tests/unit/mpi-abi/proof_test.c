/* proof: what the gates cannot see, because it hangs on where a library is found. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/mpi-abi/judge.h"

#define IMAGE_MPI "image/usr/lib64/libmpi.so.12" FAKE_LIBC

static void fresh(void)
{
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("image", "libmpi.so.12", FAKE_MPICH, FAKE_LIBC);
	fake_library("host", "libmpi.so.12", FAKE_MPICH, FAKE_HOST_LIBC);
	fake_program("image", "app", FAKE_MAIN, IMAGE_MPI);
}

static void swapped(size_t proven)
{
	struct abi_decision *decision = judge(NULL);
	if (decision->verdict != ABI_SWAP)
		fail_msg("refused: %s", decision->why);
	assert_int_equal(decision->proven, proven);
	abi_decision_free(&decision);
}

/* A program whose library uses the MPI is a root like one that links it, and so is the library. */
static void users_of_users(void **state)
{
	(void)state;
	fresh();
	swapped(1);
	fake_library("image", "libsolver.so.1", "int solve(void){return MPI_Send();}", IMAGE_MPI);
	fake_program("image", "deep", "int main(void){return solve();}",
		     "-Wl,--allow-shlib-undefined image/usr/lib64/libsolver.so.1");
	swapped(3);
}

/* The host's MPI brings a newer libz; a program finds an old one by its RPATH instead, which the
 * MPI's own search never sees. */
static void old_copy_by_rpath(void **state)
{
	(void)state;
	fresh();
	fake_run("printf 'Z_1 { global: z; local: *; };' >zmap; printf 'Z_1 { global: z; }; Z_2 { global: z2; } Z_1;' >zmap2");
	fake_library("host", "libz.so.1", "int z(void){return 0;} int z2(void){return 0;}", "-Wl,--version-script=zmap2");
	fake_library("host", "libmpi.so.12", FAKE_MPICH "int deflate(void){return z2();}",
		     "host/usr/lib64/libz.so.1" FAKE_HOST_LIBC);
	fake_library("image", "libz.so.1", "int z(void){return 0;}", "-Wl,--version-script=zmap");
	swapped(1);  /* both copies are in the image's system: the host's is bound over */
	fake_run("mkdir -p image/opt/app; cp image/usr/lib64/libz.so.1 image/opt/app/");
	fake_program("image", "old", "int main(void){return MPI_Init() + z();}",
		     IMAGE_MPI " image/usr/lib64/libz.so.1 -Wl,-rpath,/opt/app");
	refused(ABI_REASON_VERSION, "Z_2 of libz.so.1");
	fake_run("rm image/opt/app/libz.so.1");
	swapped(2);
}

/* A symbol that only the image's copy of a library defined. */
static void lost_symbol(void **state)
{
	(void)state;
	fresh();
	fake_library("host", "libfabric.so.1", "int fi(void){return 0;}", "");
	fake_library("host", "libmpi.so.12", FAKE_MPICH "int use(void){return fi();}",
		     "host/usr/lib64/libfabric.so.1" FAKE_HOST_LIBC);
	fake_library("image", "libfabric.so.1", "int fi(void){return 0;} int fi_old(void){return 0;}", "");
	swapped(1);
	fake_program("image", "direct", "int main(void){return MPI_Init() + fi_old();}",
		     IMAGE_MPI " image/usr/lib64/libfabric.so.1");
	refused(ABI_REASON_SYMBOL, "fi_old");
}

/* What was broken before is nobody's business: a plug-in whose symbols its loader has. */
static void broken_before(void **state)
{
	(void)state;
	fresh();
	fake_library("image", "plugin.so", "int run(void){return MPI_Send() + of_the_loader();}", IMAGE_MPI);
	fake_library("image", "libgone.so.1", "int gone(void){return 0;}", "");
	fake_library("image", "needy.so", "int needy(void){return MPI_Send();}",
		     IMAGE_MPI " image/usr/lib64/libgone.so.1");
	fake_run("rm image/usr/lib64/libgone.so.1");
	swapped(3);
}

/* A part of the image's MPI under a name that the host's lacks would come along. */
static void mixed(void **state)
{
	(void)state;
	fresh();
	fake_library("image", "libmpl.so.1", "int MPL_trmalloc(void){return 0;} int MPI_Init(void); int x(void){return MPI_Init();}",
		     IMAGE_MPI);
	fake_program("image", "inside", "int main(void){return MPI_Init() + MPL_trmalloc();}",
		     IMAGE_MPI " image/usr/lib64/libmpl.so.1");
	struct abi_decision *decision = judge(NULL);
	assert_int_equal(decision->verdict, ABI_REFUSE);
	abi_decision_free(&decision);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_of_users), cmocka_unit_test(old_copy_by_rpath),
		cmocka_unit_test(lost_symbol),    cmocka_unit_test(broken_before),
		cmocka_unit_test(mixed),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
