/*
 * engine_slow.c - a rank that is too slow to have children loses them.
 *
 * In: what each child has got and what has come meanwhile.  Out: words; flows that are added and closed.
 *
 * A slow child keeps nobody waiting but those below it: its parent sends each child at its own pace, from
 * memory.  So the parent watches: while some chunks came (or went to other children), did this child get
 * less than a quarter of them, window after window?  A reader with one child has nothing to compare with,
 * and asks when the rest would take long.
 *
 * Then it may be the child that is slow, or this rank's own sending.  One chunk to a grandchild, into memory that is
 * freed again, tells: if that takes less than half the child's time, the child is slow; if it takes even
 * longer, this rank is, or everything; between the two nothing can be said.
 *
 *	parent → child        DEMOTE: it remains a child, with one chunk under way at a time
 *	child → its children  HANDOVER: what was begun comes to its end; from that number on ask the parent
 *	they → parent         ADOPT: they have taken back the receives from that number on, and post them anew
 *
 * A rank that finds itself slow hands over without being told to.  One that gets ADOPT after it has handed
 * over passes it on to its own parent.
 */
#include "bcast/engine_impl.h"

#include <stdlib.h>

#include "common/cleanup.h"

enum {
	WATCH_EVERY_NS = 20 * (int)NS_PER_MS,
	WINDOW_NS = 200 * (int)NS_PER_MS,
	WINDOW_CHUNKS = 8,
	LAG = 4,            /* a slow child gets less than one of so many */
	SLOW_WINDOWS = 2,   /* in a row */
	PROBES_MOST = 4,
};

#define PROBE_AFTER_NS NS_PER_S
#define PROBE_WORTH_NS (5 * NS_PER_S)

static int hand_over_all(struct engine *engine, int stream, struct err *err);

static uint64_t sent(const struct flow *flow)
{
	return flow->next - (uint64_t)flow->under_way;
}

/* Chunks that are here and that this child has not got. */
static uint64_t lag(const struct engine *engine, const struct flow *flow)
{
	const struct stream *stream = &engine->streams[flow->stream];
	bool is_root = stream->parent == SCHEDULE_NO_PARENT;
	uint64_t here = is_root ? stream->announced : stream->arrived;
	return here > sent(flow) ? here - sent(flow) : 0;
}

/* Does that rank have children in the stream, as the schedule has it?  *first: one of them. */
static bool has_children(const struct engine *engine, int rank, int stream, int *first)
{
	struct schedule schedule;
	schedule_make(&engine->job->schedule->shape, rank, &schedule);
	*first = schedule.streams[stream].children[0];
	return schedule.streams[stream].child_count > 0;
}

static void begin_window(struct engine *engine, struct flow *flow, uint64_t now)
{
	flow->since_ns = now;
	flow->since_sent = sent(flow);
	flow->since_arrived = engine->streams[flow->stream].arrived;
}

/* What a child that keeps up would have got in this window. */
static uint64_t expected(const struct engine *engine, const struct flow *flow)
{
	uint64_t most = engine->streams[flow->stream].arrived - flow->since_arrived;
	for (int i = 0; i < engine->flow_count; i++) {
		const struct flow *other = &engine->flows[i];
		/* That of a new child began later: nothing to compare. */
		if (other == flow || other->closed || other->since_ns != flow->since_ns)
			continue;
		uint64_t got = sent(other) - other->since_sent;
		most = got > most ? got : most;
	}
	return most;
}

static int demote(struct engine *engine, struct flow *flow, struct err *err)
{
	const struct word word = {.kind = WORD_DEMOTE, .stream = (uint16_t)flow->stream};
	flow->demoted = true;
	flow->most = 1;
	return engine_mail_say(engine, flow->peer, &word, err);
}

/* Times a chunk to a grandchild, if there is one; that child took each_ns a chunk. */
static int start_probe(struct engine *engine, int at, uint64_t each_ns, struct err *err)
{
	struct flow *flow = &engine->flows[at];
	int grandchild;
	if (flow->demoted || engine->probe_flow >= 0 || engine->streams[flow->stream].demoted ||
	    engine->streams[flow->stream].announced == 0 ||
	    !has_children(engine, flow->peer, flow->stream, &grandchild))
		return 0;
	const struct word word = {.kind = WORD_PROBE, .stream = (uint16_t)flow->stream};
	flow->probes++;
	flow->slow_windows = 0;
	engine->probe_flow = at;
	engine->probe_peer = grandchild;
	engine->probe_each_ns = each_ns;
	return engine_mail_say(engine, grandchild, &word, err);
}

