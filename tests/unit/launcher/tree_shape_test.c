/*
 * tree_shape_test.c - the tree's arithmetic agrees with itself, for all pairs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "launcher/tree_shape.h"

static const uint32_t counts[] = {1, 2, 16, 17, 18, 40, 273, 274, 600};
enum { COUNTS = sizeof counts / sizeof *counts };

static void every_child_has_its_parent(void **state)
{
	(void)state;
	for (size_t c = 0; c < COUNTS; c++) {
		uint32_t seen = 1;  /* the root is nobody's child */
		for (uint32_t node = 0; node < counts[c]; node++) {
			for (uint32_t i = 0; i < tree_child_count(node, counts[c]); i++, seen++) {
				assert_int_equal(tree_child(node, i), seen);
				assert_int_equal(tree_parent(seen), node);
			}
		}
		assert_int_equal(seen, counts[c]);
	}
}

static uint32_t depth_of(uint32_t node)
{
	uint32_t depth = 0;
	for (; node != 0; node = tree_parent(node))
		depth++;
	return depth;
}

static void depth_is_that_of_the_header(void **state)
{
	(void)state;
	assert_int_equal(tree_parent(0), TREE_NONE);
	assert_int_equal(depth_of(16), 1);
	assert_int_equal(depth_of(17), 2);
	assert_int_equal(depth_of(272), 2);
	assert_int_equal(depth_of(273), 3);
	assert_int_equal(depth_of(9999), 4);
}

/* A frame that follows tree_next_hop arrives, in as many steps as up and down take. */
static void every_route_arrives(void **state)
{
	(void)state;
	for (size_t c = 0; c < COUNTS; c++) {
		uint32_t count = counts[c];
		for (uint32_t from = 0; from < count; from++) {
			for (uint32_t to = 0; to < count; to++) {
				uint32_t at = from, steps = 0;
				for (; at != to && steps <= 8; steps++) {
					uint32_t next = tree_next_hop(at, to);
					assert_true(tree_parent(next) == at || tree_parent(at) == next);
					at = next;
				}
				assert_int_equal(at, to);
				assert_true(steps <= depth_of(from) + depth_of(to));
			}
		}
	}
}

static void routes_are_the_shortest(void **state)
{
	(void)state;
	assert_int_equal(tree_next_hop(5, 5), 5);
	assert_int_equal(tree_next_hop(0, 300), 1);
	assert_int_equal(tree_next_hop(1, 300), 18);
	assert_int_equal(tree_next_hop(18, 300), 300);
	assert_int_equal(tree_next_hop(18, 17), 1);
	assert_int_equal(tree_next_hop(300, 0), 18);
	assert_int_equal(tree_next_hop(2, 17), 0);
}

static void child_count_does_not_overflow(void **state)
{
	(void)state;
	assert_int_equal(tree_child_count(UINT32_MAX - 1, UINT32_MAX), 0);
	assert_int_equal(tree_child_count(0x10000000, UINT32_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_child_has_its_parent),
		cmocka_unit_test(depth_is_that_of_the_header),
		cmocka_unit_test(every_route_arrives),
		cmocka_unit_test(routes_are_the_shortest),
		cmocka_unit_test(child_count_does_not_overflow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
