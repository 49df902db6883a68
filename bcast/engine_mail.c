/*
 * engine_mail.c - words between ranks: announcements down the trees, requests up and across.
 *
 * In: letters of some words from any rank.  Out: calls into the other files; letters.
 *
 * All words share one tag and one row of posted receives, which are emptied in the order in which
 * they were posted, so that words of one sender come in the order in which they were said.
 *
 * The posted receives are given back without MPI_Cancel: a rank that is at the end writes as many
 * letters to itself as it has receives posted, and receives until it has them all.
 */
#include "bcast/engine_impl.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

static int post_receive(struct engine *engine, int at, struct err *err)
{
	int code = MPI_Irecv(&engine->mailbox[at], sizeof(struct letter), MPI_BYTE, MPI_ANY_SOURCE,
			     TAG_MAIL, engine->session->comm, &engine->mail[at]);
	return session_check(engine->session, code, "MPI_Irecv", err);
}

int engine_mail_open(struct engine *engine, struct err *err)
{
	for (int i = 0; i < MAILBOX; i++) {
		int rc = post_receive(engine, i, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Our own end of the line: it is of another version, or its memory is damaged. */
static int reject(struct engine *engine, int source, const struct word *word, struct err *err)
{
	engine->session->broken = true;
	return err_set(err, EPROTO, "rank %d said something of no meaning (%u of stream %u); are all "
		       "nodes' cmpi-bcast of one version?", source, word->kind, word->stream);
}

static int take_announcement(struct engine *engine, int source, const struct word *word,
			     struct err *err)
{
	struct stream *stream = &engine->streams[word->stream];
	struct chunk *chunk = &engine->chunks[word->chunk];
	/* A rank that was adopted may hear things twice. */
	if (word->number < stream->announced)
		return 0;
	if (word->number > stream->announced || stream->parent == SCHEDULE_NO_PARENT ||
	    stream->announced == stream->room || chunk->state != CHUNK_MISSING)
		return reject(engine, source, word, err);
	stream->order[stream->announced++] = (uint32_t)word->chunk;
	chunk->stream = (uint8_t)word->stream;
	chunk->state = CHUNK_COMING;
	manifest_set(engine->job->manifest, word->chunk, word->hash);
	return 0;
}

static int take_end(struct engine *engine, int source, const struct word *word, struct err *err)
{
	struct stream *stream = &engine->streams[word->stream];
	if (stream->ended)
		return 0;
	if (word->number != stream->announced || word->chunk > STREAM_CANCELLED)
		return reject(engine, source, word, err);
	stream->ended = true;
	stream->end = (enum stream_end)word->chunk;
	engine_note_end(engine, stream->end);
	return 0;
}

static int take_word(struct engine *engine, int source, const struct word *word, struct err *err)
{
	bool names_chunk = word->kind == WORD_ANNOUNCE || word->kind == WORD_WANT ||
			   word->kind == WORD_PULL;
	if (word->epoch != engine->session->epoch)
		return 0;
	if (word->stream >= engine->stream_count ||
	    (names_chunk && word->chunk >= engine->job->layout->count))
		return reject(engine, source, word, err);
	switch ((enum word_kind)word->kind) {
	case WORD_ANNOUNCE:
		return take_announcement(engine, source, word, err);
	case WORD_END:
		return take_end(engine, source, word, err);
	case WORD_WANT:
		return engine_want(engine, word->chunk, err);
	case WORD_PULL:
		return engine_serve_pull(engine, source, word->chunk, err);
	case WORD_FAIL:
		if (word->chunk == STREAM_CANCELLED)
			engine_reader_cancel(engine);
		else
			engine_reader_fail(engine, NULL);
		return 0;
	case WORD_DEMOTE:
	case WORD_HANDOVER:
	case WORD_ADOPT:
	case WORD_PROBE:
	case WORD_PROBED:
		return engine_slow_take(engine, source, word, err);
	case WORD_STOP:
		return 0;
	}
	return reject(engine, source, word, err);
}

static int take_letter(struct engine *engine, const MPI_Status *status, struct err *err)
{
	const struct letter *letter = &engine->mailbox[engine->mail_head];
	int len = 0, rc = 0;
	MPI_Get_count(status, MPI_BYTE, &len);
	for (int i = 0; rc == 0 && i < len / (int)sizeof(struct word); i++)
		rc = take_word(engine, status->MPI_SOURCE, &letter->words[i], err);
	return rc;
}

/* *done: the oldest posted receive has a letter. */
static int test_head(struct engine *engine, int *done, MPI_Status *status, struct err *err)
{
	int code = MPI_Test(&engine->mail[engine->mail_head], done, status);
	return session_check(engine->session, code, "letter", err);
}

int engine_mail_take(struct engine *engine, struct err *err)
{
	for (;;) {
		MPI_Status status;
		int done, rc = test_head(engine, &done, &status, err);
		if (rc < 0 || !done)
			return rc;
		engine->busy = true;
		if ((rc = take_letter(engine, &status, err)) < 0 ||
		    (rc = post_receive(engine, engine->mail_head, err)) < 0)
			return rc;
		engine->mail_head = (engine->mail_head + 1) % MAILBOX;
	}
}

static int post_letter(struct engine *engine, int peer, const struct word *words, int count,
		       struct err *err)
{
	AUTO_FREE struct letter *letter = malloc(sizeof *letter);
	int index, rc;
	if (letter == NULL) {
		engine->session->broken = true;
		return err_errno(err, ENOMEM, "a letter");
	}
	memcpy(letter->words, words, (size_t)count * sizeof *words);
	for (int i = 0; i < count; i++)
		letter->words[i].epoch = engine->session->epoch;
	const struct slot slot = {.kind = SLOT_LETTER, .memory = letter};
	if ((rc = engine_take_slot(engine, &slot, &index, err)) < 0)
		return rc;
	int code = MPI_Isend(letter->words, count * (int)sizeof *words, MPI_BYTE, peer, TAG_MAIL,
			     engine->session->comm, &engine->requests[index]);
	take_ptr(&letter);
	return engine_check_post(engine, code, "MPI_Isend", err);
}

int engine_mail_say(struct engine *engine, int peer, const struct word *word, struct err *err)
{
	return post_letter(engine, peer, word, 1, err);
}

/* Announcements, and the end of the stream behind the last. */
static int tell_flow(struct engine *engine, struct flow *flow, struct err *err)
{
	const struct stream *stream = &engine->streams[flow->stream];
	while (!flow->told_end && (flow->told < stream->announced || stream->ended)) {
		struct word words[LETTER_WORDS];
		int count = 0;
		for (; count < LETTER_WORDS && flow->told < stream->announced; flow->told++) {
			struct word *word = &words[count++];
			*word = (struct word){.kind = WORD_ANNOUNCE, .stream = (uint16_t)flow->stream,
					      .chunk = stream->order[flow->told], .number = flow->told};
			memcpy(word->hash, manifest_get(engine->job->manifest, word->chunk),
			       sizeof word->hash);
		}
		if (count < LETTER_WORDS && stream->ended) {
			words[count++] = (struct word){.kind = WORD_END, .stream = (uint16_t)flow->stream,
						       .chunk = stream->end, .number = flow->told};
			flow->told_end = true;
		}
		int rc = post_letter(engine, flow->peer, words, count, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int engine_mail_tell(struct engine *engine, struct err *err)
{
	for (int i = 0; i < engine->flow_count; i++) {
		int rc = engine->flows[i].closed ? 0 : tell_flow(engine, &engine->flows[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Waits for a letter to ourselves; what else comes is too late to matter. */
static int drain(struct engine *engine, struct err *err)
{
	const struct letter *letter = &engine->mailbox[engine->mail_head];
	for (;;) {
		int rc = session_wait(engine->session, &engine->mail[engine->mail_head], err);
		if (rc < 0)
			return rc;
		if (letter->words[0].kind == WORD_STOP &&
		    letter->words[0].epoch == engine->session->epoch)
			break;
		if ((rc = post_receive(engine, engine->mail_head, err)) < 0)
			return rc;
		engine->mail_head = (engine->mail_head + 1) % MAILBOX;
		letter = &engine->mailbox[engine->mail_head];
	}
	engine->mail_head = (engine->mail_head + 1) % MAILBOX;
	return 0;
}

int engine_mail_close(struct engine *engine, struct err *err)
{
	const struct word stop = {.epoch = engine->session->epoch, .kind = WORD_STOP};
	MPI_Request sends[MAILBOX];
	int rc = 0;
	for (int i = 0; rc == 0 && i < MAILBOX; i++)
		rc = session_check(engine->session, MPI_Isend(&stop, sizeof stop, MPI_BYTE,
				   engine->session->rank, TAG_MAIL, engine->session->comm, &sends[i]),
				   "MPI_Isend", err);
	for (int i = 0; rc == 0 && i < MAILBOX; i++)
		rc = drain(engine, err);
	for (int i = 0; rc == 0 && i < MAILBOX; i++)
		rc = session_wait(engine->session, &sends[i], err);
	return rc;
}
