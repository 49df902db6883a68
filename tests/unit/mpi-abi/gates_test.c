/* gates: every reason to refuse, made on purpose, and named. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/mpi-abi/judge.h"

#define IMAGE_MPI " image/usr/lib64/libmpi.so.12" FAKE_LIBC

/* An MPICH program in the image, an MPICH on the host. */
static void fresh(void)
{
	fake_libc("image", 0);
	fake_libc("host", 1);
	fake_library("image", "libmpi.so.12", FAKE_MPICH, FAKE_LIBC);
	fake_library("host", "libmpich.so.12", FAKE_MPICH, FAKE_HOST_LIBC);
	fake_program("image", "app", FAKE_MAIN, IMAGE_MPI);
}

static void swapped(void)
{
	struct abi_decision *decision = judge(NULL);
	if (decision->verdict != ABI_SWAP)
		fail_msg("refused: %s", decision->why);
	abi_decision_free(&decision);
}

static void fits(void **state)
{
	(void)state;
	fresh();
	swapped();
}

static void statically_linked(void **state)
{
	(void)state;
	fake_libc("image", 0);
	fake_program("image", "app", "int MPI_Init(void){return 0;} int main(void){return MPI_Init();}",
		     "-static");
	refused(ABI_REASON_STATIC, "/usr/bin/app");
}

static void musl(void **state)
{
	(void)state;
	fresh();
	fake_program("image", "app", FAKE_MAIN, IMAGE_MPI " -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1");
	refused(ABI_REASON_MUSL, "/usr/bin/app");
}

/* e_machine is at offset 18. */
static void other_machine(void **state)
{
	(void)state;
	fresh();
	fake_run("for f in image/usr/bin/app image/usr/lib64/libmpi.so.12; do printf '\\026\\0' |"
		 "dd of=$f bs=1 seek=18 conv=notrunc status=none; done");
	refused(ABI_REASON_MACHINE, "s390x");
}

/* EI_CLASS is at offset 4. */
static void bits_32(void **state)
{
	(void)state;
	fresh();
	fake_run("for f in image/usr/bin/app image/usr/lib64/libmpi.so.12; do printf '\\001' |"
		 "dd of=$f bs=1 seek=4 conv=notrunc status=none; done");
	refused(ABI_REASON_MACHINE, "32-bit code");
}

static void two_families(void **state)
{
	(void)state;
	fresh();
	fake_library("image", "libmpi.so.40", FAKE_OPEN_MPI, FAKE_LIBC);
	swapped();  /* a library that nobody uses is no obstacle */
	fake_program("image", "other", FAKE_MAIN, "image/usr/lib64/libmpi.so.40" FAKE_LIBC);
	refused(ABI_REASON_TWO_FAMILIES, "/usr/bin/other");
}

static void no_host_mpi(void **state)
{
	(void)state;
	fresh();
	fake_run("rm host/usr/lib64/libmpich.so.12");
	refused(ABI_REASON_NO_HOST_MPI, "no MPICH");
}

static void other_family(void **state)
{
	(void)state;
	fresh();
	fake_run("rm host/usr/lib64/libmpich.so.12");
	fake_library("host", "libmpi.so.40", FAKE_OPEN_MPI, FAKE_HOST_LIBC);
	refused(ABI_REASON_FAMILY, "/usr/lib64/libmpi.so.40");
}

static void other_generation(void **state)
{
	(void)state;
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("image", "libmpi.so.40", FAKE_OPEN_MPI, FAKE_LIBC);
	fake_library("host", "libmpi.so.20", FAKE_OPEN_MPI, FAKE_HOST_LIBC);
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpi.so.40" FAKE_LIBC);
	refused(ABI_REASON_GENERATION, ".so.20");
}

static void missing_companion(void **state)
{
	(void)state;
	fresh();
	fake_library("image", "libmpifort.so.12", "int mpi_init_(void){return MPI_Init();}", IMAGE_MPI);
	swapped();  /* nobody uses it */
	fake_program("image", "fort", "int main(void){return mpi_init_();}",
		     "image/usr/lib64/libmpifort.so.12" IMAGE_MPI);
	refused(ABI_REASON_GENERATION, "libmpifort.so.12");
	fake_library("host", "libmpichfort.so.12", "int mpi_init_(void){return MPI_Init();}",
		     "host/usr/lib64/libmpich.so.12" FAKE_HOST_LIBC);
	swapped();
}

static void missing_symbol(void **state)
{
	(void)state;
	fresh();
	fake_library("image", "libmpi.so.12", FAKE_MPICH "int MPI_Comm_c2f(void){return 0;}", FAKE_LIBC);
	swapped();  /* nobody calls it */
	fake_program("image", "newer", "int main(void){return MPI_Comm_c2f();}", IMAGE_MPI);
	refused(ABI_REASON_SYMBOL, "MPI_Comm_c2f");
	fake_program("image", "newer", "int MPI_Comm_c2f(void) __attribute__((weak));"
		     "int main(void){return MPI_Comm_c2f ? MPI_Comm_c2f() : 0;}", IMAGE_MPI);
	swapped();
}

/* Programs of the MPI itself use its entrails; they go with it. */
static void own_programs(void **state)
{
	(void)state;
	fresh();
	fake_library("image", "libmpi.so.12", FAKE_MPICH "int MPIR_secret(void){return 0;}", FAKE_LIBC);
	fake_program("image", "mpichversion", "int main(void){return MPIR_secret();}", IMAGE_MPI);
	swapped();
}

