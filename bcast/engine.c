/*
 * engine.c - runs any schedule (engine.h).
 *
 * In: a schedule, a mapping, at the readers a file.  Out: the mapping filled on every rank, each chunk
 * verified.
 *
 * Two things travel along the edges of each stream's tree: chunks, straight from where they lie in
 * one rank's memory to where they stay in the next one's; and words (engine_mail.c), small, ahead of
 * them.  A reader announces a chunk, with its number in the stream and its hash, when it has read
 * it; the word runs down the tree in no time, and each rank posts the receive of that number into the
 * chunk's own place before the chunk is there.  So
 * - the order is the reader's to choose, chunk by chunk: what a node needs to start comes first, and
 *   what somebody waits for comes next (WANT runs up the tree);
 * - each rank knows a chunk's hash before it has the chunk, and verifies it as it comes.
 *
 * Why one word and not an order ahead of the reading and hashes behind it: a chunk that is announced can no
 * longer be overtaken, and reading is ahead of the network anyway.
 *
 * The files: engine.c the loop, receives and sends; engine_reader.c what is read and announced;
 * engine_repair.c what came damaged; engine_slow.c who is too slow to have children; engine_mail.c
 * the words.  Reading and hashing are the crew's (crew.h): threads, or none.
 *
 * A turn of the loop: take what MPI has completed, letters first; take what the crew has done; post
 * letters, receives and sends; read on.  It never waits but in session_idle().
 *
 * Invariants
 * - Per stream and edge the messages of number 0, 1, 2 ... are sent in order with the stream's tag, and
 *   received in order: MPI keeps the order between two ranks, so a message needs no header.
 * - Only what is announced is received, and all that is announced is sent: a stream that a reader ends
 *   early (its read failed, a rank gave up) leaves no receive without its message.
 * - A chunk is sent on as soon as it is here, verified or not; one that is known to be damaged when it has
 *   been repaired.  A chunk that is lost is a message of length 0: no chunk is empty.
 * - Nobody writes to a chunk once `arrived` has told of it.
 * - When the rest is unwanted, the readers end their streams, and what was announced and is not under way yet
 *   becomes messages of length 0, which need not wait for anything.
 * - A rank comes to the barrier at the end when it needs nothing more; it serves others until all are there.
 *
 * Caveat: a chunk that somebody is sending on while its repair arrives is sent as a mixture; whoever gets
 * that finds out by the hash.
 */
#include "bcast/engine_impl.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"

int engine_grow(void **items, size_t *room, size_t count, size_t item_size, struct err *err)
{
	if (count < *room)
		return 0;
	size_t more = *room == 0 ? 16 : 2 * *room;
	void *grown = realloc(*items, more * item_size);
	if (grown == NULL)
		return err_errno(err, ENOMEM, "the broadcast's own tables");
	*items = grown;
	*room = more;
	return 0;
}

/* -- requests -------------------------------------------------------------------------------- */

static int grow_slots(struct engine *engine, int room, struct err *err)
{
	MPI_Request *requests = realloc(engine->requests, (size_t)room * sizeof *requests);
	engine->requests = requests ? requests : engine->requests;
	struct slot *slots = realloc(engine->slots, (size_t)room * sizeof *slots);
	engine->slots = slots ? slots : engine->slots;
	int *indices = realloc(engine->indices, (size_t)room * sizeof *indices);
	engine->indices = indices ? indices : engine->indices;
	int *free_slots = realloc(engine->free_slots, (size_t)room * sizeof *free_slots);
	engine->free_slots = free_slots ? free_slots : engine->free_slots;
	MPI_Status *statuses = realloc(engine->statuses, (size_t)room * sizeof *statuses);
	engine->statuses = statuses ? statuses : engine->statuses;
	if (!requests || !slots || !indices || !free_slots || !statuses)
		return err_errno(err, ENOMEM, "%d messages under way", room);
	for (int i = room; i-- > engine->slot_room;) {
		requests[i] = MPI_REQUEST_NULL;
		slots[i].kind = SLOT_FREE;
		free_slots[engine->free_count++] = i;
	}
	engine->slot_room = room;
	return 0;
}

