/*
 * sim_bcast.c - the broadcast of cmpi-bcast on a simulated machine.
 *
 *   smpirun ... ./sim_bcast KIND READERS BYTES CHUNK_SIZE ORDER
 *
 * KIND chain, two-tree, or auto: what bcast/model.h chooses, with its CHUNK_SIZE when that is 0.
 * ORDER sorted, or shuffled: ranks that have nothing to do with the places of nodes.
 *
 * In: a platform that SimGrid simulates, one rank a node.  Out: one line of JSON; `seconds` is the
 * simulated time from when all are ready until the last chunk has come to the last rank.
 * `perfdata/simulate` builds this with smpicc, makes the platforms and runs it.
 *
 * What runs is the code of bcast/ unchanged: session.c, engine*.c, schedule.c, model.c, manifest.c ...
 * Replaced at link time is what touches bytes (crew.c: it reads and hashes nothing; the copying inside
 * SMPI), since there are none: one address range stands for the file of all ranks.  What remains of
 * "every node has every byte" is checked by events: each chunk arrives exactly once, at its place,
 * whole.
 *
 * Waiting.  The engine polls MPI and then idles, and simulated time stands still while it polls.  So
 * here a poll only notes what it was asked for; idling (sched_yield(), nanosleep()) waits until one of
 * those requests completes, and the next poll of that one says so: what polling without end at no
 * cost would see.
 *
 * Computation costs no simulated time, and nobody looks at a clock for more than patience: the
 * figures are those of schedule, window and network, and the same each time.
 */
#define _GNU_SOURCE
#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bcast/crew.h"
#include "bcast/engine.h"
#include "bcast/model.h"
#include "bcast/schedule.h"
#include "bcast/session.h"

enum { POLLED_MAX = 1024, TESTS_MAX = 64 };

/* One simulated rank; SMPI keeps the pointer, since all ranks share the globals. */
struct rank {
	/* Polled without success since the last idling. */
	MPI_Request *tests[TESTS_MAX], *some;
	int test_count, some_count;
	/* What idling found: of tests[], or an index of the next MPI_Testsome; not told yet. */
	MPI_Request *found_test;
	int found_some;
	MPI_Status found_status;
	MPI_Request *barrier;
	struct crew *crew;
	/* What has come. */
	uint8_t *arrivals;
	uint64_t arrived, total;
	bool talks;   /* about progress, on stderr */
	double last;  /* simulated time of the last arrival */
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "sim_bcast: %s\n", what);
	abort();
}

static struct rank *this_rank(void)
{
	return smpi_process_get_user_data();
}

/* -- waiting ---------------------------------------------------------------------------------- */

int MPI_Ibarrier(MPI_Comm comm, MPI_Request *request)
{
	this_rank()->barrier = request;
	return PMPI_Ibarrier(comm, request);
}

int MPI_Test(MPI_Request *request, int *done, MPI_Status *status)
{
	struct rank *rank = this_rank();
	if (request == rank->found_test) {
		rank->found_test = NULL;
		*done = 1;
		if (status != MPI_STATUS_IGNORE)
			*status = rank->found_status;
		return MPI_SUCCESS;
	}
	if (request == rank->barrier && PMPI_Test(request, done, status) == MPI_SUCCESS && *done)
		return MPI_SUCCESS;
	*done = 0;
	for (int i = 0; i < rank->test_count; i++)
		if (rank->tests[i] == request)
			return MPI_SUCCESS;
	if (rank->test_count == TESTS_MAX)
		die("too many requests");
	rank->tests[rank->test_count++] = request;
	return MPI_SUCCESS;
}

int MPI_Testsome(int count, MPI_Request requests[], int *done, int indices[],
		 MPI_Status statuses[])
{
	struct rank *rank = this_rank();
	*done = rank->found_some >= 0;
	if (*done) {
		indices[0] = rank->found_some;
		statuses[0] = rank->found_status;
	}
	rank->found_some = -1;
	rank->some = requests;
	rank->some_count = count;
	return MPI_SUCCESS;
}

/* Patience for those who wait for the others: MPI_Waitany cannot wait for a barrier, and who is at
 * the last one has all that it needs. */
enum { AT_END_US = 20 };

static void tell(struct rank *rank, MPI_Request *found)
{
	bool some = found >= rank->some && found < rank->some + rank->some_count;
	*found = MPI_REQUEST_NULL;
	if (some)
		rank->found_some = (int)(found - rank->some);
	else
		rank->found_test = found;
}