/* One look at a child whose window is long enough. */
static int judge(struct engine *engine, int at, uint64_t now, struct err *err)
{
	struct flow *flow = &engine->flows[at];
	uint64_t got = sent(flow) - flow->since_sent;
	bool slow = lag(engine, flow) >= WINDOW_CHUNKS && got * LAG < expected(engine, flow);
	flow->slow_windows = slow ? flow->slow_windows + 1 : 0;
	if (flow->slow_windows < SLOW_WINDOWS * (1 + flow->probes))
		return 0;
	return start_probe(engine, at, (now - flow->since_ns) / (got + 1), err);
}

/* All windows begin and end together, so that children can be compared. */
static int judge_all(struct engine *engine, uint64_t now, struct err *err)
{
	bool full = false;
	int rc = 0;
	for (int i = 0; i < engine->flow_count; i++) {
		const struct flow *flow = &engine->flows[i];
		full |= !flow->closed && now - flow->since_ns >= WINDOW_NS &&
			(expected(engine, flow) >= WINDOW_CHUNKS ||
			 sent(flow) - flow->since_sent >= WINDOW_CHUNKS);
	}
	if (!full)
		return 0;
	for (int i = 0; rc == 0 && i < engine->flow_count; i++)
		if (!engine->flows[i].closed)
			rc = judge(engine, i, now, err);
	for (int i = 0; i < engine->flow_count; i++)
		begin_window(engine, &engine->flows[i], now);
	return rc;
}

/* A reader's only child, when the rest would take long. */
static int suspect_only_child(struct engine *engine, uint64_t now, struct err *err)
{
	if (engine->flow_count != 1 || engine->deal == NULL || engine->flows[0].closed)
		return 0;
	const struct flow *flow = &engine->flows[0];
	uint64_t done = sent(flow), count = engine->job->layout->count;
	uint64_t since_ns = now - engine->started_ns, each_ns = since_ns / (done + 1);
	if (since_ns < PROBE_AFTER_NS << flow->probes || flow->probes > PROBES_MOST ||
	    lag(engine, flow) == 0 || (count - done) * each_ns < PROBE_WORTH_NS)
		return 0;
	return start_probe(engine, 0, each_ns, err);
}

/* A test says who is slow, and no clock. */
static int take_verdict(struct engine *engine, int at, struct err *err)
{
	const struct engine_job *job = engine->job;
	struct flow *flow = &engine->flows[at];
	if (flow->closed || flow->demoted)
		return 0;
	switch (job->judged(job->context, flow->peer, flow->next)) {
	case ENGINE_KEEPS_UP:
		return 0;
	case ENGINE_CHILD_SLOW:
		return demote(engine, flow, err);
	case ENGINE_SELF_SLOW:
		return hand_over_all(engine, flow->stream, err);
	case ENGINE_CHILD_SUSPECT:
		return start_probe(engine, at, UINT64_MAX, err);
	}
	return 0;
}

int engine_slow_turn(struct engine *engine, struct err *err)
{
	uint64_t now = clock_now_ns();
	if (engine->at_end)
		return 0;
	if (engine->job->judged != NULL) {
		int rc = 0;
		for (int i = 0; rc == 0 && i < engine->flow_count; i++)
			rc = take_verdict(engine, i, err);
		return rc;
	}
	if (now - engine->watched_ns < WATCH_EVERY_NS)
		return 0;
	engine->watched_ns = now;
	int rc = judge_all(engine, now, err);
	return rc < 0 ? rc : suspect_only_child(engine, now, err);
}

/* -- the probe ------------------------------------------------------------------------------- */

/* The grandchild: memory for a chunk that nobody keeps. */
static int await_probe(struct engine *engine, int source, const struct word *word, struct err *err)
{
	int len = (int)engine->job->layout->chunk_size, index, rc;
	const struct slot slot = {.kind = SLOT_PROBE_IN, .memory = malloc((size_t)len)};
	if (slot.memory == NULL)
		return 0;  /* then nobody knows who is slow */
	if ((rc = engine_take_slot(engine, &slot, &index, err)) < 0)
		return rc;
	int code = MPI_Irecv(slot.memory, len, MPI_BYTE, source, TAG_PROBE, engine->session->comm,
			     &engine->requests[index]);
	if ((rc = engine_check_post(engine, code, "MPI_Irecv", err)) < 0)
		return rc;
	const struct word ready = {.kind = WORD_PROBE, .stream = word->stream, .number = 1};
	return engine_mail_say(engine, source, &ready, err);
}

int engine_probe_done(struct engine *engine, int peer, struct err *err)
{
	const struct word word = {.kind = WORD_PROBED};
	return engine_mail_say(engine, peer, &word, err);
}

