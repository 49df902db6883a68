/*
 * Schedules as values: for every size, each tree spans all ranks from rank 0, and both ends of an
 * edge agree on it, so each rank gets each chunk exactly once.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "bcast/schedule.h"

enum { SIZE_MAX_TESTED = 600, CHUNKS = 7 };

static const enum schedule_kind kinds[] = {SCHEDULE_CHAIN};

static void check_edges(const struct schedule *all, int size, int tree)
{
	for (int rank = 0; rank < size; rank++) {
		const struct schedule_place *place = &all[rank].trees[tree];
		assert_true((place->parent == SCHEDULE_NO_PARENT) == (rank == 0));
		assert_in_range(place->child_count, 0, SCHEDULE_CHILDREN_MAX);
		for (int i = 0; i < place->child_count; i++) {
			assert_in_range(place->children[i], 0, size - 1);
			assert_int_equal(all[place->children[i]].trees[tree].parent, rank);
		}
	}
}

/* How often each rank is reached from the root along children. */
static void check_reach(const struct schedule *all, int size, int tree)
{
	int queue[SIZE_MAX_TESTED], seen[SIZE_MAX_TESTED] = {0}, head = 0, tail = 0;
	queue[tail++] = 0;
	seen[0]++;
	while (head < tail) {
		const struct schedule_place *place = &all[queue[head++]].trees[tree];
		for (int i = 0; i < place->child_count; i++) {
			int child = place->children[i];
			assert_int_equal(seen[child]++, 0);
			queue[tail++] = child;
		}
	}
	assert_int_equal(tail, size);
}

static void test_spans(void **state)
{
	(void)state;
	static struct schedule all[SIZE_MAX_TESTED];
	for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
		for (int size = 1; size <= SIZE_MAX_TESTED; size++) {
			for (int rank = 0; rank < size; rank++)
				schedule_make(kinds[kind], rank, size, &all[rank]);
			for (int tree = 0; tree < all[0].tree_count; tree++) {
				check_edges(all, size, tree);
				check_reach(all, size, tree);
			}
			for (int rank = 1; rank < size; rank++)
				assert_int_equal(all[rank].tree_count, all[0].tree_count);
		}
}

static void test_chunks_have_a_tree(void **state)
{
	(void)state;
	struct schedule schedule;
	for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		schedule_make(kinds[kind], 1, 5, &schedule);
		assert_in_range(schedule.tree_count, 1, SCHEDULE_TREES_MAX);
		for (uint64_t chunk = 0; chunk < CHUNKS; chunk++)
			assert_int_equal(schedule_tree(&schedule, chunk),
					 chunk % (uint64_t)schedule.tree_count);
	}
}

static void test_chain(void **state)
{
	(void)state;
	struct schedule middle;
	schedule_make(SCHEDULE_CHAIN, 3, 8, &middle);
	assert_int_equal(middle.trees[0].parent, 2);
	assert_int_equal(middle.trees[0].child_count, 1);
	assert_int_equal(middle.trees[0].children[0], 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_chunks_have_a_tree),
		cmocka_unit_test(test_chain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