static void idle(void)
{
	struct rank *rank = this_rank();
	MPI_Request polled[POLLED_MAX], *places[POLLED_MAX];
	int count = 0, at;
	bool at_end = false;
	if (rank->test_count + rank->some_count > POLLED_MAX)
		die("too many requests");
	for (int i = 0; i < rank->test_count; i++) {
		at_end |= rank->tests[i] == rank->barrier;
		places[count++] = rank->tests[i];
	}
	for (int i = 0; i < rank->some_count; i++)
		if (rank->some[i] != MPI_REQUEST_NULL)
			places[count++] = &rank->some[i];
	for (int i = 0; i < count; i++)
		polled[i] = *places[i];
	if (at_end)
		usleep(AT_END_US);
	else if (rank->crew == NULL || crew_load(rank->crew) == 0) {
		if (PMPI_Waitany(count, polled, &at, &rank->found_status) != MPI_SUCCESS ||
		    at == MPI_UNDEFINED)
			die("a rank waits for nothing");
		tell(rank, places[at]);
	}
	rank->test_count = rank->some_count = 0;
}

int sched_yield(void)
{
	idle();
	return 0;
}

/* What <smpi/smpi_helpers.h> makes of nanosleep(). */
int smpi_nanosleep(const struct timespec *pause, struct timespec *left)
{
	(void)pause, (void)left;
	idle();
	return 0;
}

/* -- memory ----------------------------------------------------------------------------------- */

/* One address range is the file of all ranks.  Nothing is copied into it or out of it. */
static char *file;
static uint64_t file_size;

/* What SMPI itself copies with; it is exported, but not declared for C. */
void copy_buffer(smx_activity_t, void *, size_t)
	__asm__("_Z30smpi_comm_copy_buffer_callbackPN7simgrid6kernel8activity8CommImplEPvm");

static void copy_unless_file(smx_activity_t comm, void *from, size_t len)
{
	if ((char *)from < file || (char *)from >= file + file_size)
		copy_buffer(comm, from, len);
}

