/*
 * storm_mpi: when each rank was started and when its MPI was up, on one clock.
 *
 * Rank 0 prints one line of JSON: {"ranks":[{"rank","node","main","init","offset"}...]}: CLOCK_REALTIME
 * in ns at main() and behind MPI_Init on the rank's own clock; offset: what must be taken from its
 * clock to get rank 0's, by the fastest of some round trips (Cristian's method).
 *
 * Leaves without MPI_Finalize: MPICH before 4.2 may hang in it over TCP (tests/images/mpi_hello.c);
 * with PMI-1 the server is told good-bye.
 */
#define _GNU_SOURCE
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 16 };

struct report {
	int64_t main_ns, init_ns, offset_ns;
	char node[64];
};

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* On rank 0: the other's clock minus ours. */
static int64_t ask(int peer)
{
	int64_t best = INT64_MAX, offset = 0, theirs;
	for (int i = 0; i < ROUNDS; i++) {
		int64_t sent = now();
		MPI_Send(&sent, 1, MPI_INT64_T, peer, 1, MPI_COMM_WORLD);
		MPI_Recv(&theirs, 1, MPI_INT64_T, peer, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		int64_t came = now();
		if (came - sent < best) {
			best = came - sent;
			offset = theirs - (sent + (came - sent) / 2);
		}
	}
	return offset;
}

static void answer(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		int64_t word;
		MPI_Recv(&word, 1, MPI_INT64_T, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		word = now();
		MPI_Send(&word, 1, MPI_INT64_T, 0, 2, MPI_COMM_WORLD);
	}
}

static void print(const struct report *reports, int size)
{
	printf("{\"ranks\":[");
	for (int i = 0; i < size; i++)
		printf("%s{\"rank\":%d,\"node\":\"%s\",\"main\":%lld,\"init\":%lld,\"offset\":%lld}", i ? "," : "", i,
		       reports[i].node, (long long)reports[i].main_ns, (long long)reports[i].init_ns,
		       (long long)reports[i].offset_ns);
	printf("]}\n");
	fflush(stdout);
}

static void leave(void)
{
	static const char bye[] = "cmd=finalize\n";
	const char *fd = getenv("PMI_FD");
	char text[256];
	MPI_Barrier(MPI_COMM_WORLD);
	if (fd == NULL)
		MPI_Finalize();
	else if (write(atoi(fd), bye, sizeof bye - 1) < 0 || read(atoi(fd), text, sizeof text) <= 0)
		perror("storm_mpi: PMI_FD");
	_exit(0);
}

int main(int argc, char **argv)
{
	struct report mine = {.main_ns = now()}, *all = NULL;
	int rank, size;
	MPI_Init(&argc, &argv);
	mine.init_ns = now();
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	gethostname(mine.node, sizeof mine.node - 1);
	all = calloc((size_t)size, sizeof *all);
	MPI_Gather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, 0, MPI_COMM_WORLD);
	for (int peer = 1; peer < size; peer++) {
		if (rank == 0)
			all[peer].offset_ns = ask(peer);
		else if (rank == peer)
			answer();
	}
	if (rank == 0)
		print(all, size);
	leave();
}
