/* binding_test.c - two NUMA nodes of two cores of two threads, numbered as Linux does. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/binding.h"

static const struct binding_pu pus[] = {
	{0, 0, 0}, {4, 0, 0}, {1, 1, 0}, {5, 1, 0}, {2, 2, 1}, {6, 2, 1}, {3, 3, 1}, {7, 3, 1},
};
static const struct binding_node node = {pus, 8, 4, 2};

static uint8_t mask_of(enum binding_policy policy, uint32_t rank, uint32_t ranks)
{
	struct cpu_mask mask;
	size_t len = binding_mask(&node, policy, rank, ranks, &mask);
	assert_true(len <= 1);
	return len == 0 ? 0 : mask.bytes[0];
}

static void test_fits(void **state)
{
	(void)state;
	assert_true(binding_fits(&node, 0));
	assert_true(binding_fits(&node, 4));
	assert_false(binding_fits(&node, 5));
}

static void test_core(void **state)
{
	(void)state;
	static const uint8_t four[] = {0x11, 0x22, 0x44, 0x88};
	for (uint32_t rank = 0; rank < 4; rank++)
		assert_int_equal(mask_of(BINDING_CORE, rank, 4), four[rank]);
	/* Two ranks: one on each NUMA node. */
	assert_int_equal(mask_of(BINDING_CORE, 0, 2), 0x11);
	assert_int_equal(mask_of(BINDING_CORE, 1, 2), 0x44);
	/* Eight share, two on a core. */
	assert_int_equal(mask_of(BINDING_CORE, 0, 8), 0x11);
	assert_int_equal(mask_of(BINDING_CORE, 1, 8), 0x11);
	assert_int_equal(mask_of(BINDING_CORE, 7, 8), 0x88);
}

static void test_no_core_twice_when_they_fit(void **state)
{
	(void)state;
	for (uint32_t ranks = 1; ranks <= 4; ranks++) {
		uint8_t used = 0;
		for (uint32_t rank = 0; rank < ranks; rank++) {
			uint8_t mask = mask_of(BINDING_CORE, rank, ranks);
			assert_int_equal(used & mask, 0);
			used |= mask;
		}
	}
}

static void test_numa_and_none(void **state)
{
	(void)state;
	assert_int_equal(mask_of(BINDING_NUMA, 0, 3), 0x33);
	assert_int_equal(mask_of(BINDING_NUMA, 2, 3), 0xcc);
	assert_int_equal(mask_of(BINDING_NONE, 0, 3), 0);
	assert_int_equal(mask_of(BINDING_CORE, 4, 4), 0);
	struct cpu_mask mask;
	assert_int_equal(binding_mask(&(struct binding_node){0}, BINDING_CORE, 0, 1, &mask), 0);
}

static void test_large_numbers(void **state)
{
	(void)state;
	const struct binding_pu far[] = {{4095, 0, 0}, {4096, 1, 0}};
	const struct binding_node big = {far, 2, 2, 1};
	struct cpu_mask mask;
	assert_int_equal(binding_mask(&big, BINDING_CORE, 0, 2, &mask), 512);
	assert_int_equal(mask.bytes[511], 0x80);
	assert_int_equal(binding_mask(&big, BINDING_CORE, 1, 2, &mask), 0);
}

static void test_words(void **state)
{
	(void)state;
	enum binding_policy policy;
	assert_int_equal(binding_policy_parse("numa", &policy), 0);
	assert_int_equal(policy, BINDING_NUMA);
	assert_int_equal(binding_policy_parse("socket", &policy), -22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fits), cmocka_unit_test(test_core),
		cmocka_unit_test(test_no_core_twice_when_they_fit), cmocka_unit_test(test_numa_and_none),
		cmocka_unit_test(test_large_numbers), cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
