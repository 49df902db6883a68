/*
 * Messages: there and back, every cut refused, every bound kept.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "bcast/bcast_msg.h"

static struct bcast_blob blob(const char *text)
{
	return (struct bcast_blob){text, strlen(text)};
}

static void assert_blob(const struct bcast_blob *got, const char *want)
{
	assert_int_equal(got->len, strlen(want));
	assert_memory_equal(got->bytes, want, got->len);
}

/* Packs, finds the frame, parses; also every shorter payload, which must be refused. */
static struct bcast_msg there_and_back(const struct bcast_msg *msg, struct buf *bytes)
{
	struct frame frame;
	struct bcast_msg got;
	struct err err = ERR_NONE;
	bcast_msg_pack(msg, bytes);
	assert_false(bytes->failed);
	assert_int_equal(frame_parse(bytes->data, bytes->len, BCAST_MSG_PAYLOAD_MAX, &frame, &err),
			 bytes->len);
	for (size_t cut = 0; cut < frame.len; cut++) {
		struct frame shorter = frame;
		shorter.len = cut;
		assert_int_equal(bcast_msg_parse(&shorter, &got, &err), -EPROTO);
	}
	assert_int_equal(bcast_msg_parse(&frame, &got, &err), 0);
	assert_int_equal(got.type, msg->type);
	return got;
}

static void test_hello(void **state)
{
	(void)state;
	AUTO_BUF struct buf bytes = {0};
	struct bcast_msg msg = {.type = BCAST_MSG_HELLO,
				.hello = {blob("card"), blob("the plan"), 17, "/images/a.sqsh", 3, 60}};
	struct bcast_msg got = there_and_back(&msg, &bytes);
	assert_blob(&got.hello.card, "card");
	assert_blob(&got.hello.plan, "the plan");
	assert_int_equal(got.hello.node_count, 17);
	assert_int_equal(got.hello.readers, 3);
	assert_string_equal(got.hello.image_path, "/images/a.sqsh");
	assert_int_equal(got.hello.keep_s, 60);
}

static void test_session(void **state)
{
	(void)state;
	AUTO_BUF struct buf bytes = {0};
	struct bcast_blob cards[] = {blob("zero"), blob(""), blob("two")};
	struct bcast_msg msg = {.type = BCAST_MSG_SESSION,
				.session = {.rank = 2, .size = 3, .image_size = 5ull << 32,
					    .plan = blob("p"), .cards = cards}};
	memset(msg.session.key, 0xa5, sizeof msg.session.key);
	struct bcast_msg got = there_and_back(&msg, &bytes);
	assert_memory_equal(got.session.key, msg.session.key, BCAST_KEY_SIZE);
	assert_int_equal(got.session.rank, 2);
	assert_int_equal(got.session.size, 3);
	assert_int_equal(got.session.image_size, 5ull << 32);
	assert_blob(&got.session.plan, "p");
	for (size_t i = 0; i < 3; i++)
		assert_memory_equal(got.session.cards[i].bytes, cards[i].bytes, cards[i].len);
	bcast_msg_free(&got);
}

static void test_mountable(void **state)
{
	(void)state;
	AUTO_BUF struct buf bytes = {0};
	struct bcast_msg msg = {.type = BCAST_MSG_MOUNTABLE, .mountable = {1ull << 40, 77}};
	struct bcast_msg got = there_and_back(&msg, &bytes);
	assert_int_equal(got.mountable.bytes, 1ull << 40);
	assert_int_equal(got.mountable.after_ns, 77);
}

static void test_progress_done_failed(void **state)
{
	(void)state;
	AUTO_BUF struct buf bytes = {0}, more = {0}, stopped = {0}, order = {0}, last = {0};
	struct bcast_msg msg = {.type = BCAST_MSG_PROGRESS, .progress = {1, 2}};
	struct bcast_msg got = there_and_back(&msg, &bytes);
	assert_int_equal(got.progress.total, 2);

	msg = (struct bcast_msg){.type = BCAST_MSG_DONE,
				 .done = {.bytes = 9, .digest = {1, 2}, .kept = 1, .init_ns = 3, .verify_ns = 8}};
	got = there_and_back(&msg, &more);
	assert_memory_equal(&got.done, &msg.done, sizeof got.done);

	msg = (struct bcast_msg){.type = BCAST_MSG_CANCELLED, .done = {.init_ns = 3, .exchange_ns = 4}};
	got = there_and_back(&msg, &stopped);
	assert_memory_equal(&got.done, &msg.done, sizeof got.done);
	msg = (struct bcast_msg){.type = BCAST_MSG_CANCEL};
	got = there_and_back(&msg, &order);

	msg = (struct bcast_msg){.type = BCAST_MSG_FAILED, .failed = {7, 121, {ENOENT, "gone"}}};
	got = there_and_back(&msg, &last);
	assert_int_equal(got.failed.rank, 7);
	assert_int_equal(got.failed.exit_code, 121);
	assert_int_equal(got.failed.err.number, ENOENT);
	assert_string_equal(got.failed.err.text, "gone");
}

/* One payload that is malformed in one way. */
static void assert_refused(enum bcast_msg_type type, const struct buf *payload)
{
	struct frame frame = {.type = (uint16_t)type, .payload = payload->data, .len = payload->len};
	struct bcast_msg msg;
	struct err err = ERR_NONE;
	assert_false(payload->failed);
	assert_int_equal(bcast_msg_parse(&frame, &msg, &err), -EPROTO);
	assert_string_not_equal(err.text, "");
}

static void start_session(struct buf *out, uint32_t rank, uint32_t size)
{
	uint8_t key[BCAST_KEY_SIZE] = {0};
	buf_add(out, key, sizeof key);
	buf_add_u32(out, rank);
	buf_add_u32(out, size);
	buf_add_u64(out, 0);
	buf_add_blob(out, "", 0);
}

static void test_refused(void **state)
{
	(void)state;
	char zeros[BCAST_CARD_MAX + 1] = {0};
	AUTO_BUF struct buf card = {0}, empty = {0}, rank = {0}, huge = {0}, exit_code = {0}, rest = {0};
	buf_add_blob(&card, zeros, sizeof zeros);  /* a card that is too long */
	buf_add_blob(&card, "", 0);
	buf_add_u32(&card, 0);
	buf_add_str(&card, "");
	assert_refused(BCAST_MSG_HELLO, &card);

	buf_add_u8(&empty, 0);
	assert_refused(0, &empty);  /* an unknown type */
	assert_refused(99, &empty);

	start_session(&rank, 1, 1);  /* a rank that is not there */
	buf_add_blob(&rank, "", 0);
	assert_refused(BCAST_MSG_SESSION, &rank);

	start_session(&huge, 0, UINT32_MAX);  /* more cards than bytes */
	assert_refused(BCAST_MSG_SESSION, &huge);

	buf_add_u32(&exit_code, 0);
	buf_add_u32(&exit_code, 0);  /* a failure that is none */
	buf_add_u32(&exit_code, 5);
	buf_add_str(&exit_code, "text");
	assert_refused(BCAST_MSG_FAILED, &exit_code);

	buf_add_u64(&rest, 1);
	buf_add_u64(&rest, 2);
	buf_add_u8(&rest, 0);  /* bytes behind the end */
	assert_refused(BCAST_MSG_PROGRESS, &rest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_mountable),
		cmocka_unit_test(test_progress_done_failed),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
