/* rank_table_test.c - add and remove in many orders. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/rank_table.h"

static void test_all_orders(void **state)
{
	(void)state;
	enum { COUNT = 499 };
	for (int step = 1; step < COUNT; step += 97) {
		struct rank_table table = {0};
		uint32_t rank;
		for (uint32_t i = 0; i < COUNT; i++) {
			assert_true(rank_table_reserve(&table));
			rank_table_add(&table, (pid_t)(1000 + i), i);
		}
		assert_false(rank_table_remove(&table, 999, &rank));
		/* A prime number: every step meets every index once. */
		for (int i = 0, at = 0; i < COUNT; i++, at = (at + step) % COUNT) {
			assert_true(rank_table_remove(&table, 1000 + at, &rank));
			assert_int_equal(rank, at);
			assert_false(rank_table_remove(&table, 1000 + at, &rank));
		}
		assert_int_equal(table.count, 0);
		rank_table_free(&table);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_orders)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
