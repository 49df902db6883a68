/* layer_expand: stored bytes and holes become the content, however the bytes come. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/buf.h"
#include "image/layer_expand.h"

static int collect(void *context, const void *bytes, size_t len, struct err *err)
{
	(void)err;
	assert_true(len > 0);
	buf_add(context, bytes, len);
	return 0;
}

static int refuse(void *context, const void *bytes, size_t len, struct err *err)
{
	(void)bytes;
	(void)len;
	return --*(int *)context < 0 ? err_set(err, EPIPE, "enough") : 0;
}

static void expand(const struct layer_entry *entry, const char *stored, size_t piece, struct buf *out)
{
	struct layer_expand state = layer_expand_of(entry);
	struct err err = ERR_NONE;
	size_t len = entry->stored;
	out->len = 0;
	for (size_t at = 0; at < len; at += piece)
		assert_int_equal(layer_expand_feed(&state, stored + at, len - at < piece ? len - at : piece, collect,
						   out, &err), 0);
	assert_int_equal(layer_expand_end(&state, collect, out, &err), 0);
}

static void contents(void **state)
{
	(void)state;
	static const struct layer_segment some[] = {{0, 2}, {5, 0}, {6, 3}, {9, 1}}, late[] = {{8, 1}}, none[1];
	static const struct { struct layer_entry entry; const char *stored, *wanted; } cases[] = {
		{{.size = 3, .stored = 3}, "abc", "abc"},
		{{.size = 0}, "", ""},
		{{.size = 12, .stored = 6, .segments = some, .segment_count = 4}, "abcdef", "ab....cdef.."},
		{{.size = 9, .stored = 1, .segments = late, .segment_count = 1}, "z", "........z"},
		{{.size = 4, .segments = none}, "", "...."},
	};
	struct buf out = {0};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (size_t piece = 1; piece <= 7; piece++) {
			expand(&cases[i].entry, cases[i].stored, piece, &out);
			assert_int_equal(out.len, strlen(cases[i].wanted));
			for (size_t j = 0; j < out.len; j++)
				assert_int_equal(out.data[j], cases[i].wanted[j] == '.' ? 0 : cases[i].wanted[j]);
		}
	}
	buf_free(&out);
}

/* A hole larger than the zeros that are at hand. */
static void long_hole(void **state)
{
	(void)state;
	const struct layer_segment segment = {1000000, 1};
	const struct layer_entry entry = {.size = 2000000, .stored = 1, .segments = &segment, .segment_count = 1};
	struct buf out = {0};
	expand(&entry, "x", 1, &out);
	assert_int_equal(out.len, 2000000);
	assert_int_equal(out.data[1000000], 'x');
	out.data[1000000] = 0;
	for (size_t i = 0; i < out.len; i++)
		if (out.data[i])
			fail_msg("byte %zu of a hole", i);
	buf_free(&out);
}

static void ended(void **state)
{
	(void)state;
	const struct layer_segment segment = {1000000, 1};
	const struct layer_entry entry = {.size = 1000001, .stored = 1, .segments = &segment, .segment_count = 1};
	struct layer_expand expanding = layer_expand_of(&entry);
	struct err err = ERR_NONE;
	int more = 3;
	assert_int_equal(layer_expand_feed(&expanding, "x", 1, refuse, &more, &err), -EPIPE);
	assert_int_equal(more, -1);  /* it was not called again */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contents), cmocka_unit_test(long_hole), cmocka_unit_test(ended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