/* The grandchild is ready. */
static int send_probe(struct engine *engine, int source, struct err *err)
{
	const struct engine_job *job = engine->job;
	uint64_t chunk = engine->streams[engine->flows[engine->probe_flow].stream].order[0];
	const struct slot slot = {.kind = SLOT_PROBE_OUT};
	int index, rc = engine_take_slot(engine, &slot, &index, err);
	if (rc < 0)
		return rc;
	engine->probe_ns = clock_now_ns();
	int code = MPI_Isend(job->base + chunk_offset(job->layout, chunk),
			     (int)chunk_length(job->layout, chunk), MPI_BYTE, source, TAG_PROBE,
			     engine->session->comm, &engine->requests[index]);
	return engine_check_post(engine, code, "MPI_Isend", err);
}

/* -- the children change hands --------------------------------------------------------------- */

static int hand_over(struct engine *engine, int child, int stream, uint64_t number,
		     struct err *err)
{
	const struct word word = {.kind = WORD_HANDOVER, .stream = (uint16_t)stream,
				  .number = number,
				  .chunk = (uint64_t)engine->streams[stream].parent};
	return engine_mail_say(engine, child, &word, err);
}

static int hand_over_all(struct engine *engine, int stream, struct err *err)
{
	int rc = 0;
	engine->result->demotions += !engine->streams[stream].demoted;
	engine->streams[stream].demoted = true;
	for (int i = 0; rc == 0 && i < engine->flow_count; i++) {
		struct flow *flow = &engine->flows[i];
		if (flow->stream != stream || flow->closed)
			continue;
		flow->closed = true;
		rc = hand_over(engine, flow->peer, stream, flow->next, err);
	}
	return rc;
}

static int take_probed(struct engine *engine, struct err *err)
{
	struct flow *flow = &engine->flows[engine->probe_flow];
	uint64_t took_ns = clock_now_ns() - engine->probe_ns;
	engine->probe_flow = -1;
	if (flow->demoted || flow->closed)
		return 0;
	if (took_ns < engine->probe_each_ns / 2)
		return demote(engine, flow, err);
	if (took_ns < engine->probe_each_ns ||
	    engine->streams[flow->stream].parent == SCHEDULE_NO_PARENT)
		return 0;
	return hand_over_all(engine, flow->stream, err);
}

static int take_probe(struct engine *engine, int source, const struct word *word, struct err *err)
{
	if (word->kind == WORD_PROBE && word->number == 0)
		return await_probe(engine, source, word, err);
	if (engine->probe_flow < 0 || source != engine->probe_peer)
		return 0;
	return word->kind == WORD_PROBE ? send_probe(engine, source, err) : take_probed(engine, err);
}

/* Takes back the receives that will find no message. */
static int cancel_from(struct engine *engine, int at, uint64_t number, struct err *err)
{
	struct stream *stream = &engine->streams[at];
	int rc = 0;
	for (int i = 0; rc == 0 && i < engine->slot_room; i++) {
		const struct slot *slot = &engine->slots[i];
		if (slot->kind != SLOT_RECEIVE || slot->at != at || slot->number < number)
			continue;
		rc = session_check(engine->session, MPI_Cancel(&engine->requests[i]), "MPI_Cancel", err);
		if (rc == 0)
			rc = session_wait(engine->session, &engine->requests[i], err);
		engine_free_slot(engine, i);
		stream->under_way--;
	}
	if (stream->posted > number)
		stream->posted = number;
	return rc;
}

static int take_handover(struct engine *engine, int source, const struct word *word,
			 struct err *err)
{
	struct stream *stream = &engine->streams[word->stream];
	int rc = 0;
	if (source != stream->parent || word->chunk >= (uint64_t)engine->session->size ||
	    word->number > stream->announced)
		return 0;
	/* What the old parent has begun to send is received from it, then nothing more. */
	while (rc == 0 && stream->posted < word->number)
		rc = engine_post_receive(engine, word->stream, err);
	if (rc == 0)
		rc = cancel_from(engine, word->stream, word->number, err);
	if (rc < 0)
		return rc;
	stream->parent = (int)word->chunk;
	const struct word adopt = {.kind = WORD_ADOPT, .stream = word->stream,
				   .number = word->number, .chunk = stream->announced};
	return engine_mail_say(engine, stream->parent, &adopt, err);
}

static int take_adoption(struct engine *engine, int source, const struct word *word,
			 struct err *err)
{
	const struct stream *stream = &engine->streams[word->stream];
	if (word->chunk > stream->announced || word->number > word->chunk)
		return 0;
	if (stream->demoted)
		return hand_over(engine, source, word->stream, word->number, err);
	return engine_add_flow(engine, source, word->stream, word->chunk, word->number, err);
}

int engine_slow_take(struct engine *engine, int source, const struct word *word, struct err *err)
{
	engine->busy = true;
	switch ((enum word_kind)word->kind) {
	case WORD_DEMOTE:
		return hand_over_all(engine, word->stream, err);
	case WORD_HANDOVER:
		return take_handover(engine, source, word, err);
	case WORD_ADOPT:
		return take_adoption(engine, source, word, err);
	default:
		return take_probe(engine, source, word, err);
	}
}
