/*
 * engine.c - runs any schedule (engine.h).
 *
 * In: a schedule, a mapping, at rank 0 a file.  Out: the mapping filled on every rank, hashed on
 * the way.
 *
 * One loop, no thread.  A turn: take what MPI has completed; post sends of chunks that are here
 * and receives of those to come; then one slice of other work: rank 0 reads and hashes what it
 * read while it is in the cache, the others hash what has arrived when MPI had nothing to tell.
 * A slice is short against the time of a window of chunks, so the network does not run dry
 * meanwhile.
 *
 * Invariants
 * - Chunks of one tree are sent and received in order, with the tree's number as tag; MPI keeps
 *   the order between two ranks, so a message needs no header and goes straight to its place.
 * - Per rank and tree each chunk is exactly one message in and one a child out.  A chunk that
 *   rank 0 cannot deliver travels as a message of length 0 (no chunk is empty), so after a
 *   failure every posted receive still finds its message and nothing has to be cancelled.
 * - A chunk is sent on only after it is here, from where it is.
 *
 * Caveat: while rank 0 is blocked in a read, MPI makes no progress there; a file system with long
 * pauses wants a reader of its own.
 */
#include "bcast/engine.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"

enum {
	RECEIVES_AHEAD = 8,  /* a tree */
	SENDS_AHEAD = 4,     /* a child */
	STREAMS = SCHEDULE_TREES_MAX,  /* one reader */
	CHILDREN = STREAMS * SCHEDULE_CHILDREN_MAX,
	SLOTS = STREAMS * RECEIVES_AHEAD + CHILDREN * SENDS_AHEAD,
	SLICE = 256 << 10,   /* bytes read or hashed in one turn: half of a common L2 cache */
	PROGRESS_EVERY_NS = 100 * (int)NS_PER_MS,
};

enum chunk_state { CHUNK_MISSING, CHUNK_HERE, CHUNK_LOST };

/* A request under way, beside requests[] of the same index. */
struct slot {
	struct flow *flow;  /* NULL: free */
	uint64_t chunk;
};

/* Messages of one tree between this rank and one peer, one direction. */
struct flow {
	bool incoming;
	int peer, tree;
	uint64_t next;  /* the chunk to be posted next */
	int under_way, most;
};

struct engine {
	struct session *session;
	const struct engine_job *job;
	uint8_t *states;       /* enum chunk_state of each chunk */
	uint64_t settled;      /* chunks that are not missing */
	uint64_t prefix;       /* the first `prefix` chunks are here */
	bool lost;
	struct flow flows[STREAMS + CHILDREN];
	int flow_count;
	MPI_Request requests[SLOTS];
	struct slot slots[SLOTS];
	int under_way;
	uint64_t told_ns;      /* clock of the last progress */
};

static void add_flow(struct engine *engine, bool incoming, int peer, int tree)
{
	engine->flows[engine->flow_count++] = (struct flow){
		.incoming = incoming,
		.peer = peer,
		.tree = tree,
		.next = (uint64_t)tree,
		.most = incoming ? RECEIVES_AHEAD : SENDS_AHEAD,
	};
}

static void make_flows(struct engine *engine)
{
	const struct schedule *schedule = engine->job->schedule;
	for (int tree = 0; tree < schedule->stream_count; tree++) {
		const struct schedule_place *place = &schedule->streams[tree];
		if (place->parent != SCHEDULE_NO_PARENT)
			add_flow(engine, true, place->parent, tree);
		for (int i = 0; i < place->child_count; i++)
			add_flow(engine, false, place->children[i], tree);
	}
}

static void settle(struct engine *engine, uint64_t chunk, enum chunk_state state)
{
	const struct engine_job *job = engine->job;
	engine->states[chunk] = (uint8_t)state;
	engine->settled++;
	if (state == CHUNK_LOST)
		engine->lost = true;
	else if (job->arrived != NULL)
		job->arrived(job->context, chunk, job->base + chunk_offset(job->layout, chunk),
			     chunk_length(job->layout, chunk));
	while (engine->prefix < job->layout->count && engine->states[engine->prefix] == CHUNK_HERE)
		engine->prefix++;
}

/* There is always a free slot: SLOTS is the sum of what all flows may have under way. */
static int free_slot(const struct engine *engine)
{
	int slot = 0;
	while (engine->slots[slot].flow != NULL)
		slot++;
	return slot;
}

static int post(struct engine *engine, struct flow *flow, struct err *err)
{
	const struct engine_job *job = engine->job;
	uint64_t chunk = flow->next;
	char *bytes = job->base + chunk_offset(job->layout, chunk);
	int len = (int)chunk_length(job->layout, chunk), slot = free_slot(engine), code;
	if (flow->incoming)
		code = MPI_Irecv(bytes, len, MPI_BYTE, flow->peer, flow->tree, engine->session->comm,
				 &engine->requests[slot]);
	else
		code = MPI_Isend(bytes, engine->states[chunk] == CHUNK_LOST ? 0 : len, MPI_BYTE,
				 flow->peer, flow->tree, engine->session->comm,
				 &engine->requests[slot]);
	int rc = session_check(engine->session, code, flow->incoming ? "MPI_Irecv" : "MPI_Isend", err);
	if (rc < 0)
		return rc;
	engine->slots[slot] = (struct slot){flow, chunk};
	engine->under_way++;
	flow->under_way++;
	flow->next += (uint64_t)job->schedule->stream_count;
	return 0;
}