static void make_file(uint64_t size)
{
	file_size = size;
	file = mmap(NULL, size + 1, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (file == MAP_FAILED)
		die("no address space");
	smpi_comm_set_copy_data_callback(copy_unless_file);
}

/* -- in place of crew.c ----------------------------------------------------------------------- */

struct crew {
	struct crew_task *tasks;  /* a ring */
	size_t first, load, room;
};

int crew_new(int threads, struct source *source, struct crew **crew, struct err *err)
{
	(void)threads, (void)source, (void)err;
	*crew = this_rank()->crew = calloc(1, sizeof **crew);
	return 0;
}

void crew_free(struct crew **crew)
{
	free((*crew)->tasks);
	free(*crew);
	*crew = this_rank()->crew = NULL;
}

int crew_submit(struct crew *crew, const struct crew_task *task, struct err *err)
{
	(void)err;
	if (crew->load == crew->room) {
		size_t room = 2 * crew->room + 16;
		struct crew_task *tasks = calloc(room, sizeof *tasks);
		for (size_t i = 0; i < crew->load; i++)
			tasks[i] = crew->tasks[(crew->first + i) % crew->room];
		free(crew->tasks);
		*crew = (struct crew){.tasks = tasks, .load = crew->load, .room = room};
	}
	crew->tasks[(crew->first + crew->load++) % crew->room] = *task;
	return 0;
}

/* Read or hashed at once; all hashes are nought. */
bool crew_take(struct crew *crew, struct crew_task *task)
{
	if (crew->load == 0)
		return false;
	*task = crew->tasks[crew->first];
	crew->first = (crew->first + 1) % crew->room;
	crew->load--;
	return true;
}

size_t crew_load(const struct crew *crew)
{
	return crew->load;
}

/* -- the run ---------------------------------------------------------------------------------- */

static void on_arrived(void *context, uint64_t chunk)
{
	struct rank *rank = context;
	rank->arrivals[chunk]++;
	rank->last = MPI_Wtime();
	rank->arrived++;
	if (rank->talks && rank->arrived * 10 / rank->total > (rank->arrived - 1) * 10 / rank->total)
		fprintf(stderr, "sim_bcast: %d of 10 after %.6f simulated s\n",
			(int)(rank->arrived * 10 / rank->total), rank->last);
}

static bool arrived_once(const struct rank *rank, const struct chunk_layout *layout)
{
	for (uint64_t chunk = 0; chunk < layout->count; chunk++)
		if (rank->arrivals[chunk] != 1)
			return false;
	return true;
}

/* An order of the nodes that has nothing to do with their places. */
static int shuffled(int rank)
{
	uint64_t hash = (uint64_t)rank * 0x9e3779b97f4a7c15u;
	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
	return (int)(hash >> 33);
}

static void report(struct session *session, const struct schedule_shape *shape,
		   const struct chunk_layout *layout, const double mine[2], int wrong)
{
	double most[2];
	int wrongs;
	MPI_Reduce(mine, most, 2, MPI_DOUBLE, MPI_MAX, 0, session->comm);
	MPI_Reduce(&wrong, &wrongs, 1, MPI_INT, MPI_SUM, 0, session->comm);
	if (session->rank == 0)
		printf("{\"nodes\":%d,\"kind\":\"%s\",\"readers\":%d,\"bytes\":%llu,\"chunk_size\":%u,"
		       "\"seconds\":%.9f,\"demotions\":%.0f,\"incomplete\":%d}\n",
		       session->size, schedule_kind_name(shape->kind), shape->readers,
		       (unsigned long long)layout->size, layout->chunk_size, most[0], most[1], wrongs);
}

static void broadcast(struct session *session, const struct schedule_shape *shape, uint64_t bytes,
		      uint32_t chunk_size, struct rank *rank)
{
	struct chunk_layout layout;
	struct schedule schedule;
	struct source source = {.fd = -1, .size = bytes};
	struct manifest *manifest;
	struct engine_result result;
	struct err err = ERR_NONE;
	if (chunk_layout_make(bytes, chunk_size, &layout, &err) < 0 ||
	    manifest_new(&layout, &manifest, &err) < 0)
		die(err.text);
	schedule_make(shape, session->rank, &schedule);
	rank->arrivals = calloc(layout.count + 1, 1);
	rank->total = layout.count;
	rank->talks = session->rank == session->size - 1;
	const struct engine_job job = {
		.schedule = &schedule,
		.layout = &layout,
		.base = file,
		.source = schedule.reader != SCHEDULE_NO_READER ? &source : NULL,
		.manifest = manifest,
		.arrived = on_arrived,
		.context = rank,
	};
	MPI_Barrier(session->comm);
	double start = MPI_Wtime();
	if (engine_run(session, &job, &result, &err) < 0)
		die(err.text);
	const double mine[2] = {rank->last - start, result.demotions};
	int wrong = result.lost || result.err.number != 0 || result.repairs > 0 ||
		    !arrived_once(rank, &layout);
	report(session, shape, &layout, mine, wrong);
	manifest_free(&manifest);
	free(rank->arrivals);
}

int main(int argc, char **argv)
{
	static const struct model_link link = {.bandwidth = 25e9, .latency = 1.25e-6};
	struct rank rank = {.found_some = -1};
	struct session session;
	struct model_choice choice;
	struct err err = ERR_NONE;
	if (argc != 6)
		die("usage: sim_bcast KIND READERS BYTES CHUNK_SIZE ORDER");
	smpi_process_set_user_data(&rank);
	uint64_t bytes = strtoull(argv[3], NULL, 10);
	if (file == NULL)
		make_file(bytes);
	if (session_open(&session, &err) < 0)
		die(err.text);
	if (strcmp(argv[5], "shuffled") == 0) {
		MPI_Comm sorted = session.comm;
		MPI_Comm_split(sorted, 0, session.rank == 0 ? 0 : shuffled(session.rank), &session.comm);
		MPI_Comm_rank(session.comm, &session.rank);
	}
	const struct model_question question = {bytes, session.size, atoi(argv[2]), 0, link};
	model_choose(&question, &choice);
	if (strcmp(argv[1], "auto") != 0)
		choice.kind = strcmp(argv[1], "chain") == 0 ? SCHEDULE_CHAIN : SCHEDULE_TWO_TREE;
	if (atol(argv[4]) > 0)
		choice.chunk_size = (uint32_t)atol(argv[4]);
	const struct schedule_shape shape = {choice.kind, session.size, atoi(argv[2])};
	broadcast(&session, &shape, bytes, choice.chunk_size, &rank);
	session_close(&session);
	return 0;
}
