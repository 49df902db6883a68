/*
 * engine_repair.c - chunks that came damaged come again: from the same rank, then from the reader.
 *
 * In: chunks whose hash was another one; requests of others.  Out: requests, messages with TAG_PULL.
 *
 * One repair at a time: damage is rare.  A request waits at the other side until that rank has the chunk,
 * verified; so damage that was passed on before it was noticed is repaired from the top down,
 * once on each link below.
 *
 * When the reader's copy arrives damaged, too, the chunk is lost here: the readers are told to stop, and
 * all ranks end in good order with the name of the link (transfer.c).
 */
#include "bcast/engine_impl.h"

#include <string.h>

int engine_check_received(struct engine *engine, uint64_t chunk, int len, struct err *err)
{
	const struct engine_job *job = engine->job;
	size_t wanted = chunk_length(job->layout, chunk);
	char *bytes = job->base + chunk_offset(job->layout, chunk);
	if (len == 0)  /* whom we had it from has lost it */
		return engine_damaged(engine, chunk, err);
	if ((size_t)len != wanted) {
		engine->session->broken = true;
		return err_set(err, EPROTO, "chunk %llu came with %d bytes instead of %zu; are all nodes' "
			       "cmpi-bcast of one version?", (unsigned long long)chunk, len, wanted);
	}
	if (job->received != NULL)
		job->received(job->context, chunk, bytes, wanted);
	const struct crew_task task = {.chunk = chunk, .bytes = bytes, .len = wanted,
				       .offset = chunk_offset(job->layout, chunk)};
	return crew_submit(engine->crew, &task, err);
}

void engine_lose(struct engine *engine, uint64_t chunk)
{
	engine->open--;
	engine_settle(engine, chunk, CHUNK_LOST);
	engine->result->lost = true;
}

int engine_give_up(struct engine *engine, enum stream_end end, struct err *err)
{
	int readers = engine->job->schedule->shape.readers, rc = 0;
	const struct word word = {.kind = WORD_FAIL, .chunk = end};
	for (int reader = 0; rc == 0 && reader < readers; reader++)
		rc = engine_mail_say(engine, engine->streams[reader].root, &word, err);
	return rc;
}

static int give_up(struct engine *engine, uint64_t chunk, struct err *err)
{
	struct engine_result *result = engine->result;
	if (result->err.number == 0) {
		result->suspect = engine->chunks[chunk].from;
		err_set(&result->err, EBADMSG, "chunk %llu of %llu (%zu bytes at %llu) arrived damaged "
			"from rank %d again and again", (unsigned long long)chunk,
			(unsigned long long)engine->job->layout->count,
			chunk_length(engine->job->layout, chunk),
			(unsigned long long)chunk_offset(engine->job->layout, chunk), result->suspect);
	}
	engine_lose(engine, chunk);
	return engine_give_up(engine, STREAM_LOST, err);
}

/* Whom to ask after so many failures; -1: nobody is left. */
static int whom_to_ask(const struct engine *engine, const struct chunk *chunk)
{
	int root = engine->streams[chunk->stream].root;
	if (chunk->failures == 1)
		return chunk->from;
	return chunk->failures == 2 && chunk->from != root ? root : -1;
}

int engine_damaged(struct engine *engine, uint64_t chunk, struct err *err)
{
	struct chunk *bad = &engine->chunks[chunk];
	if (engine->result->cancelled) {
		engine_lose(engine, chunk);
		return 0;
	}
	bad->failures++;
	bad->state = CHUNK_BAD;
	engine->busy = true;
	if (whom_to_ask(engine, bad) < 0)
		return give_up(engine, chunk, err);
	int rc = ENGINE_GROW(engine->bad, engine->bad_room, engine->bad_count, err);
	if (rc < 0)
		return rc;
	engine->bad[engine->bad_count++] = chunk;
	engine->result->repairs++;
	return 0;
}

static int ask(struct engine *engine, uint64_t chunk, struct err *err)
{
	const struct engine_job *job = engine->job;
	int peer = whom_to_ask(engine, &engine->chunks[chunk]), index, rc;
	const struct slot slot = {.kind = SLOT_PULL_IN, .chunk = chunk};
	const struct word word = {.kind = WORD_PULL, .chunk = chunk};
	if ((rc = engine_take_slot(engine, &slot, &index, err)) < 0)
		return rc;
	engine->pulling = true;
	int code = MPI_Irecv(job->base + chunk_offset(job->layout, chunk),
			     (int)chunk_length(job->layout, chunk), MPI_BYTE, peer, TAG_PULL,
			     engine->session->comm, &engine->requests[index]);
	if ((rc = engine_check_post(engine, code, "MPI_Irecv", err)) < 0)
		return rc;
	return engine_mail_say(engine, peer, &word, err);
}

int engine_serve_pull(struct engine *engine, int peer, uint64_t chunk, struct err *err)
{
	int rc = ENGINE_GROW(engine->pulls, engine->pull_room, engine->pull_count, err);
	if (rc == 0)
		engine->pulls[engine->pull_count++] = (struct pull){peer, chunk};
	return rc;
}

static int send_pull(struct engine *engine, const struct pull *pull, struct err *err)
{
	const struct engine_job *job = engine->job;
	int len = (int)chunk_length(job->layout, pull->chunk), index;
	const struct slot slot = {.kind = SLOT_PULL_OUT};
	int rc = engine_take_slot(engine, &slot, &index, err);
	if (rc < 0)
		return rc;
	engine->busy = true;
	int code = MPI_Isend(job->base + chunk_offset(job->layout, pull->chunk),
			     engine->chunks[pull->chunk].state == CHUNK_LOST ? 0 : len, MPI_BYTE,
			     pull->peer, TAG_PULL, engine->session->comm, &engine->requests[index]);
	return engine_check_post(engine, code, "MPI_Isend", err);
}

static bool is_settled(const struct engine *engine, uint64_t chunk)
{
	return engine->chunks[chunk].state == CHUNK_HERE || engine->chunks[chunk].state == CHUNK_LOST;
}

int engine_repair_turn(struct engine *engine, struct err *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < engine->pull_count;) {
		const struct pull pull = engine->pulls[i];
		if (!is_settled(engine, pull.chunk)) {
			i++;
			continue;
		}
		engine->pulls[i] = engine->pulls[--engine->pull_count];
		rc = send_pull(engine, &pull, err);
	}
	if (rc < 0 || engine->pulling || engine->bad_count == 0)
		return rc;
	return ask(engine, engine->bad[--engine->bad_count], err);
}