/* The caller posts requests[*index] at once, and then has it checked. */
int engine_take_slot(struct engine *engine, const struct slot *slot, int *index, struct err *err)
{
	if (engine->free_count == 0) {
		int rc = grow_slots(engine, 2 * engine->slot_room + 32, err);
		if (rc < 0)
			return rc;
	}
	*index = engine->free_slots[--engine->free_count];
	engine->slots[*index] = *slot;
	return 0;
}

void engine_free_slot(struct engine *engine, int index)
{
	engine->slots[index].kind = SLOT_FREE;
	engine->free_slots[engine->free_count++] = index;
	engine->under_way--;
}

int engine_check_post(struct engine *engine, int code, const char *what, struct err *err)
{
	engine->under_way++;
	engine->busy = true;
	return session_check(engine->session, code, what, err);
}

/* -- chunks ---------------------------------------------------------------------------------- */

void engine_settle(struct engine *engine, uint64_t chunk, enum chunk_state state)
{
	const struct engine_job *job = engine->job;
	engine->chunks[chunk].state = (uint8_t)state;
	engine->busy = true;
	if (state != CHUNK_HERE)
		return;
	engine->here++;
	engine->bytes_here += chunk_length(job->layout, chunk);
	if (job->arrived != NULL)
		job->arrived(job->context, chunk);
}

void engine_note_end(struct engine *engine, enum stream_end end)
{
	engine->result->lost |= end != STREAM_WHOLE;
	engine->result->cancelled |= end == STREAM_CANCELLED;
	engine->busy = true;
}

int engine_add_flow(struct engine *engine, int peer, int stream, uint64_t told, uint64_t next,
		    struct err *err)
{
	size_t room = (size_t)engine->flow_room;
	int rc = ENGINE_GROW(engine->flows, room, (size_t)engine->flow_count, err);
	if (rc < 0)
		return rc;
	engine->flow_room = (int)room;
	engine->flows[engine->flow_count++] = (struct flow){
		.peer = peer,
		.stream = stream,
		.told = told,
		.next = next,
		.most = engine->sends_ahead,
		.since_ns = clock_now_ns(),
		.since_sent = next,
		.since_arrived = engine->streams[stream].arrived,
	};
	return 0;
}

int engine_post_receive(struct engine *engine, int at, struct err *err)
{
	const struct engine_job *job = engine->job;
	struct stream *stream = &engine->streams[at];
	uint64_t chunk = stream->order[stream->posted];
	int index;
	const struct slot slot = {.kind = SLOT_RECEIVE, .at = at, .number = stream->posted,
				  .chunk = chunk};
	int rc = engine_take_slot(engine, &slot, &index, err);
	if (rc < 0)
		return rc;
	int code = MPI_Irecv(job->base + chunk_offset(job->layout, chunk),
			     (int)chunk_length(job->layout, chunk), MPI_BYTE, stream->parent,
			     TAG_DATA + at, engine->session->comm, &engine->requests[index]);
	engine->chunks[chunk].from = stream->parent;
	stream->under_way++;
	stream->posted++;
	return engine_check_post(engine, code, "MPI_Irecv", err);
}

/* What nobody wants any more does not travel, here or not. */
static bool is_empty(const struct engine *engine, uint64_t chunk)
{
	return engine->result->cancelled || engine->chunks[chunk].state == CHUNK_LOST;
}

static int post_send(struct engine *engine, int at, struct err *err)
{
	const struct engine_job *job = engine->job;
	struct flow *flow = &engine->flows[at];
	uint64_t chunk = engine->streams[flow->stream].order[flow->next];
	int len = (int)chunk_length(job->layout, chunk), index;
	const struct slot slot = {.kind = SLOT_SEND, .at = at, .number = flow->next, .chunk = chunk};
	int rc = engine_take_slot(engine, &slot, &index, err);
	if (rc < 0)
		return rc;
	int code = MPI_Isend(job->base + chunk_offset(job->layout, chunk),
			     is_empty(engine, chunk) ? 0 : len, MPI_BYTE, flow->peer,
			     TAG_DATA + flow->stream, engine->session->comm, &engine->requests[index]);
	flow->under_way++;
	flow->next++;
	return engine_check_post(engine, code, "MPI_Isend", err);
}

