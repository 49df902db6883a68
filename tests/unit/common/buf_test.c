/*
 * buf_test.c - bytes written are bytes read, and reads never pass the end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"

static void integers_are_little_endian(void **state)
{
	AUTO_BUF struct buf buf = {0};
	(void)state;
	buf_add_u8(&buf, 0x01);
	buf_add_u32(&buf, 0x05040302);
	buf_add_u64(&buf, 0x0d0c0b0a09080706);
	assert_int_equal(buf.len, 13);
	for (size_t i = 0; i < 13; i++)
		assert_int_equal(buf.data[i], i + 1);
}

static void what_is_added_is_read(void **state)
{
	AUTO_BUF struct buf buf = {0};
	char fixed[4];
	size_t len;
	(void)state;
	buf_add_u8(&buf, 200);
	buf_add_u32(&buf, UINT32_MAX);
	buf_add_u64(&buf, UINT64_MAX - 1);
	buf_add_str(&buf, "abc");
	buf_add_str(&buf, NULL);
	buf_add_str(&buf, "abc");
	buf_add_blob(&buf, "\0\1", 2);

	struct cursor in = cursor_of(buf.data, buf.len);
	assert_int_equal(cursor_u8(&in), 200);
	assert_int_equal(cursor_u32(&in), UINT32_MAX);
	assert_true(cursor_u64(&in) == UINT64_MAX - 1);
	AUTO_FREE char *text = cursor_str_new(&in);
	AUTO_FREE char *empty = cursor_str_new(&in);
	cursor_str(&in, fixed, sizeof fixed);
	assert_string_equal(text, "abc");
	assert_string_equal(empty, "");
	assert_string_equal(fixed, "abc");
	assert_memory_equal(cursor_blob(&in, &len), "\0\1", 2);
	assert_int_equal(len, 2);
	assert_int_equal(cursor_left(&in), 0);
	assert_false(in.bad);
}

static void printf_grows(void **state)
{
	AUTO_BUF struct buf buf = {0};
	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_printf(&buf, "%03d,", i);
	assert_int_equal(buf.len, 4000);
	assert_memory_equal(buf.data, "000,001,", 8);
	assert_memory_equal(buf.data + 3992, "998,999,", 8);
}

static void consume_drops_the_front(void **state)
{
	AUTO_BUF struct buf buf = {0};
	(void)state;
	buf_add(&buf, "abcdef", 6);
	buf_consume(&buf, 2);
	assert_int_equal(buf.len, 4);
	assert_memory_equal(buf.data, "cdef", 4);
	buf_consume(&buf, 100);
	assert_int_equal(buf.len, 0);
	buf_add(&buf, "x", 1);
	assert_memory_equal(buf.data, "x", 1);
}

/* Room for nothing is room, not the NULL that means no memory. */
static void nothing_can_be_added(void **state)
{
	AUTO_BUF struct buf buf = {0};
	(void)state;
	buf_add(&buf, NULL, 0);
	assert_non_null(buf_reserve(&buf, 0));
	assert_int_equal(buf.len, 0);
	assert_false(buf.failed);
}

static void failure_is_remembered(void **state)
{
	AUTO_BUF struct buf buf = {0};
	(void)state;
	buf_add(&buf, "ab", 2);
	assert_null(buf_reserve(&buf, SIZE_MAX / 2));
	assert_true(buf.failed);
	buf_add(&buf, "cd", 2);
	buf_printf(&buf, "ef");
	assert_int_equal(buf.len, 2);
	buf_free(&buf);
	assert_false(buf.failed);
	assert_null(buf.data);
}

static void short_reads_are_bad_for_good(void **state)
{
	struct cursor in = cursor_of("\1\2\3", 3);
	size_t len;
	(void)state;
	assert_int_equal(cursor_u32(&in), 0);
	assert_true(in.bad);
	assert_int_equal(cursor_left(&in), 0);
	assert_int_equal(cursor_u8(&in), 0);
	assert_null(cursor_take(&in, 0));
	assert_null(cursor_blob(&in, &len));
	assert_int_equal(len, 0);
	assert_null(cursor_str_new(&in));
}

/* Strings that must not be taken, into an array of four bytes. */
static void bad_strings_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{"\4\0\0\0abcd", 8},              /* no room for the NUL */
		{"\3\0\0\0a\0b", 7},              /* a NUL inside */
		{"\4\0\0\0abc", 7},               /* longer than the message */
		{"\xff\xff\xff\xff" "abc", 7},
		{"\1\0\0", 3},                    /* not even a length */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cursor in = cursor_of(cases[i].bytes, cases[i].len), again = in;
		char text[4] = "zzz";
		cursor_str(&in, text, sizeof text);
		assert_true(in.bad);
		assert_string_equal(text, "");
		if (i == 0)
			continue;
		assert_null(cursor_str_new(&again));
		assert_true(again.bad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(what_is_added_is_read),
		cmocka_unit_test(printf_grows),
		cmocka_unit_test(consume_drops_the_front),
		cmocka_unit_test(nothing_can_be_added),
		cmocka_unit_test(failure_is_remembered),
		cmocka_unit_test(short_reads_are_bad_for_good),
		cmocka_unit_test(bad_strings_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
