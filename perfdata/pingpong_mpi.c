/*
 * pingpong_mpi SECONDS [two-sided]: what two ranks get out of their transport, as the OSU micro-benchmarks measure it.
 *
 * For each measure: a warm-up, then batches for SECONDS; the median batch counts.  Rank 0 prints a line of JSON,
 * and one of puts and gets:
 * latencies in µs (half a round trip; a put or get with its flush), bandwidths in bytes/s (windows of 16 messages of
 * 1 MiB).  All memory has been touched before.  Puts and gets come last: Open MPI 4.1
 * ends the program in them over some transports.
 *
 * Ends without MPI_Finalize, which in some MPICHs hangs over several nodes; what was printed is the result.
 */
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SMALL = 8, PAGE = 4096, LARGE = 1 << 20, WINDOW = 16, BATCHES = 15, BATCHES_LEAST = 5 };

static int rank;
static char *out, *in;
static MPI_Win window;

/* -- one operation of each measure; both ranks call it -------------------- */

static void ping(int bytes)
{
	if (rank == 0)
		MPI_Send(out, bytes, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
	MPI_Recv(in, bytes, MPI_BYTE, 1 - rank, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	if (rank == 1)
		MPI_Send(out, bytes, MPI_BYTE, 0, 1, MPI_COMM_WORLD);
}

static void stream(int bytes)
{
	MPI_Request requests[WINDOW];
	char done = 0;
	for (int i = 0; i < WINDOW; i++) {
		char *at = (rank == 0 ? out : in) + (size_t)i * (size_t)bytes;
		if (rank == 0)
			MPI_Isend(at, bytes, MPI_BYTE, 1, 2, MPI_COMM_WORLD, &requests[i]);
		else
			MPI_Irecv(at, bytes, MPI_BYTE, 0, 2, MPI_COMM_WORLD, &requests[i]);
	}
	MPI_Waitall(WINDOW, requests, MPI_STATUSES_IGNORE);
	if (rank == 0)
		MPI_Recv(&done, 1, MPI_BYTE, 1, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	else
		MPI_Send(&done, 1, MPI_BYTE, 0, 3, MPI_COMM_WORLD);
}

static void put(int bytes)
{
	if (rank != 0)
		return;
	for (int i = 0; i < (bytes == LARGE ? WINDOW : 1); i++)
		MPI_Put(out + (size_t)i * (size_t)bytes, bytes, MPI_BYTE, 1, (MPI_Aint)i * bytes, bytes, MPI_BYTE, window);
	MPI_Win_flush(1, window);
}

static void get(int bytes)
{
	if (rank != 0)
		return;
	for (int i = 0; i < (bytes == LARGE ? WINDOW : 1); i++)
		MPI_Get(out + (size_t)i * (size_t)bytes, bytes, MPI_BYTE, 1, (MPI_Aint)i * bytes, bytes, MPI_BYTE, window);
	MPI_Win_flush(1, window);
}

static const struct measure {
	const char *name;
	void (*once)(int bytes);
	int bytes, halves;  /* halves: 2 for a round trip */
} two_sided[] = {
	{"latency 8 B", ping, SMALL, 2},     {"latency 4 KiB", ping, PAGE, 2}, {"latency 1 MiB", ping, LARGE, 2},
	{"bandwidth 1 MiB", stream, LARGE, 0},
}, one_sided[] = {
	{"put 8 B", put, SMALL, 1},             {"get 8 B", get, SMALL, 1},
	{"put bandwidth 1 MiB", put, LARGE, 0}, {"get bandwidth 1 MiB", get, LARGE, 0},
};

/* -- timing ----------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const double *left = a, *right = b;
	return (*left > *right) - (*left < *right);
}

static double batch(const struct measure *measure, int count)
{
	MPI_Barrier(MPI_COMM_WORLD);
	double began = MPI_Wtime();
	for (int i = 0; i < count; i++)
		measure->once(measure->bytes);
	return (MPI_Wtime() - began) / count;
}

/* Seconds of one operation.  Rank 0's clock says how many there shall be. */
static double run(const struct measure *measure, double seconds)
{
	double samples[BATCHES], each = 0;
	int count = 1, batches = BATCHES;
	batch(measure, 2);
	for (;; count *= 2) {
		each = batch(measure, count);
		MPI_Bcast(&each, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
		if (each * count > seconds / BATCHES || count >= 1 << 20)
			break;
	}
	if (each * BATCHES > seconds)  /* long ones: fewer */
		batches = each * BATCHES_LEAST > seconds ? BATCHES_LEAST : (int)(seconds / each);
	for (int i = 0; i < batches; i++)
		samples[i] = batch(measure, count);
	qsort(samples, (size_t)batches, sizeof *samples, compare);
	return samples[batches / 2];
}

/* What is printed is out, whatever an MPI does next. */
static void print_measures(const struct measure *measures, size_t count, double seconds)
{
	for (size_t i = 0; i < count; i++) {
		double each = run(&measures[i], seconds);
		double figure = measures[i].halves ? each * 1e6 / measures[i].halves : (double)LARGE * WINDOW / each;
		if (rank == 0)
			printf(",\"%s\":%.4f", measures[i].name, figure);
	}
	if (rank == 0)
		printf("}\n");
	fflush(stdout);
}

/* Some MPIs have no one-sided communication over some transports: then there are no such measures. */
static bool open_window(void)
{
	char *exposed = NULL;
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	int rc = MPI_Win_allocate((MPI_Aint)LARGE * WINDOW, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &exposed, &window);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
	if (rc != MPI_SUCCESS)
		return false;
	memset(exposed, 3, (size_t)LARGE * WINDOW);
	MPI_Win_lock_all(0, window);
	return true;
}

int main(int argc, char **argv)
{
	int size, length;
	char version[MPI_MAX_LIBRARY_VERSION_STRING];
	double seconds = argc > 1 ? atof(argv[1]) : 0.1;
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (size != 2)
		MPI_Abort(MPI_COMM_WORLD, 2);
	MPI_Get_library_version(version, &length);
	version[strcspn(version, ",\n")] = '\0';
	for (char *at = version; *at; at++)
		*at = *at == '\t' || *at == '"' || *at == '\\' ? ' ' : *at;
	out = malloc((size_t)LARGE * WINDOW);
	in = malloc((size_t)LARGE * WINDOW);
	if (out == NULL || in == NULL)
		MPI_Abort(MPI_COMM_WORLD, 1);
	memset(out, 1, (size_t)LARGE * WINDOW);
	memset(in, 2, (size_t)LARGE * WINDOW);
	if (rank == 0)
		printf("{\"version\":\"%s\"", version);
	print_measures(two_sided, sizeof two_sided / sizeof *two_sided, seconds);
	if (argc <= 2 && open_window()) {
		if (rank == 0)
			printf("{\"one-sided\":1");
		print_measures(one_sided, sizeof one_sided / sizeof *one_sided, seconds);
	}
	MPI_Barrier(MPI_COMM_WORLD);
	_exit(0);
}
