/* environment_test.c - the later one of a name wins, and stands once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "runtime/environment.h"

static void test_merge(void **state)
{
	(void)state;
	char a[] = "A=1", ab[] = "AB=2", a2[] = "A=3", bare[] = "BARE";
	char *base[] = {a, ab, a2, bare}, *out[8];
	const char *const extra[] = {"AB=4", "C=", "C=5"};
	assert_int_equal(environment_merge(base, 4, extra, 3, out), 4);
	assert_string_equal(out[0], "A=3");
	assert_string_equal(out[1], "AB=4");
	assert_string_equal(out[2], "BARE");
	assert_string_equal(out[3], "C=5");
	assert_null(out[4]);
}

static void test_nothing(void **state)
{
	(void)state;
	char *out[1];
	assert_int_equal(environment_merge(NULL, 0, NULL, 0, out), 0);
	assert_null(out[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_merge), cmocka_unit_test(test_nothing)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