static void copy_size(void **state)
{
	(void)state;
#ifndef __x86_64__
	skip();
#endif
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("image", "libmpi.so.40", FAKE_OPEN_MPI, FAKE_LIBC);
	fake_library("host", "libmpi.so.40", FAKE_OPEN_MPI, FAKE_HOST_LIBC);
	fake_program("image", "app", "extern int ompi_mpi_comm_world[64];"
		     "int main(void){ompi_mpi_comm_world[0]=1; return MPI_Init();}",
		     "-no-pie -fno-pic image/usr/lib64/libmpi.so.40" FAKE_LIBC);
	swapped();
	fake_library("host", "libmpi.so.40", "int MPI_Init(void){return old_call();}"
		     "int ompi_mpi_comm_world[65]={1};", FAKE_HOST_LIBC);
	refused(ABI_REASON_COPY_SIZE, "256 bytes");
}

static void newer_libc_needed(void **state)
{
	(void)state;
	fresh();
	fake_library("host", "libmpich.so.12", FAKE_MPICH "int x(void){return new_call();}", FAKE_HOST_LIBC);
	struct abi_decision *decision = judge(NULL);
	assert_int_equal(decision->verdict, ABI_SWAP);
	assert_string_equal(decision->libc_for, "the host's /usr/lib64/libmpich.so.12 needs GLIBC_2.99, which "
						"the image's libc.so.6 does not have");
	abi_decision_free(&decision);
	/* Never an older one: the image's has a version that the host's has not. */
	fake_run("printf 'GLIBC_2.2.5 { global: old_call; local: *; }; GLIBC_2.98 { global: new_call; };' >map;"
		 "echo 'int old_call(void){return 0;} int new_call(void){return 0;}' >s.c;"
		 "cc -shared -fPIC -nostdlib -w s.c -Wl,--version-script=map,-soname,libc.so.6"
		 " -o image/usr/lib64/libc.so.6");
	refused(ABI_REASON_VERSION, "GLIBC_2.99 of libc.so.6");
	fake_run("cp host/usr/lib64/libc.so.6 image/usr/lib64/");
	decision = judge(NULL);
	assert_int_equal(decision->verdict, ABI_SWAP);
	assert_null(decision->libc_for);
	abi_decision_free(&decision);
}

/* All of the glibc, the linker at the programs' interpreter, its conversions. */
static void whole_glibc(void **state)
{
	(void)state;
	fresh();
	fake_library("host", "libmpich.so.12", FAKE_MPICH "int x(void){return new_call();}", FAKE_HOST_LIBC);
	fake_library("host", "libm.so.6", "int m(void){return 0;}", "");
	fake_library("host", "ld-linux-x86-64.so.2", "int ld(void){return 0;}", "");
	fake_library("host", "libcrypt.so.1", "int crypt(void){return 0;}", "");
	fake_run("mkdir -p host/usr/lib64/gconv host/usr/lib/locale image/usr/lib/ld; ln -s usr/lib image/lib;"
		 "cp host/usr/lib64/ld-linux-x86-64.so.2 image/usr/lib/ld/ld-2.31.so;"
		 "ln -s ../lib/ld/ld-2.31.so image/usr/lib64/ld-linux-x86-64.so.2;"
		 "mv image/usr/lib64/libc.so.6 image/usr/lib64/libc-2.31.so; ln -s libc-2.31.so image/usr/lib64/libc.so.6");
	fake_program("image", "started", FAKE_MAIN, IMAGE_MPI " -Wl,-I,/lib64/ld-linux-x86-64.so.2");
	struct abi_decision *decision = judge(NULL);
	assert_int_equal(decision->verdict, ABI_SWAP);
	assert_string_equal(bind_to(decision, "/usr/lib64/libc-2.31.so")->source, "/usr/lib64/libc.so.6");
	assert_string_equal(bind_to(decision, "/usr/lib/ld/ld-2.31.so")->source,
			    "/usr/lib64/ld-linux-x86-64.so.2");
	assert_non_null(bind_to(decision, ABI_DIR "/lib/libm.so.6"));
	assert_true(bind_to(decision, "/usr/lib64/gconv")->directory);
	assert_true(bind_to(decision, "/usr/lib/locale")->directory);
	assert_null(bind_to(decision, ABI_DIR "/lib/libcrypt.so.1"));
	abi_decision_free(&decision);
}

static void host_library_missing(void **state)
{
	(void)state;
	fresh();
	fake_library("host", "libucp.so.0", "int ucp(void){return 0;}", "");
	fake_library("host", "libmpich.so.12", FAKE_MPICH, "host/usr/lib64/libucp.so.0" FAKE_HOST_LIBC);
	swapped();
	fake_run("rm host/usr/lib64/libucp.so.0");
	refused(ABI_REASON_HOST_LIBRARY, "libucp.so.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fits),              cmocka_unit_test(statically_linked),
		cmocka_unit_test(musl),              cmocka_unit_test(other_machine), cmocka_unit_test(bits_32),
		cmocka_unit_test(two_families),      cmocka_unit_test(no_host_mpi),
		cmocka_unit_test(other_family),      cmocka_unit_test(other_generation),
		cmocka_unit_test(missing_companion), cmocka_unit_test(missing_symbol),
		cmocka_unit_test(own_programs),      cmocka_unit_test(copy_size),
		cmocka_unit_test(newer_libc_needed), cmocka_unit_test(whole_glibc),
		cmocka_unit_test(host_library_missing),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
