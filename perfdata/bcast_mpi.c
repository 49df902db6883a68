/*
 * bcast_mpi SRC DST: the baseline: rank 0 reads the file, one MPI_Bcast a GiB, every rank writes it.
 */
#include <fcntl.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (1ll << 30)

/* By pread or pwrite; 0 or -1. */
static int all(int fd, char *bytes, long long size, int writes)
{
	for (long long done = 0; done < size;) {
		ssize_t some = writes ? pwrite(fd, bytes + done, (size_t)(size - done), done)
				      : pread(fd, bytes + done, (size_t)(size - done), done);
		if (some <= 0)
			return -1;
		done += some;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int rank;
	long long size = 0;
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	double began = MPI_Wtime();
	int in = rank == 0 && argc == 3 ? open(argv[1], O_RDONLY) : -1;
	struct stat status;
	if (in >= 0 && fstat(in, &status) == 0)
		size = status.st_size;
	MPI_Bcast(&size, 1, MPI_LONG_LONG, 0, MPI_COMM_WORLD);
	char *bytes = malloc((size_t)size + 1);
	if (size == 0 || bytes == NULL || (in >= 0 && all(in, bytes, size, 0) < 0))
		MPI_Abort(MPI_COMM_WORLD, 1);
	double read_s = MPI_Wtime() - began;
	for (long long at = 0; at < size; at += PIECE)
		MPI_Bcast(bytes + at, (int)(size - at < PIECE ? size - at : PIECE), MPI_BYTE, 0, MPI_COMM_WORLD);
	double moved_s = MPI_Wtime() - began;
	int out = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (out < 0 || all(out, bytes, size, 1) < 0)
		MPI_Abort(MPI_COMM_WORLD, 1);
	MPI_Barrier(MPI_COMM_WORLD);
	if (rank == 0)
		printf("{\"bytes\":%lld,\"read\":%.6f,\"moved\":%.6f,\"total\":%.6f}\n", size, read_s, moved_s,
		       MPI_Wtime() - began);
	fflush(stdout);
	unlink(argv[2]);
	MPI_Barrier(MPI_COMM_WORLD);
	_exit(0);
}