static bool can_send(const struct engine *engine, const struct flow *flow)
{
	const struct stream *stream = &engine->streams[flow->stream];
	if (flow->closed || flow->under_way == flow->most || flow->next == stream->announced)
		return false;
	uint8_t state = engine->chunks[stream->order[flow->next]].state;
	return state == CHUNK_CHECKING || state == CHUNK_HERE || state == CHUNK_LOST ||
	       engine->result->cancelled;
}

/* Receives first: a message that finds its receive is not copied. */
static int post_all(struct engine *engine, struct err *err)
{
	int rc = 0;
	for (int i = 0; i < engine->stream_count; i++) {
		struct stream *stream = &engine->streams[i];
		while (rc == 0 && stream->parent != SCHEDULE_NO_PARENT &&
		       stream->posted < stream->announced && stream->under_way < RECEIVES_AHEAD)
			rc = engine_post_receive(engine, i, err);
	}
	for (int i = 0; i < engine->flow_count; i++)
		while (rc == 0 && can_send(engine, &engine->flows[i]))
			rc = post_send(engine, i, err);
	return rc;
}

/* -- what is done ---------------------------------------------------------------------------- */

static int receive_done(struct engine *engine, const struct slot *slot, MPI_Status *status,
			struct err *err)
{
	int len = 0;
	MPI_Get_count(status, MPI_BYTE, &len);
	if (slot->kind == SLOT_RECEIVE) {
		engine->streams[slot->at].under_way--;
		engine->streams[slot->at].arrived++;
		engine->open++;
	} else {
		engine->pulling = false;
	}
	engine->chunks[slot->chunk].state = CHUNK_CHECKING;
	return engine_check_received(engine, slot->chunk, len, err);
}

static int slot_done(struct engine *engine, int index, MPI_Status *status, struct err *err)
{
	const struct slot slot = engine->slots[index];
	engine_free_slot(engine, index);
	free(slot.memory);
	switch (slot.kind) {
	case SLOT_RECEIVE:
	case SLOT_PULL_IN:
		return receive_done(engine, &slot, status, err);
	case SLOT_SEND:
		engine->flows[slot.at].under_way--;
		return 0;
	case SLOT_PROBE_IN:
		return engine_probe_done(engine, status->MPI_SOURCE, err);
	case SLOT_LETTER:
	case SLOT_PROBE_OUT:
	case SLOT_PULL_OUT:
	case SLOT_FREE:
		return 0;
	}
	return 0;
}

static int complete(struct engine *engine, struct err *err)
{
	int count = 0, rc;
	if (engine->under_way == 0)
		return 0;
	int code = MPI_Testsome(engine->slot_room, engine->requests, &count, engine->indices,
				engine->statuses);
	for (int i = 0; code == MPI_ERR_IN_STATUS && i < count; i++)
		if (engine->statuses[i].MPI_ERROR != MPI_SUCCESS &&
		    engine->statuses[i].MPI_ERROR != MPI_ERR_PENDING)
			code = engine->statuses[i].MPI_ERROR;
	if ((rc = session_check(engine->session, code, "transfer", err)) < 0)
		return rc;
	engine->busy |= count > 0;
	for (int i = 0; rc == 0 && i < count; i++)
		rc = slot_done(engine, engine->indices[i], &engine->statuses[i], err);
	return rc;
}

