/*
 * How long an idle rank pauses: yields, then naps; long sleeps where pauses last longer than asked, and not for one
 * late wake-up.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bcast/idle.h"

#define US 1000ull
#define MS 1000000ull

/* One pause that ends so much later than asked; its length. */
static uint64_t pause_late(struct idle *idle, uint64_t *now, uint64_t late)
{
	uint64_t asked = idle_pause(idle, *now);
	*now += asked + late;
	idle_woke(idle, *now);
	return asked;
}

static void test_yields_then_naps(void **state)
{
	(void)state;
	struct idle idle = {0};
	uint64_t now = 1000 * MS, began = now;
	while (now - began < 490 * US)
		assert_int_equal(pause_late(&idle, &now, 10 * US), 0);
	pause_late(&idle, &now, 10 * US);
	assert_int_equal(pause_late(&idle, &now, 60 * US), 50 * US);
	idle_end(&idle);
	assert_int_equal(pause_late(&idle, &now, 0), 0);
}

/* A machine's usual hiccups. */
static void test_seldom_late(void **state)
{
	(void)state;
	struct idle idle = {0};
	uint64_t now = 1000 * MS;
	for (int i = 0; i < 100; i++) {
		for (int j = 0; j < 400; j++)
			assert_true(pause_late(&idle, &now, 60 * US) <= 50 * US);
		pause_late(&idle, &now, 1500 * US);
	}
}

static void test_crowded(void **state)
{
	(void)state;
	struct idle idle = {0};
	uint64_t now = 1000 * MS, sleep_ns;
	int pauses = 0;
	pause_late(&idle, &now, 10 * MS);
	sleep_ns = pause_late(&idle, &now, 0);
	assert_true(sleep_ns >= MS);
	/* What just happened does not make the cores less crowded. */
	idle_end(&idle);
	assert_int_equal(pause_late(&idle, &now, 0), sleep_ns);
	uint64_t began = now;
	while (pause_late(&idle, &now, 50 * US) > 50 * US)
		assert_true(++pauses < 1000);
	assert_true(now - began > 50 * MS && now - began < 1000 * MS);
}

/* However late, it is over in a second. */
static void test_stopped_for_long(void **state)
{
	(void)state;
	struct idle idle = {0};
	uint64_t now = 1000 * MS;
	pause_late(&idle, &now, 3600 * 1000 * MS);
	uint64_t began = now;
	while (pause_late(&idle, &now, 50 * US) > 50 * US)
		assert_true(now - began < 1000 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_yields_then_naps),
		cmocka_unit_test(test_seldom_late),
		cmocka_unit_test(test_crowded),
		cmocka_unit_test(test_stopped_for_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
