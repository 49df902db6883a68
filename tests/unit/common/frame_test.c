/*
 * frame_test.c - frames on a stream: whole, partial, several, and not ours.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/frame.h"

enum { LIMIT = 1000 };

static void add(struct buf *out, uint16_t type, const char *payload)
{
	struct frame frame = {.type = type, .hops = 5, .source = 0x01020304, .target = 77,
			      .payload = payload, .len = strlen(payload)};
	frame_add(out, &frame);
}

static void header_is_as_documented(void **state)
{
	AUTO_BUF struct buf out = {0};
	(void)state;
	add(&out, 0x0102, "xyz");
	assert_int_equal(out.len, FRAME_HEADER_SIZE + 3);
	assert_memory_equal(out.data, "cmpF" "\x02\x01" "\x05\0" "\4\3\2\1" "\x4d\0\0\0"
			    "\3\0\0\0\0\0\0\0" "xyz", FRAME_HEADER_SIZE + 3);
}

static void what_is_added_is_parsed(void **state)
{
	AUTO_BUF struct buf out = {0};
	struct frame frame;
	(void)state;
	add(&out, 9, "first");
	add(&out, 10, "");
	assert_int_equal(frame_parse(out.data, out.len, LIMIT, &frame, NULL), 29);
	assert_int_equal(frame.type, 9);
	assert_int_equal(frame.hops, 5);
	assert_int_equal(frame.source, 0x01020304);
	assert_int_equal(frame.target, 77);
	assert_int_equal(frame.len, 5);
	assert_memory_equal(frame.payload, "first", 5);
	assert_int_equal(frame_parse(out.data + 29, out.len - 29, LIMIT, &frame, NULL), 24);
	assert_int_equal(frame.type, 10);
	assert_int_equal(frame.len, 0);
}

static void a_beginning_wants_more(void **state)
{
	AUTO_BUF struct buf out = {0};
	struct frame frame;
	(void)state;
	add(&out, 1, "payload");
	for (size_t len = 0; len < out.len; len++)
		assert_int_equal(frame_parse(out.data, len, LIMIT, &frame, NULL), 0);
}

static void wrong_magic_is_refused(void **state)
{
	struct err err;
	struct frame frame;
	char bytes[FRAME_HEADER_SIZE] = "GET / HTTP/1.0\r\n\r\n";
	(void)state;
	assert_int_equal(frame_parse(bytes, sizeof bytes, LIMIT, &frame, &err), -EPROTO);
	assert_string_equal(err.text, "not one of our frames (magic 20544547)");
}

/* Before the payload is here, and at the edges of 64 bits. */
static void too_much_is_refused_by_the_header(void **state)
{
	static const uint64_t lengths[] = {LIMIT + 1, UINT32_MAX, UINT64_MAX, UINT64_MAX - 24};
	struct frame frame;
	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		AUTO_BUF struct buf out = {0};
		struct err err;
		buf_add_u32(&out, FRAME_MAGIC);
		buf_add(&out, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
		buf_add_u64(&out, lengths[i]);
		assert_int_equal(frame_parse(out.data, out.len, LIMIT, &frame, &err), -EMSGSIZE);
	}
}

static void the_limit_itself_is_allowed(void **state)
{
	static char payload[LIMIT + 1];
	AUTO_BUF struct buf out = {0};
	struct frame frame;
	(void)state;
	memset(payload, 'p', LIMIT);
	add(&out, 1, payload);
	assert_int_equal(frame_parse(out.data, out.len, LIMIT, &frame, NULL), LIMIT + 24);
	assert_int_equal(frame.len, LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_is_as_documented),
		cmocka_unit_test(what_is_added_is_parsed),
		cmocka_unit_test(a_beginning_wants_more),
		cmocka_unit_test(wrong_magic_is_refused),
		cmocka_unit_test(too_much_is_refused_by_the_header),
		cmocka_unit_test(the_limit_itself_is_allowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
