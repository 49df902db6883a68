/*
 * transfer.c - the phases of moving one file (transfer.h).
 *
 *	land       allocate and map on every rank; agree that all could
 *	move       engine.h: every chunk is verified as it comes
 *	verify     the digests of all ranks' hashes are one; agree
 *
 * Nothing moves before every rank has its memory, so that a node that is too small is an error with
 * its name and not a broadcast that breaks in the middle.
 */
#include "bcast/transfer.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bcast/chunk.h"
#include "bcast/engine.h"
#include "bcast/landing.h"
#include "bcast/manifest.h"
#include "bcast/model.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/exitcode.h"

/* What the phases share on this rank. */
struct work {
	const struct transfer *transfer;
	struct chunk_layout layout;
	struct landing landing;
	struct manifest *manifest;
	struct schedule schedule;
};

static int prepare(struct work *work, struct err *err)
{
	const struct transfer *transfer = work->transfer;
	int rc = chunk_layout_make(transfer->size, transfer->chunk_size, &work->layout, err);
	if (rc < 0 || (rc = manifest_new(&work->layout, &work->manifest, err)) < 0)
		return rc;
	for (uint64_t i = 0; transfer->hashes != NULL && i < work->layout.count; i++)
		manifest_set(work->manifest, i, transfer->hashes + i * MANIFEST_HASH_SIZE);
	if (transfer->landing != NULL) {
		work->landing = *transfer->landing;
		return 0;
	}
	if (transfer->fd >= 0)
		return landing_open(transfer->fd, transfer->size, &work->landing, err);
	if (transfer->size == 0)
		return 0;
	return err_set(err, EBADF, "there is an image, but no file to put it into was given");
}

static int land(struct session *session, struct work *work, struct bcast_failed *failed)
{
	struct err mine = work->transfer->earlier;
	int exit_code = work->transfer->earlier_exit_code;
	if (mine.number == 0) {
		exit_code = EXITCODE_SETUP;
		prepare(work, &mine);
	}
	return session_agree(session, exit_code, &mine, failed);
}

/* The loop that serves MPI has a core; a core hashes some 10 GB a second, which is less than a fast
 * link carries.  Where cores are few, the loop hashes as well. */
static int thread_count(const struct transfer *transfer)
{
	enum { CORES_A_HASHER = 8, HASHERS_MOST = 4, READERS_THREADS = 2 };
	cpu_set_t cores;
	int count = sched_getaffinity(0, sizeof cores, &cores) < 0 ? 1 : CPU_COUNT(&cores);
	int hashers = count / CORES_A_HASHER < HASHERS_MOST ? count / CORES_A_HASHER : HASHERS_MOST;
	if (transfer->no_threads)
		return 0;
	return hashers + (transfer->source == NULL ? 0 : hashers > 0 ? READERS_THREADS : 1);
}

/* Collective, when all know that `rank` failed with a damaged chunk: adds the name of the node that it
 * came from. */
static int name_link(struct session *session, int suspect, struct bcast_failed *failed)
{
	char name[MPI_MAX_PROCESSOR_NAME] = "";
	struct err err = ERR_NONE;
	if (session_broadcast(session, (int)failed->rank, &suspect, sizeof suspect, &err) < 0)
		return session_fail(session, EXITCODE_NODE, &err, failed);
	if (suspect < 0 || suspect >= session->size)
		return -failed->err.number;
	memcpy(name, session->node, sizeof name);
	if (session_broadcast(session, suspect, name, sizeof name, &err) < 0)
		return session_fail(session, EXITCODE_NODE, &err, failed);
	char text[ERR_TEXT_MAX];
	memcpy(text, failed->err.text, sizeof text);
	return err_set(&failed->err, failed->err.number, "%s; have the link to node %.*s checked, and "
		       "start again", text, (int)sizeof name - 1, name);
}

/* Every rank tells what went wrong with it, and all return the same. */
static int agree(struct session *session, const struct work *work,
		 const struct engine_result *result, struct bcast_failed *failed)
{
	struct err mine = result->err, lost = ERR_NONE;
	int exit_code = mine.number == EBADMSG && result->suspect >= 0 ? EXITCODE_NODE : EXITCODE_IMAGE;
	if (mine.number == 0 && result->cancelled)
		err_set(&mine, ECANCELED, "nobody needs the rest of the file");
	else if (mine.number == 0 && work->transfer->source != NULL)
		source_check_unchanged(work->transfer->source, &mine);
	int rc = session_agree(session, exit_code, &mine, failed);
	if (rc == -EBADMSG && !session->broken)
		return name_link(session, result->suspect, failed);
	if (rc < 0)
		return rc;
	if (result->lost || !manifest_complete(work->manifest))
		err_set(&lost, EIO, "parts of the file did not come");
	return session_agree(session, EXITCODE_INTERNAL, &lost, failed);
}

