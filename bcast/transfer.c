/*
 * transfer.c - the phases of moving one file (transfer.h).
 *
 *	land       allocate and map on every rank; agree that all could
 *	move       engine.h
 *	verify     rank 0's hashes to all; compare; agree
 *
 * Nothing moves before every rank has its memory, so that a node that is too small is an error with
 * its name and not a broadcast that breaks in the middle.
 */
#include "bcast/transfer.h"

#include <stdlib.h>

#include "bcast/chunk.h"
#include "bcast/engine.h"
#include "bcast/landing.h"
#include "bcast/manifest.h"
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

/* What is wrong on this rank after the move goes to *mine; <0: the session broke. */
static int move(struct session *session, struct work *work, struct err *mine, int *exit_code,
		struct bcast_failed *failed)
{
	const struct transfer *transfer = work->transfer;
	const struct engine_job job = {
		.schedule = &work->schedule,
		.layout = &work->layout,
		.base = work->landing.base,
		.source = transfer->source,
		.manifest = work->manifest,
		.arrived = transfer->arrived,
		.progress = transfer->progress,
		.context = transfer->context,
	};
	bool lost;
	struct err err = ERR_NONE;
	int rc = engine_run(session, &job, &lost, &err);
	if (session->broken)
		return session_fail(session, EXITCODE_NODE, &err, failed);
	*exit_code = EXITCODE_IMAGE;
	if (rc < 0)
		*mine = err;
	else if (lost)  /* the reason is rank 0's, which is lower than ours */
		err_set(mine, EIO, "parts of the file did not come");
	else if (transfer->source != NULL)
		source_check_unchanged(transfer->source, mine);
	return 0;
}

static void compare(const struct session *session, const struct work *work, const uint8_t *theirs,
		    struct err *mine)
{
	uint64_t chunk = manifest_compare(work->manifest, theirs);
	if (chunk == work->layout.count)
		return;
	int tree = schedule_stream(&work->schedule, chunk);
	err_set(mine, EBADMSG, "chunk %llu of %llu (%zu bytes at %llu) arrived damaged from rank %d; "
		"start again, and have the link between rank %d and this node (rank %d) checked",
		(unsigned long long)chunk, (unsigned long long)work->layout.count,
		chunk_length(&work->layout, chunk),
		(unsigned long long)chunk_offset(&work->layout, chunk),
		work->schedule.streams[tree].parent, work->schedule.streams[tree].parent,
		session->rank);
}

/* Rank 0's hashes against ours, unless something is known to be wrong anyway. */
static int verify(struct session *session, struct work *work, struct err *mine, int *exit_code,
		  struct err *err)
{
	size_t len;
	const uint8_t *ours = manifest_bytes(work->manifest, &len);
	AUTO_FREE uint8_t *theirs = malloc(len + 1);
	if (theirs == NULL) {
		session->broken = true;
		return err_errno(err, ENOMEM, "hashes of %zu bytes", len);
	}
	memcpy(theirs, ours, len);
	int rc = session_broadcast(session, 0, theirs, len, err);
	if (rc < 0 || mine->number != 0)
		return rc;
	compare(session, work, theirs, mine);
	*exit_code = mine->number ? EXITCODE_NODE : *exit_code;
	return 0;
}

static int run_phases(struct session *session, struct work *work, struct bcast_done *done,
		      struct bcast_failed *failed)
{
	struct err mine = ERR_NONE, err = ERR_NONE;
	int exit_code = EXITCODE_INTERNAL, rc;
	uint64_t started = clock_now_ns();
	if ((rc = land(session, work, failed)) < 0)
		return rc;
	uint64_t landed = clock_now_ns();
	if ((rc = move(session, work, &mine, &exit_code, failed)) < 0)
		return rc;
	uint64_t moved = clock_now_ns();
	if (verify(session, work, &mine, &exit_code, &err) < 0)
		return session_fail(session, EXITCODE_NODE, &err, failed);
	if ((rc = session_agree(session, exit_code, &mine, failed)) < 0)
		return rc;
	done->bytes = work->transfer->size;
	manifest_digest(work->manifest, done->digest);
	done->land_ns = landed - started;
	done->transfer_ns = moved - landed;
	done->verify_ns = clock_now_ns() - moved;
	done->read_ns = work->transfer->source ? work->transfer->source->read_ns : 0;
	return 0;
}

int transfer_run(struct session *session, const struct transfer *transfer,
		 struct bcast_done *done, struct bcast_failed *failed)
{
	struct work work = {.transfer = transfer};
	const struct schedule_shape shape = {
		.kind = transfer->kind,
		.size = session->size,
		.readers = 1,
	};
	schedule_make(&shape, session->rank, &work.schedule);
	int rc = run_phases(session, &work, done, failed);
	/* MPI may still write into the memory of a session that broke in the middle. */
	if (!session->broken)
		landing_close(&work.landing);
	manifest_free(&work.manifest);
	return rc;
}
