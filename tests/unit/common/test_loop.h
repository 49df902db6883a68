/*
 * test_loop.h - runs a loop, but not for ever.
 */
#ifndef TESTS_UNIT_COMMON_TEST_LOOP_H
#define TESTS_UNIT_COMMON_TEST_LOOP_H

#include "common/clock.h"
#include "common/loop.h"

static inline void test_loop_limit(void *context)
{
	loop_stop(context, -ETIME);
}

/* What loop_stop() was given, or -ETIME. */
static inline int test_loop_run(struct loop *loop, unsigned limit_ms)
{
	uint32_t timer = 0;
	int rc = loop_add_timer(loop, limit_ms * NS_PER_MS, test_loop_limit, loop, &timer, NULL);
	if (rc == 0)
		rc = loop_run(loop, NULL);
	loop_remove_timer(loop, &timer);
	return rc;
}

#endif