static int move(struct session *session, struct work *work, struct bcast_failed *failed)
{
	const struct transfer *transfer = work->transfer;
	const struct engine_job job = {
		.schedule = &work->schedule,
		.layout = &work->layout,
		.base = work->landing.base,
		.source = transfer->source,
		.manifest = work->manifest,
		.threads = thread_count(transfer),
		.order = transfer->order,
		.order_count = transfer->order_count,
		.known = transfer->known,
		.arrived = transfer->arrived,
		.wanted = transfer->wanted,
		.unwanted = transfer->unwanted,
		.progress = transfer->progress,
		.received = transfer->received,
		.judged = transfer->judged,
		.context = transfer->context,
	};
	struct engine_result own, *result = transfer->result != NULL ? transfer->result : &own;
	struct err err = ERR_NONE;
	if (engine_run(session, &job, result, &err) < 0)
		return session_fail(session, EXITCODE_NODE, &err, failed);
	return agree(session, work, result, failed);
}

/* Each rank has verified its chunks by the hashes that it was told: were all told the same? */
static int verify(struct session *session, struct work *work, struct bcast_done *done,
		  struct bcast_failed *failed)
{
	uint8_t digest[MANIFEST_HASH_SIZE];
	struct err mine = ERR_NONE, err = ERR_NONE;
	manifest_digest(work->manifest, done->digest);
	memcpy(digest, done->digest, sizeof digest);
	if (session_broadcast(session, 0, digest, sizeof digest, &err) < 0)
		return session_fail(session, EXITCODE_NODE, &err, failed);
	if (memcmp(digest, done->digest, sizeof digest) != 0)
		err_set(&mine, EBADMSG, "the hashes of the file arrived damaged; start again");
	return session_agree(session, EXITCODE_NODE, &mine, failed);
}

static int run_phases(struct session *session, struct work *work, struct bcast_done *done,
		      struct bcast_failed *failed)
{
	uint64_t started = clock_now_ns();
	int rc = land(session, work, failed);
	if (rc < 0)
		return rc;
	uint64_t landed = clock_now_ns();
	if (work->transfer->landed != NULL)
		work->transfer->landed(work->transfer->context, work->landing.base);
	if ((rc = move(session, work, failed)) < 0)
		return rc;
	uint64_t moved = clock_now_ns();
	if ((rc = verify(session, work, done, failed)) < 0)
		return rc;
	done->bytes = work->transfer->size;
	done->land_ns = landed - started;
	done->transfer_ns = moved - landed;
	done->verify_ns = clock_now_ns() - moved;
	done->read_ns = work->transfer->source ? work->transfer->source->read_ns : 0;
	return 0;
}

static struct schedule_shape make_shape(const struct session *session, enum schedule_kind kind,
					int readers)
{
	int most = session->size < SCHEDULE_READERS_MAX ? session->size : SCHEDULE_READERS_MAX;
	return (struct schedule_shape){
		.kind = kind,
		.size = session->size,
		.readers = readers < 1 ? 1 : readers < most ? readers : most,
	};
}

/* Assumed, and not measured: chunks that are too small for a fast link cost it milliseconds; chunks that are too large
 * for a slow one cost it seconds; and of a link of 25 GB/s, for which the model would take chunks twice to four times as
 * large, the simulation is within a hundredth with either (perfdata/README.md). */
static const struct model_link slow_link = {.bandwidth = 125e6, .latency = 5e-6};

void transfer_choose(uint64_t size, int nodes, int readers, enum schedule_kind *kind,
		     uint32_t *chunk_size)
{
	const struct model_question question = {
		.size = size,
		.ranks = nodes,
		.readers = readers < 1 ? 1 : readers < nodes ? readers : nodes,
		.link = slow_link,
	};
	struct model_choice choice;
	model_choose(&question, &choice);
	*kind = choice.kind;
	*chunk_size = choice.chunk_size;
}

_Static_assert((int)SCHEDULE_READERS_MAX == (int)BCAST_READERS_MAX, "one bound");

bool transfer_reads(const struct session *session, enum schedule_kind kind, int readers)
{
	const struct schedule_shape shape = make_shape(session, kind, readers);
	struct schedule schedule;
	schedule_make(&shape, session->rank, &schedule);
	return schedule.reader != SCHEDULE_NO_READER;
}

int transfer_run(struct session *session, const struct transfer *transfer,
		 struct bcast_done *done, struct bcast_failed *failed)
{
	struct work work = {.transfer = transfer};
	const struct schedule_shape shape = make_shape(session, transfer->kind, transfer->readers);
	schedule_make(&shape, session->rank, &work.schedule);
	int rc = run_phases(session, &work, done, failed);
	/* MPI may still write into the memory of a session that broke in the middle. */
	if (!session->broken && transfer->landing == NULL)
		landing_close(&work.landing);
	if (rc == 0 && transfer->seal && transfer->fd >= 0)
		landing_seal(transfer->fd);
	if (rc == 0 && transfer->manifest != NULL)
		*transfer->manifest = take_ptr(&work.manifest);
	if (!session->broken)
		manifest_free(&work.manifest);
	return rc;
}
