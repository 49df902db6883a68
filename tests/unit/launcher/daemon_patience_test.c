/*
 * Whose image is waited for.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "launcher/daemon_patience.h"

static void test_rates(void **state)
{
	(void)state;
	const uint64_t look = 100 * NS_PER_MS;
	/* 60 Mbit/s, 30 MB; 1 Gbit/s, 30 MB; 1 Gbit/s, 100 MB; 25 GB/s, 10 GB; 25 GB/s, 20 GB */
	assert_true(patience_is_lost(750000, look, 30000000));
	assert_false(patience_is_lost(12500000, look, 17500000));
	assert_true(patience_is_lost(12500000, look, 87500000));
	assert_false(patience_is_lost(2500000000, look, 7500000000));
	assert_true(patience_is_lost(2500000000, look, 17500000000));
}

static void test_bounds(void **state)
{
	(void)state;
	assert_true(patience_is_lost(0, 100 * NS_PER_MS, 1));
	assert_false(patience_is_lost(0, 100 * NS_PER_MS, 0));
	assert_false(patience_is_lost(0, NS_PER_MS, 1000));
	assert_true(patience_is_lost(1, UINT64_MAX, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
