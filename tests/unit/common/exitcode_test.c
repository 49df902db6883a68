/*
 * exitcode_test.c - every status has its words, once.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/exitcode.h"

static const enum exitcode all[] = {
	EXITCODE_OK,      EXITCODE_USAGE,    EXITCODE_IMAGE,  EXITCODE_NODE,      EXITCODE_SETUP,
	EXITCODE_TIMEOUT, EXITCODE_INTERNAL, EXITCODE_NOEXEC, EXITCODE_NOPROGRAM, EXITCODE_SIGNAL,
};

static void each_code_is_explained_in_order(void **state)
{
	size_t count = 0;
	(void)state;
	for (; exitcode_texts[count].text != NULL; count++) {
		assert_true(count < sizeof all / sizeof *all);
		assert_int_equal(exitcode_texts[count].code, all[count]);
		assert_true(strlen(exitcode_texts[count].text) > 10);
	}
	assert_int_equal(count, sizeof all / sizeof *all);
}

/* Scripts depend on these. */
static void numbers_are_those_of_the_shell(void **state)
{
	(void)state;
	assert_int_equal(EXITCODE_USAGE, 120);
	assert_int_equal(EXITCODE_TIMEOUT, 124);
	assert_int_equal(EXITCODE_NOEXEC, 126);
	assert_int_equal(EXITCODE_NOPROGRAM, 127);
	assert_int_equal(EXITCODE_SIGNAL, 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_code_is_explained_in_order),
		cmocka_unit_test(numbers_are_those_of_the_shell),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
