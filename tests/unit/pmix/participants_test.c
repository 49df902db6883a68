/*
 * participants_test.c - any way to name the participants gives the same value.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "pmix/participants.h"

static void ranges_are_joined(void **state)
{
	struct rank_range ranges[] = {{8, 8}, {2, 3}, {4, 6}, {0, 0}, {3, 5}, {10, UINT32_MAX},
				      {11, 12}};
	(void)state;
	assert_int_equal(participants_normalize(ranges, 7), 4);
	assert_int_equal(ranges[0].first, 0);
	assert_int_equal(ranges[0].last, 0);
	assert_int_equal(ranges[1].first, 2);
	assert_int_equal(ranges[1].last, 6);
	assert_int_equal(ranges[2].last, 8);
	assert_int_equal(ranges[3].last, UINT32_MAX);
	assert_int_equal(participants_normalize(ranges, 0), 0);
}

static void signature_depends_on_the_set_alone(void **state)
{
	struct rank_range one_by_one[] = {{3, 3}, {0, 0}, {2, 2}, {1, 1}}, whole[] = {{0, 3}},
			  less[] = {{0, 2}};
	uint64_t a[2], b[2], c[2];
	(void)state;
	participants_signature(one_by_one, participants_normalize(one_by_one, 4), a);
	participants_signature(whole, participants_normalize(whole, 1), b);
	participants_signature(less, participants_normalize(less, 1), c);
	assert_memory_equal(a, b, sizeof a);
	assert_memory_not_equal(a, c, sizeof a);
}

static void nodes_without_ranks_take_no_part(void **state)
{
	static const uint32_t count[] = {2, 2, 0, 3, 1}, first[] = {0, 2, 4, 4, 7};
	static const char *const names[] = {"a", "b", "c", "d", "e"};
	const struct pmi_job job = {.name = "j", .node_count = 5, .rank_count = 8,
				    .node_names = names, .node_first_rank = first,
				    .node_rank_count = count, .fanout = 2, .session_dir = "/"};
	const struct rank_range ranges[] = {{1, 2}, {5, 5}, {6, 7}}, all = {0, 7};
	size_t range_count;
	(void)state;
	struct fence_range *nodes = participants_nodes_new(&job, ranges, 3, &range_count);
	assert_int_equal(range_count, 2);
	assert_int_equal(nodes[0].first, 0);
	assert_int_equal(nodes[0].last, 1);
	assert_int_equal(nodes[1].first, 3);
	assert_int_equal(nodes[1].last, 4);
	free(nodes);
	nodes = participants_nodes_new(&job, &all, 1, &range_count);
	assert_int_equal(range_count, 2);
	assert_int_equal(nodes[0].last, 1);
	free(nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_joined),
		cmocka_unit_test(signature_depends_on_the_set_alone),
		cmocka_unit_test(nodes_without_ranks_take_no_part),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
