/* Orders as values: numbers count as numbers, switches before names, the first in front, nobody lost. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "bcast/node_order.h"

static void test_compare(void **state)
{
	static const char *const sorted[] = {"", "a", "a1", "a2", "a10", "a10-x", "a11", "b", "nid000009",
					     "nid000010", "nid100000000000000000000000000000",
					     "nid100000000000000000000000000001", "x1000c0s2b0", "x1000c0s10b0"};
	enum { COUNT = sizeof sorted / sizeof *sorted };
	(void)state;
	for (int i = 0; i < COUNT; i++)
		for (int j = 0; j < COUNT; j++) {
			int difference = node_order_compare(sorted[i], sorted[j]);
			assert_true(i < j ? difference < 0 : i > j ? difference > 0 : difference == 0);
		}
	/* Leading zeros are no difference; bytes above 127 come last. */
	assert_int_equal(node_order_compare("n007", "n7"), 0);
	assert_true(node_order_compare("n\xff", "n~") > 0);
}

static void check(const struct node_site *sites, int count, int first, const int *wanted)
{
	int order[16];
	struct err err = ERR_NONE;
	assert_int_equal(node_order_make(sites, count, first, order, &err), 0);
	for (int i = 0; i < count; i++)
		assert_int_equal(order[i], wanted[i]);
}

static void test_names(void **state)
{
	static const struct node_site sites[] = {{"n10", ""}, {"n2", ""}, {"n1", ""}, {"n9", ""}};
	(void)state;
	check(sites, 4, 2, (const int[]){2, 1, 3, 0});
	check(sites, 4, 3, (const int[]){3, 0, 2, 1});
	check(sites, 1, 0, (const int[]){0});
}

static void test_switches_count_first(void **state)
{
	static const struct node_site sites[] = {
		{"n1", "core.leaf2.n1"}, {"n2", "core.leaf10.n2"}, {"n3", "core.leaf2.n3"}, {"n4", "core.leaf10.n4"}};
	(void)state;
	check(sites, 4, 0, (const int[]){0, 2, 1, 3});
	check(sites, 4, 1, (const int[]){1, 3, 0, 2});
}

/* Several ranks of one node stay together and in order. */
static void test_equals(void **state)
{
	static const struct node_site sites[] = {{"b", ""}, {"a", ""}, {"b", ""}, {"a", ""}};
	(void)state;
	check(sites, 4, 0, (const int[]){0, 2, 1, 3});
	check(sites, 4, 1, (const int[]){1, 3, 0, 2});
}

static void test_many(void **state)
{
	enum { COUNT = 20000 };
	static char names[COUNT][16];
	static struct node_site sites[COUNT];
	static int order[COUNT];
	struct err err = ERR_NONE;
	(void)state;
	for (int i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof names[i], "n%d", (int)((int64_t)i * 7919 % COUNT));
		sites[i] = (struct node_site){names[i], ""};
	}
	assert_int_equal(node_order_make(sites, COUNT, 0, order, &err), 0);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal((int64_t)order[i] * 7919 % COUNT, i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_switches_count_first),
		cmocka_unit_test(test_equals),
		cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
