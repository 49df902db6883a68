/* host_mpi: whose MPI is found first. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/host.h"
#include "tests/unit/mpi-abi/fake.h"

static void look(enum mpi_family family, int generation, const char *mpi_path,
		 const char *search_path, int expected, const char *path, const char *found_by)
{
	struct err err = ERR_NONE;
	struct host *host = NULL;
	AUTO_HOST_MPI struct host_mpi mpi = {0};
	struct host_search search = {.family = family, .generation = generation, .mpi_path = mpi_path,
				     .search_path = search_path, .machine = elf_machine_here()};
	assert_int_equal(host_open("host", NULL, &host, &err), 0);
	assert_int_equal(host_mpi_find(host, &search, &mpi, &err), expected);
	if (path)
		assert_string_equal(mpi.path, path);
	else
		assert_null(mpi.path);
	if (found_by)
		assert_string_equal(mpi.found_by, found_by);
	host_free(&host);
}

static void places(void **state)
{
	(void)state;
	fake_libc("host", 0);
	look(MPI_FAMILY_MPICH, 12, NULL, "/usr/bin", -ENOENT, NULL, NULL);
	fake_library("host", "libmpi.so.40", FAKE_OPEN_MPI, FAKE_HOST_LIBC);
	look(MPI_FAMILY_MPICH, 12, NULL, "/usr/bin", -ENOENT, "/usr/lib64/libmpi.so.40", NULL);
	fake_library("host", "libmpich.so.12", FAKE_MPICH, FAKE_HOST_LIBC);
	look(MPI_FAMILY_MPICH, 12, NULL, "/usr/bin", 0, "/usr/lib64/libmpich.so.12",
	     "the default library directories");

	fake_run("mkdir -p host/opt/mpich/bin host/opt/mpich/lib host/opt/old/lib; touch host/opt/mpich/bin/mpicc;"
		 "cp host/usr/lib64/libmpich.so.12 host/opt/mpich/lib/libmpi.so.12");
	look(MPI_FAMILY_MPICH, 12, NULL, "/usr/bin:/opt/mpich/bin", 0, "/opt/mpich/lib/libmpi.so.12",
	     "mpicc in PATH");
	look(MPI_FAMILY_OPEN_MPI, 40, NULL, "/usr/bin:/opt/mpich/bin", 0, "/usr/lib64/libmpi.so.40",
	     "the default library directories");
	look(MPI_FAMILY_MPICH, 12, "/usr", "/opt/mpich/bin", 0, "/usr/lib64/libmpich.so.12", "--mpi-path");
	look(MPI_FAMILY_MPICH, 12, "/opt/mpich/lib/libmpi.so.12", NULL, 0, "/opt/mpich/lib/libmpi.so.12",
	     "--mpi-path");
	look(MPI_FAMILY_MPICH, 12, "/opt/old", "/opt/mpich/bin", -ENOENT, NULL, NULL);
}

static void generations(void **state)
{
	(void)state;
	fake_libc("host", 0);
	fake_library("host", "libmpi.so.20", FAKE_OPEN_MPI, FAKE_HOST_LIBC);
	look(MPI_FAMILY_OPEN_MPI, 40, NULL, "", 0, "/usr/lib64/libmpi.so.20", NULL);
	fake_library("host", "libmpi.so.40", FAKE_OPEN_MPI, FAKE_HOST_LIBC);
	look(MPI_FAMILY_OPEN_MPI, 40, NULL, "", 0, "/usr/lib64/libmpi.so.40", NULL);
	look(MPI_FAMILY_OPEN_MPI, 20, NULL, "", 0, "/usr/lib64/libmpi.so.20", NULL);
}

static void modules(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct host *host = NULL;
	AUTO_HOST_MPI struct host_mpi mpi = {0};
	const char *const by_variable[] = {"I_MPI_ROOT=relative", "XI_MPI_ROOT=/opt/none", "I_MPI_ROOT=/opt/intel", NULL};
	const char *const by_pc[] = {"PKG_CONFIG_PATH=/opt/none/pkgconfig:/opt/odd:/opt/pc/lib/pkgconfig", NULL};
	fake_libc("host", 0);
	fake_library("host", "libmpich.so.12", FAKE_MPICH, FAKE_HOST_LIBC);
	fake_run("mkdir -p host/opt/intel/lib/release host/opt/pc/lib host/opt/odd;"
		 "cp host/usr/lib64/libmpich.so.12 host/opt/intel/lib/release/libmpi.so.12;"
		 "cp host/usr/lib64/libmpich.so.12 host/opt/pc/lib/libmpi.so.12;"
		 "cp host/usr/lib64/libmpich.so.12 host/opt/odd/libmpi.so.12");
	assert_int_equal(host_open("host", NULL, &host, &err), 0);
	struct host_search search = {.family = MPI_FAMILY_MPICH, .generation = 12, .machine = elf_machine_here(),
				     .environment = by_variable};
	assert_int_equal(host_mpi_find(host, &search, &mpi, &err), 0);
	assert_string_equal(mpi.path, "/opt/intel/lib/release/libmpi.so.12");
	assert_string_equal(mpi.found_by, "I_MPI_ROOT");
	host_mpi_free(&mpi);
	search.environment = by_pc;
	assert_int_equal(host_mpi_find(host, &search, &mpi, &err), 0);
	assert_string_equal(mpi.path, "/opt/pc/lib/libmpi.so.12");
	host_free(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(places), cmocka_unit_test(generations),
					   cmocka_unit_test(modules)};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
