/*
 * bcast_msg.c - the words between cmpid and cmpi-bcast, to bytes and back (bcast_msg.h).  Pure;
 * fuzzed by tests/fuzz/bcast/bcast_msg_fuzz.c.
 *
 * In: message values, or the payload of one frame.  Out: frames, or message values whose blobs
 * point into the payload.
 *
 * Invariants: a parsed message is inside every bound of the header, its payload was used up to
 * the last byte, and a parsed SESSION has rank < size and exactly `size` cards.
 *
 * Caveat: the number of cards is foreign, so the array for them is sized only after checking that
 * the payload can hold that many (each takes at least its length word).
 */
#include "bcast/bcast_msg.h"

#include <stdlib.h>
#include <string.h>

static void pack_blob(const struct bcast_blob *blob, struct buf *out)
{
	buf_add_blob(out, blob->bytes, blob->len);
}

static void pack_session(const struct bcast_session *session, struct buf *out)
{
	buf_add(out, session->key, sizeof session->key);
	buf_add_u32(out, session->rank);
	buf_add_u32(out, session->size);
	buf_add_u64(out, session->image_size);
	pack_blob(&session->plan, out);
	for (uint32_t i = 0; i < session->size; i++)
		pack_blob(&session->cards[i], out);
}

static void pack_done(const struct bcast_done *done, struct buf *out)
{
	buf_add_u64(out, done->bytes);
	buf_add(out, done->digest, sizeof done->digest);
	buf_add_u32(out, done->kept);
	buf_add_u64(out, done->init_ns);
	buf_add_u64(out, done->exchange_ns);
	buf_add_u64(out, done->land_ns);
	buf_add_u64(out, done->read_ns);
	buf_add_u64(out, done->transfer_ns);
	buf_add_u64(out, done->verify_ns);
}

void bcast_msg_pack(const struct bcast_msg *msg, struct buf *out)
{
	AUTO_BUF struct buf payload = {0};
	switch (msg->type) {
	case BCAST_MSG_HELLO:
		pack_blob(&msg->hello.card, &payload);
		pack_blob(&msg->hello.plan, &payload);
		buf_add_u32(&payload, msg->hello.node_count);
		buf_add_str(&payload, msg->hello.image_path);
		buf_add_u32(&payload, msg->hello.readers);
		buf_add_u32(&payload, msg->hello.keep_s);
		break;
	case BCAST_MSG_SESSION:
		pack_session(&msg->session, &payload);
		break;
	case BCAST_MSG_PROGRESS:
		buf_add_u64(&payload, msg->progress.bytes);
		buf_add_u64(&payload, msg->progress.total);
		break;
	case BCAST_MSG_MOUNTABLE:
		buf_add_u64(&payload, msg->mountable.bytes);
		buf_add_u64(&payload, msg->mountable.after_ns);
		break;
	case BCAST_MSG_DONE:
	case BCAST_MSG_CANCELLED:
		pack_done(&msg->done, &payload);
		break;
	case BCAST_MSG_FAILED:
		buf_add_u32(&payload, msg->failed.rank);
		buf_add_u32(&payload, (uint32_t)msg->failed.exit_code);
		buf_add_u32(&payload, (uint32_t)msg->failed.err.number);
		buf_add_str(&payload, msg->failed.err.text);
		break;
	case BCAST_MSG_CANCEL:
		break;
	}
	struct frame frame = {
		.type = (uint16_t)msg->type,
		.payload = payload.data,
		.len = payload.len,
	};
	frame_add(out, &frame);
	out->failed |= payload.failed;
}

/* A blob of at most `max` bytes. */
static struct bcast_blob parse_blob(struct cursor *cursor, size_t max)
{
	struct bcast_blob blob;
	blob.bytes = cursor_blob(cursor, &blob.len);
	if (blob.len > max)
		cursor->bad = true;
	return blob;
}

static void parse_bytes(struct cursor *cursor, uint8_t *bytes, size_t len)
{
	const char *from = cursor_take(cursor, len);
	if (from != NULL)
		memcpy(bytes, from, len);
}

