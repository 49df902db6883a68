/*
 * bcast_mpi SRC DST: the baseline: rank 0 reads the file, one MPI_Bcast a GiB, every rank writes it.
 *
 * Rank 0 prints a line of JSON, seconds since the start: `read` the file is in rank 0's memory, and every rank's memory has
 * been touched; `moved` the slowest rank has all bytes; `total` all have written them.  Memory to memory: moved - read.
 */
#include <fcntl.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static unsigned long long sum(const char *bytes, long long size)
{
	unsigned long long sum = 0, word;
	for (long long at = 0; at + (long long)sizeof word <= size; at += sizeof word) {
		memcpy(&word, bytes + at, sizeof word);
		sum = sum * 31 + word;
	}
	return sum;
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
	if (rank > 0)
		memset(bytes, 0, (size_t)size);
	MPI_Barrier(MPI_COMM_WORLD);
	double read_s = MPI_Wtime() - began;
	for (long long at = 0; at < size; at += PIECE)
		MPI_Bcast(bytes + at, (int)(size - at < PIECE ? size - at : PIECE), MPI_BYTE, 0, MPI_COMM_WORLD);
	MPI_Barrier(MPI_COMM_WORLD);
	double moved_s = MPI_Wtime() - began;
	unsigned long long mine = sum(bytes, size), least = 0, most = 1;
	MPI_Allreduce(&mine, &least, 1, MPI_UNSIGNED_LONG_LONG, MPI_MIN, MPI_COMM_WORLD);
	MPI_Allreduce(&mine, &most, 1, MPI_UNSIGNED_LONG_LONG, MPI_MAX, MPI_COMM_WORLD);
	if (least != most)
		MPI_Abort(MPI_COMM_WORLD, 1);
	double checked_s = MPI_Wtime() - began - moved_s;  /* no part of the broadcast */
	int out = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (out < 0 || all(out, bytes, size, 1) < 0)
		MPI_Abort(MPI_COMM_WORLD, 1);
	MPI_Barrier(MPI_COMM_WORLD);
	if (rank == 0)
		printf("{\"bytes\":%lld,\"read\":%.6f,\"moved\":%.6f,\"total\":%.6f}\n", size, read_s, moved_s,
		       MPI_Wtime() - began - checked_s);
	fflush(stdout);
	unlink(argv[2]);
	MPI_Barrier(MPI_COMM_WORLD);
	_exit(0);
}