static int take_checked(struct engine *engine, const struct crew_task *task, struct err *err)
{
	const uint8_t *hash = manifest_get(engine->job->manifest, task->chunk);
	if (memcmp(hash, task->hash, MANIFEST_HASH_SIZE) != 0)
		return engine_damaged(engine, task->chunk, err);
	engine->open--;
	engine_settle(engine, task->chunk, CHUNK_HERE);
	return 0;
}

static int take_work(struct engine *engine, struct err *err)
{
	struct crew_task task;
	int rc = 0;
	while (rc == 0 && crew_take(engine->crew, &task)) {
		engine->busy = true;
		rc = task.read ? engine_reader_take(engine, &task, err)
			       : take_checked(engine, &task, err);
	}
	return rc;
}

/* -- the loop -------------------------------------------------------------------------------- */

static int take_wanted(struct engine *engine, struct err *err)
{
	const struct engine_job *job = engine->job;
	uint64_t chunk;
	int rc = 0;
	while (rc == 0 && job->wanted != NULL && job->wanted(job->context, &chunk))
		if (chunk < job->layout->count)
			rc = engine_want(engine, chunk, err);
	return rc;
}

static int take_unwanted(struct engine *engine, struct err *err)
{
	const struct engine_job *job = engine->job;
	if (engine->told_unwanted || job->unwanted == NULL || !job->unwanted(job->context))
		return 0;
	engine->told_unwanted = true;
	return engine_give_up(engine, STREAM_CANCELLED, err);
}

static void tell_progress(struct engine *engine, bool last)
{
	const struct engine_job *job = engine->job;
	uint64_t now = clock_now_ns();
	if (job->progress == NULL || (!last && now - engine->told_ns < PROGRESS_EVERY_NS))
		return;
	engine->told_ns = now;
	job->progress(job->context, engine->bytes_here);
}

/* This rank has all that will come, and its children have it too. */
static bool is_complete(const struct engine *engine)
{
	if (engine->under_way > 0 || engine->open > 0 || crew_load(engine->crew) > 0)
		return false;
	for (int i = 0; i < engine->stream_count; i++) {
		const struct stream *stream = &engine->streams[i];
		if (!stream->ended ||
		    (stream->parent != SCHEDULE_NO_PARENT && stream->arrived < stream->announced))
			return false;
	}
	for (int i = 0; i < engine->flow_count; i++) {
		const struct flow *flow = &engine->flows[i];
		if (!flow->closed &&
		    (!flow->told_end || flow->next < engine->streams[flow->stream].announced))
			return false;
	}
	return true;
}

/* *done: every rank is at the end. */
static int meet(struct engine *engine, bool *done, struct err *err)
{
	int flag = 0, rc = 0;
	if (!engine->at_end && is_complete(engine)) {
		engine->at_end = true;
		tell_progress(engine, true);
		rc = session_check(engine->session,
				   MPI_Ibarrier(engine->session->comm, &engine->barrier),
				   "MPI_Ibarrier", err);
	}
	if (rc == 0 && engine->at_end)
		rc = session_check(engine->session,
				   MPI_Test(&engine->barrier, &flag, MPI_STATUS_IGNORE), "barrier", err);
	*done = flag && engine->under_way == 0;
	return rc;
}

static int turn(struct engine *engine, struct err *err)
{
	int rc;
	engine->busy = false;
	if ((rc = engine_mail_take(engine, err)) < 0 || (rc = complete(engine, err)) < 0 ||
	    (rc = post_all(engine, err)) < 0 || (rc = take_work(engine, err)) < 0 ||
	    (rc = take_wanted(engine, err)) < 0 || (rc = take_unwanted(engine, err)) < 0 ||
	    (rc = engine_reader_turn(engine, err)) < 0 ||
	    (rc = engine_mail_tell(engine, err)) < 0 || (rc = post_all(engine, err)) < 0 ||
	    (rc = engine_repair_turn(engine, err)) < 0 || (rc = engine_slow_turn(engine, err)) < 0)
		return rc;
	tell_progress(engine, false);
	if (engine->busy)
		session_active(engine->session);
	else
		session_idle(engine->session);
	return session_poll(engine->session, err);
}

