/*
 * modex_test.c - tags are found once and by their own sort; frames round-trip.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pmix/modex.h"

static void tags(void **state)
{
	struct modex_table table = {0};
	struct modex *ours = modex_add(&table), *theirs = modex_add(&table);
	(void)state;
	ours->reply = malloc(8);
	assert_true(ours->tag != theirs->tag);
	assert_null(modex_take(&table, ours->tag, false));
	assert_null(modex_take(&table, theirs->tag, true));
	assert_ptr_equal(modex_take(&table, theirs->tag, false), theirs);
	assert_null(modex_take(&table, theirs->tag, false));
	free(theirs);
	modex_table_free(&table);
	assert_null(modex_take(&table, 1, true));
}

static void frames(void **state)
{
	AUTO_BUF struct buf request = {0}, reply = {0};
	struct modex_request asked;
	struct modex_reply answered;
	(void)state;
	modex_request_add(&request, &(struct modex_request){.tag = 1ull << 40, .rank = 7});
	modex_reply_add(&reply, &(struct modex_reply){.tag = 5, .status = ENOENT, .data = "abc",
						      .len = 3});
	assert_int_equal(modex_request_parse(request.data, request.len, &asked), 0);
	assert_true(asked.tag == 1ull << 40 && asked.rank == 7);
	assert_int_equal(modex_reply_parse(reply.data, reply.len, &answered), 0);
	assert_int_equal(answered.status, ENOENT);
	assert_int_equal(answered.len, 3);
	assert_memory_equal(answered.data, "abc", 3);
	for (size_t len = 0; len < request.len; len++)
		assert_int_equal(modex_request_parse(request.data, len, &asked), -EPROTO);
	assert_int_equal(modex_reply_parse(reply.data, 11, &answered), -EPROTO);
	buf_add_u8(&request, 0);
	assert_int_equal(modex_request_parse(request.data, request.len, &asked), -EPROTO);
	reply.data[11] = 0x7f;
	assert_int_equal(modex_reply_parse(reply.data, reply.len, &answered), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags),
		cmocka_unit_test(frames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