static void parse_hello(struct cursor *cursor, struct bcast_hello *hello)
{
	hello->card = parse_blob(cursor, BCAST_CARD_MAX);
	hello->plan = parse_blob(cursor, BCAST_PLAN_MAX);
	hello->node_count = cursor_u32(cursor);
	cursor_str(cursor, hello->image_path, sizeof hello->image_path);
	hello->readers = cursor_u32(cursor);
	if (hello->readers > BCAST_READERS_MAX)
		cursor->bad = true;
	hello->keep_s = cursor_u32(cursor);
}

static void parse_session(struct cursor *cursor, struct bcast_session *session)
{
	parse_bytes(cursor, session->key, sizeof session->key);
	session->rank = cursor_u32(cursor);
	session->size = cursor_u32(cursor);
	session->image_size = cursor_u64(cursor);
	session->plan = parse_blob(cursor, BCAST_PLAN_MAX);
	session->cards = NULL;
	if (session->size > BCAST_NODES_MAX || session->rank >= session->size ||
	    session->size > cursor_left(cursor) / sizeof(uint32_t)) {
		cursor->bad = true;
		return;
	}
	session->cards = calloc(session->size, sizeof *session->cards);
	if (session->cards == NULL) {
		cursor->bad = true;
		return;
	}
	for (uint32_t i = 0; i < session->size; i++)
		session->cards[i] = parse_blob(cursor, BCAST_CARD_MAX);
}

static void parse_done(struct cursor *cursor, struct bcast_done *done)
{
	done->bytes = cursor_u64(cursor);
	parse_bytes(cursor, done->digest, sizeof done->digest);
	done->kept = cursor_u32(cursor);
	cursor->bad |= done->kept > 1;
	done->init_ns = cursor_u64(cursor);
	done->exchange_ns = cursor_u64(cursor);
	done->land_ns = cursor_u64(cursor);
	done->read_ns = cursor_u64(cursor);
	done->transfer_ns = cursor_u64(cursor);
	done->verify_ns = cursor_u64(cursor);
}

static void parse_failed(struct cursor *cursor, struct bcast_failed *failed)
{
	failed->rank = cursor_u32(cursor);
	failed->exit_code = (int32_t)cursor_u32(cursor);
	failed->err.number = (int)cursor_u32(cursor);
	cursor_str(cursor, failed->err.text, sizeof failed->err.text);
	if (failed->err.number <= 0 || failed->exit_code <= 0 || failed->exit_code > 255)
		cursor->bad = true;
}

static void parse_by_type(struct cursor *cursor, struct bcast_msg *msg)
{
	switch (msg->type) {
	case BCAST_MSG_HELLO:
		parse_hello(cursor, &msg->hello);
		return;
	case BCAST_MSG_SESSION:
		parse_session(cursor, &msg->session);
		return;
	case BCAST_MSG_PROGRESS:
		msg->progress.bytes = cursor_u64(cursor);
		msg->progress.total = cursor_u64(cursor);
		return;
	case BCAST_MSG_MOUNTABLE:
		msg->mountable.bytes = cursor_u64(cursor);
		msg->mountable.after_ns = cursor_u64(cursor);
		return;
	case BCAST_MSG_DONE:
	case BCAST_MSG_CANCELLED:
		parse_done(cursor, &msg->done);
		return;
	case BCAST_MSG_FAILED:
		parse_failed(cursor, &msg->failed);
		return;
	case BCAST_MSG_CANCEL:
		return;
	}
	cursor->bad = true;
}

int bcast_msg_parse(const struct frame *frame, struct bcast_msg *msg, struct err *err)
{
	struct cursor cursor = cursor_of(frame->payload, frame->len);
	*msg = (struct bcast_msg){.type = (enum bcast_msg_type)frame->type};
	parse_by_type(&cursor, msg);
	if (!cursor.bad && cursor_left(&cursor) == 0)
		return 0;
	bcast_msg_free(msg);
	return err_set(err, EPROTO, "a malformed message of type %u between cmpid and cmpi-bcast; "
		       "are both of one version?", frame->type);
}

void bcast_msg_free(struct bcast_msg *msg)
{
	if (msg->type != BCAST_MSG_SESSION)
		return;
	free(msg->session.cards);
	msg->session.cards = NULL;
}