static int run(struct engine *engine, struct err *err)
{
	bool done = false;
	int rc = engine_mail_open(engine, err);
	while (rc == 0 && !done)
		if ((rc = turn(engine, err)) == 0)
			rc = meet(engine, &done, err);
	return rc < 0 ? rc : engine_mail_close(engine, err);
}

/* -- begin and end --------------------------------------------------------------------------- */

static int open_streams(struct engine *engine, struct err *err)
{
	const struct schedule *schedule = engine->job->schedule;
	uint64_t readers = (uint64_t)schedule->shape.readers;
	engine->stream_count = schedule->stream_count;
	for (int i = 0; i < engine->stream_count; i++) {
		const struct schedule_place *place = &schedule->streams[i];
		struct stream *stream = &engine->streams[i];
		*stream = (struct stream){.root = place->root, .parent = place->parent};
		stream->room = engine->job->layout->count / readers + 1;
		stream->order = calloc(stream->room, sizeof *stream->order);
		if (stream->order == NULL)
			return err_errno(err, ENOMEM, "the order of chunks");
		for (int j = 0; j < place->child_count; j++) {
			int rc = engine_add_flow(engine, place->children[j], i, 0, 0, err);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static void take_known(struct engine *engine)
{
	const struct engine_job *job = engine->job;
	for (uint64_t i = 0; job->known != NULL && i < job->layout->count; i++)
		if (job->known[i])
			engine_settle(engine, i, CHUNK_HERE);
}

/* To each child. */
static int sends_ahead(const struct engine_job *job)
{
	int children = 0, sends = SENDS_BYTES / (int)job->layout->chunk_size;
	for (int i = 0; i < job->schedule->stream_count; i++)
		children += job->schedule->streams[i].child_count;
	int least = children > 1 ? 1 : SENDS_LEAST;
	return sends < least ? least : sends < SENDS_MOST ? sends : SENDS_MOST;
}

static int open_engine(struct engine *engine, struct err *err)
{
	int rc;
	engine->sends_ahead = sends_ahead(engine->job);
	engine->barrier = MPI_REQUEST_NULL;
	engine->probe_flow = -1;
	engine->started_ns = engine->watched_ns = engine->told_ns = clock_now_ns();
	engine->chunks = calloc(engine->job->layout->count + 1, sizeof *engine->chunks);
	if (engine->chunks == NULL)
		return err_errno(err, ENOMEM, "states of chunks");
	if ((rc = open_streams(engine, err)) < 0 || (rc = grow_slots(engine, 64, err)) < 0 ||
	    (rc = crew_new(engine->job->threads, engine->job->source, &engine->crew, err)) < 0 ||
	    (rc = engine_reader_open(engine, err)) < 0)
		return rc;
	take_known(engine);
	return 0;
}

static void close_engine(struct engine *engine)
{
	crew_free(&engine->crew);
	deal_free(&engine->deal);
	for (int i = 0; i < engine->stream_count; i++)
		free(engine->streams[i].order);
	free(engine->chunks);
	free(engine->flows);
	free(engine->requests);
	free(engine->slots);
	free(engine->indices);
	free(engine->free_slots);
	free(engine->statuses);
	free(engine->bad);
	free(engine->pulls);
	free(engine);
}

int engine_run(struct session *session, const struct engine_job *job, struct engine_result *result,
	       struct err *err)
{
	*result = (struct engine_result){.suspect = -1};
	struct engine *engine = calloc(1, sizeof *engine);
	session->epoch++;
	int rc = engine == NULL ? err_errno(err, ENOMEM, "the broadcast") : 0;
	if (rc == 0) {
		engine->session = session;
		engine->job = job;
		engine->result = result;
		rc = open_engine(engine, err);
	}
	if (rc == 0)
		rc = run(engine, err);
	/* This rank cannot take part, and its peers wait for it; MPI may still write into its memory. */
	if (rc < 0)
		session->broken = true;
	else
		close_engine(engine);
	return rc;
}
