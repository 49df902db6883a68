/*
 * timing_test.c - merging, packing, the launch line and its JSON.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "launcher/timing.h"

#define MS(x) ((uint64_t)((x) * 1000000))

static struct timing node(const char *name, uint64_t ready, uint64_t exec)
{
	struct timing timing;
	timing_init(&timing, name);
	timing.ns[TIMING_READY] = ready;
	timing.ns[TIMING_EXEC] = exec;
	timing_close(&timing);
	return timing;
}

static void init_knows_nothing(void **state)
{
	struct timing timing;
	(void)state;
	timing_init(&timing, "n1");
	for (size_t i = 0; i < TIMING_PHASES; i++)
		assert_true(timing.ns[i] == UINT64_MAX);
	timing_close(&timing);
	assert_int_equal(timing.slowest_ns, 0);
	assert_string_equal(timing.slowest, "n1");
}

static void the_slowest_stays(void **state)
{
	struct timing a = node("a", 10, 5), b = node("b", 8, 9), c = node("c", 1, UINT64_MAX);
	(void)state;
	c.ns[TIMING_READ] = 77;
	timing_merge(&a, &b);
	timing_merge(&a, &c);
	assert_int_equal(a.ns[TIMING_READY], 10);
	assert_int_equal(a.ns[TIMING_EXEC], 9);
	assert_int_equal(a.ns[TIMING_READ], 77);
	assert_true(a.ns[TIMING_MOUNT] == UINT64_MAX);
	assert_int_equal(a.slowest_ns, 17);
	assert_string_equal(a.slowest, "b");
}

static void what_is_packed_is_parsed(void **state)
{
	AUTO_BUF struct buf packed = {0};
	struct timing timing = node("nid7", 123, 456), parsed;
	(void)state;
	timing_pack(&timing, &packed);
	struct cursor in = cursor_of(packed.data, packed.len);
	timing_parse(&in, &parsed);
	assert_false(in.bad);
	assert_int_equal(cursor_left(&in), 0);
	assert_memory_equal(parsed.ns, timing.ns, sizeof timing.ns);
	assert_int_equal(parsed.slowest_ns, 579);
	assert_string_equal(parsed.slowest, "nid7");
	for (size_t len = 0; len < packed.len; len++) {
		in = cursor_of(packed.data, len);
		timing_parse(&in, &parsed);
		assert_true(in.bad);
	}
}

static void the_launch_line(void **state)
{
	AUTO_BUF struct buf one = {0}, many = {0};
	struct timing timing = node("n2", MS(30.04), MS(2));
	(void)state;
	timing.ns[TIMING_START] = MS(1.2);
	timing_print(&timing, 8, 2, MS(41), &many);
	buf_add_u8(&many, 0);
	assert_string_equal(many.data, "launched 8 ranks on 2 nodes in 41.0 ms: start 1.2, "
				       "ready 30.0, exec 2.0; slowest node n2");
	timing_print(&timing, 1, 1, MS(0.26), &one);
	buf_add_u8(&one, 0);
	assert_string_equal(one.data, "launched 1 rank on 1 node in 0.3 ms: start 1.2, "
				      "ready 30.0, exec 2.0");
}

static void json_of_some_phases(void **state)
{
	AUTO_BUF struct buf out = {0};
	struct timing timing = node("n2", MS(30), UINT64_MAX);
	(void)state;
	timing.ns[TIMING_WIRE_UP] = MS(1.5);
	timing_print_json(&timing, 8, 2, MS(41), 1ull << 33, &out);
	buf_add_u8(&out, 0);
	assert_string_equal(out.data,
			    "{\"ranks\":8,\"nodes\":2,\"image_bytes\":8589934592,\"total\":0.041000,"
			    "\"phases\":{\"ready\":0.030000,\"wire_up\":0.001500},"
			    "\"slowest_node\":\"n2\"}");
}

/* -- a small reader of JSON objects without escapes (RFC 8259) ------------ */

static bool json_value(const char **at);

static bool json_string(const char **at)
{
	if (*(*at)++ != '"')
		return false;
	for (; **at != '"'; ++*at)
		if (**at == '\0' || **at == '\\' || iscntrl((unsigned char)**at))
			return false;
	++*at;
	return true;
}

static bool json_object(const char **at)
{
	++*at;
	if (**at == '}')
		return ++*at, true;
	for (;;) {
		if (!json_string(at) || *(*at)++ != ':' || !json_value(at))
			return false;
		if (**at != ',')
			return *(*at)++ == '}';
		++*at;
	}
}

static bool json_value(const char **at)
{
	if (**at == '{')
		return json_object(at);
	if (**at == '"')
		return json_string(at);
	size_t digits = strspn(*at, "0123456789");
	*at += digits;
	if (digits > 0 && **at == '.') {
		size_t more = strspn(*at + 1, "0123456789");
		*at += 1 + more;
		return more > 0;
	}
	return digits > 0;
}

static void json_is_valid_for_any_set_of_phases(void **state)
{
	(void)state;
	for (unsigned set = 0; set < 1u << TIMING_PHASES; set++) {
		AUTO_BUF struct buf out = {0};
		struct timing timing;
		timing_init(&timing, "n1.example");
		for (unsigned i = 0; i < TIMING_PHASES; i++)
			if ((set >> i & 1) != 0)
				timing.ns[i] = i == 3 ? UINT64_MAX - 1 : i * 1000;
		timing_print_json(&timing, 1, 1, 5, 6, &out);
		buf_add_u8(&out, 0);
		const char *at = out.data;
		assert_true(json_value(&at));
		assert_int_equal(*at, '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_knows_nothing),
		cmocka_unit_test(the_slowest_stays),
		cmocka_unit_test(what_is_packed_is_parsed),
		cmocka_unit_test(the_launch_line),
		cmocka_unit_test(json_of_some_phases),
		cmocka_unit_test(json_is_valid_for_any_set_of_phases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
