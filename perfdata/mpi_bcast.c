/*
 * mpi_bcast.c - the baseline of cmpi-bcast: one MPI_Bcast of a whole file (perfdata/bcast).
 *
 *	mpiexec ... mpi_bcast BYTES REPEATS
 *
 * Rank 0 prints a line a repeat: nanoseconds from a barrier until the slowest rank has all bytes; and
 * "bad" behind it if a rank got others.  Memory is touched before, nothing is read or landed.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 30 };  /* an MPI count is an int */

static int has_content(const unsigned char *bytes, long long size, int repeat)
{
	for (long long at = 0; at < size; at += 4096)
		if (bytes[at] != (unsigned char)(at / 4096 + repeat))
			return 0;
	return 1;
}

int main(int argc, char **argv)
{
	int rank;
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	long long size = argc > 1 ? atoll(argv[1]) : 0;
	int repeats = argc > 2 ? atoi(argv[2]) : 1;
	unsigned char *bytes = malloc((size_t)size + 1);
	if (bytes == NULL)
		MPI_Abort(MPI_COMM_WORLD, 1);
	for (int repeat = 0; repeat < repeats; repeat++) {
		memset(bytes, 0, (size_t)size);
		for (long long at = 0; rank == 0 && at < size; at += 4096)
			bytes[at] = (unsigned char)(at / 4096 + repeat);
		MPI_Barrier(MPI_COMM_WORLD);
		double begun = MPI_Wtime();
		for (long long at = 0; at < size; at += PIECE)
			MPI_Bcast(bytes + at, (int)(size - at < PIECE ? size - at : PIECE), MPI_BYTE, 0,
				  MPI_COMM_WORLD);
		double took = MPI_Wtime() - begun, slowest;
		int good = has_content(bytes, size, repeat), all;
		MPI_Reduce(&took, &slowest, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
		MPI_Reduce(&good, &all, 1, MPI_INT, MPI_MIN, 0, MPI_COMM_WORLD);
		if (rank == 0) {
			printf("%.0f%s\n", slowest * 1e9, all ? "" : " bad");
			fflush(stdout);
		}
	}
	/* Some MPIs hang in MPI_Finalize over several nodes (bcast/session.c); all is said. */
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Abort(MPI_COMM_WORLD, 0);
}
