/*
 * engine_reader.c - a reader's part: what is read next, and which of its streams carries it.
 *
 * In: the reader's share of the chunks (deal.h), wishes, what the crew has read.  Out: announcements
 * in its streams.
 *
 * A chunk is announced when it has been read, with its hash.  It is read only when its streams
 * have use for it soon: what is announced can no longer be overtaken, so that a chunk that
 * somebody waits for is behind few others.
 *
 * The streams take turns, so that each tree carries the same; but one whose first child is slow does
 * not keep the others waiting.
 */
#include "bcast/engine_impl.h"

#include <string.h>

/* Chunks of an own stream that its fastest child has not got yet. */
static uint64_t backlog(const struct engine *engine, int stream)
{
	uint64_t announced = engine->streams[stream].announced, least = announced;
	bool any = false;
	for (int i = 0; i < engine->flow_count; i++) {
		const struct flow *flow = &engine->flows[i];
		if (flow->stream != stream || flow->closed)
			continue;
		uint64_t waiting = announced - flow->next + (uint64_t)flow->under_way;
		least = waiting < least ? waiting : least;
		any = true;
	}
	return any ? least : 0;
}

static int first_stream(const struct engine *engine)
{
	return engine->job->schedule->reader;
}

static int stream_step(const struct engine *engine)
{
	return engine->job->schedule->shape.readers;
}

/* Chunks of a stream that may be read or announced ahead of its children. */
static uint64_t ahead(const struct engine *engine)
{
	return (uint64_t)engine->sends_ahead + READS_AHEAD;
}

static bool has_room(const struct engine *engine)
{
	uint64_t waiting = (uint64_t)engine->reads, room = 0;
	for (int i = first_stream(engine); i < engine->stream_count; i += stream_step(engine)) {
		uint64_t here = backlog(engine, i);
		waiting += here < ahead(engine) ? here : ahead(engine);
		room += ahead(engine);
	}
	return waiting < room;
}

/* The own stream for the next chunk: in turn, unless that one is jammed. */
static int choose_stream(struct engine *engine)
{
	int trees = engine->stream_count / stream_step(engine);
	for (int i = 0; i < trees; i++) {
		int tree = (engine->next_tree + i) % trees;
		int stream = first_stream(engine) + tree * stream_step(engine);
		if (i + 1 < trees && backlog(engine, stream) > 2 * ahead(engine))
			continue;
		engine->next_tree = (tree + 1) % trees;
		return stream;
	}
	return first_stream(engine);
}

static void end_streams(struct engine *engine, enum stream_end end)
{
	engine->reading_done = true;
	for (int i = first_stream(engine); i < engine->stream_count; i += stream_step(engine)) {
		engine->streams[i].ended = true;
		engine->streams[i].end = end;
	}
	engine_note_end(engine, end);
	engine->busy = true;
}

int engine_reader_open(struct engine *engine, struct err *err)
{
	const struct engine_job *job = engine->job;
	if (job->schedule->reader == SCHEDULE_NO_READER)
		return 0;
	if (job->source == NULL) {
		end_streams(engine, job->layout->count > 0 ? STREAM_LOST : STREAM_WHOLE);
		return 0;
	}
	return deal_new(job->layout->count, (unsigned)job->schedule->reader,
			(unsigned)job->schedule->shape.readers, job->order, job->order_count,
			job->known, &engine->deal, err);
}

void engine_reader_fail(struct engine *engine, const struct err *why)
{
	if (engine->deal == NULL || engine->reading_done)
		return;
	if (why != NULL && engine->result->err.number == 0)
		engine->result->err = *why;
	end_streams(engine, STREAM_LOST);
}

void engine_reader_cancel(struct engine *engine)
{
	if (engine->deal != NULL && !engine->reading_done)
		end_streams(engine, STREAM_CANCELLED);
}

static int submit(struct engine *engine, uint64_t chunk, struct err *err)
{
	const struct engine_job *job = engine->job;
	const struct crew_task task = {
		.read = true,
		.chunk = chunk,
		.offset = chunk_offset(job->layout, chunk),
		.bytes = job->base + chunk_offset(job->layout, chunk),
		.len = chunk_length(job->layout, chunk),
	};
	engine->reads++;
	return crew_submit(engine->crew, &task, err);
}

int engine_reader_turn(struct engine *engine, struct err *err)
{
	uint64_t chunk;
	if (engine->deal == NULL)
		return 0;
	while (!engine->reading_done && has_room(engine)) {
		if (!deal_take(engine->deal, &chunk)) {
			if (engine->reads == 0)
				end_streams(engine, STREAM_WHOLE);
			return 0;
		}
		int rc = submit(engine, chunk, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The file's hash is known beforehand, and the file has another one? */
static bool contradicts(const struct engine *engine, const struct crew_task *task)
{
	const uint8_t *hash = manifest_get(engine->job->manifest, task->chunk);
	return hash != NULL && memcmp(hash, task->hash, MANIFEST_HASH_SIZE) != 0;
}

int engine_reader_take(struct engine *engine, const struct crew_task *task, struct err *err)
{
	(void)err;
	engine->reads--;
	if (engine->reading_done)
		return 0;
	if (task->err.number != 0) {
		engine_reader_fail(engine, &task->err);
		return 0;
	}
	if (contradicts(engine, task)) {
		struct err why;
		err_set(&why, EBADMSG, "%s: the %zu bytes at %llu are not what its sidecar says; the file "
			"was damaged or changed: restore it, or remove the sidecar",
			engine->job->source->path, task->len, (unsigned long long)task->offset);
		engine_reader_fail(engine, &why);
		return 0;
	}
	int at = choose_stream(engine);
	struct stream *stream = &engine->streams[at];
	manifest_set(engine->job->manifest, task->chunk, task->hash);
	engine->chunks[task->chunk].stream = (uint8_t)at;
	stream->order[stream->announced++] = (uint32_t)task->chunk;
	engine_settle(engine, task->chunk, CHUNK_HERE);
	return 0;
}

int engine_want(struct engine *engine, uint64_t chunk, struct err *err)
{
	struct chunk *wanted = &engine->chunks[chunk];
	int reader = (int)(chunk % (uint64_t)engine->job->schedule->shape.readers);
	if (wanted->state != CHUNK_MISSING || wanted->wanted || engine->streams[reader].ended)
		return 0;
	wanted->wanted = 1;
	engine->busy = true;
	if (engine->streams[reader].parent != SCHEDULE_NO_PARENT) {
		const struct word word = {.kind = WORD_WANT, .chunk = chunk};
		return engine_mail_say(engine, engine->streams[reader].parent, &word, err);
	}
	deal_raise(engine->deal, chunk, NULL);
	return 0;
}
