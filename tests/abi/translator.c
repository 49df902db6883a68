/*
 * translator: a very small translator between MPI ABIs, for tests of translator plug-ins.
 *
 * Programs that were built for Open MPI 4 get the MPICH that $TRANSLATE_TO names.  It knows the calls and the
 * predefined objects of tests/images/mpi_hello.c, no more; a program that needs others must be refused.
 *
 * Open MPI's handles are addresses of objects, MPICH's are numbers: predefined objects are
 * looked up, others carry the number as the address.  The sizes of the objects, which programs copy, come
 * from the real library at compile time (SIZE_*).  Loaded before all others, together with an empty
 * libmpi.so.40.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char ompi_mpi_comm_world[SIZE_ompi_mpi_comm_world];
char ompi_mpi_int[SIZE_ompi_mpi_int], ompi_mpi_long[SIZE_ompi_mpi_long], ompi_mpi_byte[SIZE_ompi_mpi_byte];
char ompi_mpi_op_sum[SIZE_ompi_mpi_op_sum], ompi_mpi_op_min[SIZE_ompi_mpi_op_min];
char ompi_mpi_info_null[SIZE_ompi_mpi_info_null];

static const struct {
	const void *theirs;
	int ours;  /* mpi.h of MPICH; its ABI does not change */
} handles[] = {
	{ompi_mpi_comm_world, 0x44000000}, {ompi_mpi_int, 0x4c000405},    {ompi_mpi_long, 0x4c000807},
	{ompi_mpi_byte, 0x4c00010d},       {ompi_mpi_op_sum, 0x58000003}, {ompi_mpi_op_min, 0x58000002},
	{ompi_mpi_info_null, 0x1c000000},
};

static int number(const void *handle)
{
	for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
		if (handles[i].theirs == handle)
			return handles[i].ours;
	return (int)(intptr_t)handle;
}

static const void *in_place(const void *buffer)
{
	return buffer == (void *)1 ? (void *)-1 : buffer;
}

/* The function of that name of the real MPI. */
static void *real(const char *name)
{
	static void *library;
	const char *path = getenv("TRANSLATE_TO");
	if (!library && path)
		library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *function = library ? dlsym(library, name) : NULL;
	if (!function) {
		fprintf(stderr, "translator: %s of %s: %s\n", name, path ? path : "nothing", dlerror());
		exit(99);
	}
	return function;
}

#define REAL(name, ...) ((int (*)(__VA_ARGS__))real(name))

int MPI_Init(int *argc, char ***argv) { return REAL("MPI_Init", int *, char ***)(argc, argv); }
int MPI_Finalize(void) { return REAL("MPI_Finalize", void)(); }
int MPI_Abort(void *comm, int code) { return REAL("MPI_Abort", int, int)(number(comm), code); }
int MPI_Barrier(void *comm) { return REAL("MPI_Barrier", int)(number(comm)); }
int MPI_Comm_rank(void *comm, int *rank) { return REAL("MPI_Comm_rank", int, int *)(number(comm), rank); }
int MPI_Comm_size(void *comm, int *size) { return REAL("MPI_Comm_size", int, int *)(number(comm), size); }

int MPI_Comm_split_type(void *comm, int type, int key, void *info, void **made)
{
	int out = 0;
	(void)type;  /* shared, the only one that is asked for: 0 there, 1 here */
	int rc = REAL("MPI_Comm_split_type", int, int, int, int, int *)(number(comm), 1, key, number(info), &out);
	*made = (void *)(intptr_t)out;
	return rc;
}

int MPI_Comm_free(void **comm)
{
	int ours = number(*comm);
	return REAL("MPI_Comm_free", int *)(&ours);
}

int MPI_Get_processor_name(char *name, int *len)
{
	return REAL("MPI_Get_processor_name", char *, int *)(name, len);
}

/* Open MPI's programs have 256 bytes for it, MPICH writes up to 8192. */
int MPI_Get_library_version(char *version, int *len)
{
	char text[8192];
	int rc = REAL("MPI_Get_library_version", char *, int *)(text, len);
	*len = (int)strnlen(text, 255);
	memcpy(version, text, (size_t)*len);
	version[*len] = '\0';
	return rc;
}

int MPI_Allreduce(const void *in, void *out, int count, void *type, void *op, void *comm)
{
	return REAL("MPI_Allreduce", const void *, void *, int, int, int, int)(
		in_place(in), out, count, number(type), number(op), number(comm));
}

int MPI_Sendrecv(const void *out, int out_count, void *out_type, int to, int out_tag, void *in, int in_count,
		 void *in_type, int from, int in_tag, void *comm, void *status)
{
	(void)status;  /* ignored: 0 there, 1 here */
	return REAL("MPI_Sendrecv", const void *, int, int, int, int, void *, int, int, int, int, int, void *)(
		out, out_count, number(out_type), to, out_tag, in, in_count, number(in_type), from, in_tag,
		number(comm), (void *)1);
}
