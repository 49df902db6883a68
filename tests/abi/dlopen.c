/* dlopen: a program that no MPI is linked with; it opens one of MPICH's ABI by its path and says what it got,
 * in the words of tests/images/mpi_hello.c. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORLD = 0x44000000, INT = 0x4c000405, SUM = 0x58000003 };  /* of MPICH's mpi.h */

static void *library;

static void *find(const char *name)
{
	void *function = dlsym(library, name);
	if (!function) {
		fprintf(stderr, "dlopen: %s\n", dlerror());
		exit(99);
	}
	return function;
}

#define CALL(name, types, ...) ((int (*)types)find(name))(__VA_ARGS__)

int main(int argc, char **argv)
{
	static char version[8192];
	int rank = -1, size = 0, sum = 0, len;
	library = dlopen(argc > 1 ? argv[1] : "libmpich.so.12", RTLD_NOW | RTLD_GLOBAL);
	CALL("MPI_Init", (int *, char ***), &argc, &argv);
	CALL("MPI_Comm_rank", (int, int *), WORLD, &rank);
	CALL("MPI_Comm_size", (int, int *), WORLD, &size);
	CALL("MPI_Allreduce", (const void *, void *, int, int, int, int), &rank, &sum, 1, INT, SUM, WORLD);
	CALL("MPI_Get_library_version", (char *, int *), version, &len);
	version[strcspn(version, "\n")] = '\0';
	printf("rank %d of %d on here: %s from ? sum %d\n", rank, size, version, sum);
	fflush(stdout);
	return CALL("MPI_Finalize", (void));
}
