/* family: names that say little, and symbols that say more. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/family.h"

static void by_name(void **state)
{
	(void)state;
	static const struct { const char *name; enum mpi_family family; enum mpi_role role; int number; } cases[] = {
		{"libmpich.so.12", MPI_FAMILY_MPICH, MPI_ROLE_C, 12},
		{"libmpi.so.12", MPI_FAMILY_MPICH, MPI_ROLE_C, 12},
		{"libmpi_gnu_91.so.12", MPI_FAMILY_MPICH, MPI_ROLE_C, 12},
		{"libmpifort.so.12", MPI_FAMILY_MPICH, MPI_ROLE_FORTRAN, 12},
		{"libmpichfort.so.12", MPI_FAMILY_MPICH, MPI_ROLE_FORTRAN, 12},
		{"libmpicxx.so.12", MPI_FAMILY_MPICH, MPI_ROLE_CXX, 12},
		{"libmpi.so.40", MPI_FAMILY_OPEN_MPI, MPI_ROLE_C, 40},
		{"libmpi.so.20.10.1", MPI_FAMILY_OPEN_MPI, MPI_ROLE_C, 20},
		{"libmpi_usempif08.so.40", MPI_FAMILY_OPEN_MPI, MPI_ROLE_OTHER, 40},
		{"libopen-pal.so.80", MPI_FAMILY_OPEN_MPI, MPI_ROLE_INTERNAL, 80},
		{"libmpi_abi.so.1", MPI_FAMILY_STANDARD, MPI_ROLE_C, 1},
		{"libmpir.so.23", MPI_FAMILY_NONE, MPI_ROLE_NONE, 23},
		{"libmpiseq-5.5.so", MPI_FAMILY_NONE, MPI_ROLE_NONE, -1},
		{"libm.so.6", MPI_FAMILY_NONE, MPI_ROLE_NONE, 6},
		{"libmpi.so", MPI_FAMILY_OPEN_MPI, MPI_ROLE_C, -1},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(mpi_family_of_name(cases[i].name), cases[i].family);
		assert_int_equal(mpi_role_of_name(cases[i].family, cases[i].name), cases[i].role);
		assert_int_equal(mpi_generation(cases[i].name), cases[i].number);
	}
	assert_true(mpi_name_suspect("libmpir.so.23"));
	assert_true(mpi_name_suspect("libopen-rte.so.40"));
	assert_false(mpi_name_suspect("libmpfr.so.6"));
	assert_false(mpi_name_suspect("mpi"));
}

static enum mpi_family of(const char *soname, const char *needed, const char *first,
			  const char *second)
{
	struct elf_symbol symbols[] = {{.name = first, .defined = true}, {.name = second, .defined = true}};
	const char *needs[] = {needed};
	struct elf elf = {.symbols = symbols, .symbol_count = second ? 2 : first ? 1 : 0,
			  .needed = needs, .needed_count = needed ? 1 : 0};
	return mpi_family_of(&elf, soname);
}

static void by_symbols(void **state)
{
	(void)state;
	assert_int_equal(of("libmpi.so.12", NULL, "MPI_Init", "ompi_mpi_comm_world"), MPI_FAMILY_OPEN_MPI);
	assert_int_equal(of("libmpi.so.0", NULL, "MPI_Init", "MPIR_Dup_fn"), MPI_FAMILY_MPICH);
	assert_int_equal(of("libmpi.so.12", NULL, "MPI_Init", "something"), MPI_FAMILY_NONE);
	assert_int_equal(of("libmpir.so.23", NULL, "mpir_gcd", "MPIR_x"), MPI_FAMILY_NONE);
	assert_int_equal(of("libmpi_cxx.so.40", "libmpi.so.40", "_ZN3MPI", NULL), MPI_FAMILY_OPEN_MPI);
	assert_int_equal(of("libmpicxx.so.12", "libmpi.so.12", NULL, NULL), MPI_FAMILY_MPICH);
	assert_int_equal(of("libmpi.so.40", NULL, NULL, NULL), MPI_FAMILY_NONE);
	assert_int_equal(of("libmpi.so.40", "libopen_mpi.so.40", "MPI_Init", "MPI_Send"), MPI_FAMILY_OPEN_MPI);
	assert_int_equal(of("libmpi_abi.so.1", NULL, NULL, NULL), MPI_FAMILY_STANDARD);
	assert_int_equal(of("libtool.so.1", "libmpi.so.12", "MPI_Send", NULL), MPI_FAMILY_NONE);
}

static void own_programs(void **state)
{
	(void)state;
	assert_true(mpi_own_program("/usr/bin/ompi_info"));
	assert_true(mpi_own_program("/opt/x/bin/orte-server"));
	assert_true(mpi_own_program("prterun"));
	assert_false(mpi_own_program("/usr/bin/mpi_hello"));
	assert_false(mpi_own_program("/usr/bin/mpiexecute"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_name), cmocka_unit_test(by_symbols), cmocka_unit_test(own_programs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