static int post_all(struct engine *engine, struct err *err)
{
	for (int i = 0; i < engine->flow_count; i++) {
		struct flow *flow = &engine->flows[i];
		while (flow->next < engine->job->layout->count && flow->under_way < flow->most &&
		       (flow->incoming || engine->states[flow->next] != CHUNK_MISSING)) {
			int rc = post(engine, flow, err);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int receive_done(struct engine *engine, uint64_t chunk, MPI_Status *status,
			struct err *err)
{
	int len = 0;
	MPI_Get_count(status, MPI_BYTE, &len);
	if (len == 0) {
		settle(engine, chunk, CHUNK_LOST);
		return 0;
	}
	if ((size_t)len == chunk_length(engine->job->layout, chunk)) {
		settle(engine, chunk, CHUNK_HERE);
		return 0;
	}
	engine->session->broken = true;
	return err_set(err, EPROTO, "chunk %llu came with %d bytes instead of %zu; are all nodes' "
		       "cmpi-bcast of one version?", (unsigned long long)chunk, len,
		       chunk_length(engine->job->layout, chunk));
}

/* *count: requests that completed. */
static int complete(struct engine *engine, int *count, struct err *err)
{
	int indices[SLOTS], rc;
	MPI_Status statuses[SLOTS];
	*count = 0;
	if (engine->under_way == 0)
		return 0;
	int code = MPI_Testsome(SLOTS, engine->requests, count, indices, statuses);
	for (int i = 0; code == MPI_ERR_IN_STATUS && i < *count; i++)
		if (statuses[i].MPI_ERROR != MPI_SUCCESS && statuses[i].MPI_ERROR != MPI_ERR_PENDING)
			code = statuses[i].MPI_ERROR;
	if ((rc = session_check(engine->session, code, "transfer", err)) < 0)
		return rc;
	for (int i = 0; i < *count; i++) {
		struct slot *slot = &engine->slots[indices[i]];
		struct flow *flow = slot->flow;
		slot->flow = NULL;
		flow->under_way--;
		engine->under_way--;
		if (flow->incoming &&
		    (rc = receive_done(engine, slot->chunk, &statuses[i], err)) < 0)
			return rc;
	}
	return 0;
}

/* Rank 0: the next slice of the file.  Each chunk that it completes can be sent. */
static int read_slice(struct engine *engine, struct err *err)
{
	const struct engine_job *job = engine->job;
	ssize_t got = source_read(job->source, job->base, SLICE, err);
	if (got < 0)
		return (int)got;
	while (engine->settled < job->layout->count &&
	       chunk_prefix(job->layout, engine->settled + 1) <= job->source->offset)
		settle(engine, engine->settled, CHUNK_HERE);
	manifest_hash(job->manifest, job->base, job->source->offset, SLICE);
	return 0;
}

/* Rank 0 cannot go on: what is missing is told to be lost. */
static void lose_rest(struct engine *engine)
{
	while (engine->settled < engine->job->layout->count)
		settle(engine, engine->settled, CHUNK_LOST);
}

static size_t hash_slice(struct engine *engine)
{
	const struct engine_job *job = engine->job;
	return manifest_hash(job->manifest, job->base, chunk_prefix(job->layout, engine->prefix),
			     SLICE);
}

static void tell_progress(struct engine *engine)
{
	const struct engine_job *job = engine->job;
	uint64_t now = clock_now_ns();
	if (job->progress == NULL || now - engine->told_ns < PROGRESS_EVERY_NS)
		return;
	engine->told_ns = now;
	job->progress(job->context, chunk_prefix(job->layout, engine->prefix));
}

static bool is_moved(const struct engine *engine)
{
	uint64_t count = engine->job->layout->count;
	if (engine->settled < count || engine->under_way > 0)
		return false;
	for (int i = 0; i < engine->flow_count; i++)
		if (engine->flows[i].next < count)
			return false;
	return true;
}

/* One turn.  A failure to read is kept in *reading, and the loop goes on to tell it; any other
 * one ends it. */
static int turn(struct engine *engine, struct err *reading, struct err *err)
{
	int completed, rc;
	if ((rc = complete(engine, &completed, err)) < 0 || (rc = post_all(engine, err)) < 0)
		return rc;
	if (engine->job->source != NULL && engine->settled < engine->job->layout->count) {
		if (read_slice(engine, reading) < 0)
			lose_rest(engine);
	} else if (completed == 0 && hash_slice(engine) == 0) {
		session_idle(engine->session);
	}
	tell_progress(engine);
	return session_poll(engine->session, err);
}

int engine_run(struct session *session, const struct engine_job *job, bool *lost, struct err *err)
{
	struct engine engine = {.session = session, .job = job};
	struct err reading = ERR_NONE;
	*lost = false;
	/* Without it this rank cannot take part, and its peers would wait for it. */
	AUTO_FREE uint8_t *states = calloc(job->layout->count + 1, 1);
	if (states == NULL) {
		session->broken = true;
		return err_errno(err, ENOMEM, "states of %llu chunks",
				 (unsigned long long)job->layout->count);
	}
	engine.states = states;
	for (int i = 0; i < SLOTS; i++)
		engine.requests[i] = MPI_REQUEST_NULL;
	make_flows(&engine);
	while (!is_moved(&engine)) {
		int rc = turn(&engine, &reading, err);
		if (rc < 0)
			return rc;
	}
	while (hash_slice(&engine) > 0)
		;
	*lost = engine.lost;
	if (reading.number == 0)
		return 0;
	if (err != NULL)
		*err = reading;
	return -reading.number;
}
