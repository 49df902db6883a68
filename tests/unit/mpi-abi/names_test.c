/* names: a set that grows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "mpi-abi/names.h"

static void many(void **state)
{
	(void)state;
	AUTO_NAMES struct names names = {0};
	char text[32];
	assert_null(names_find(&names, "a"));
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(text, sizeof text, "name%u", i);
		assert_non_null(names_add(&names, text, i));
	}
	assert_int_equal(names_add(&names, "name7", 99)->value, 7);
	assert_int_equal(names.count, 5000);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(text, sizeof text, "name%u", i);
		assert_int_equal(names_find(&names, text)->value, i);
	}
	assert_null(names_find(&names, "name5000"));
}

static void inclusion(void **state)
{
	(void)state;
	AUTO_NAMES struct names large = {0}, small = {0}, none = {0};
	const char *missing = NULL;
	names_add(&large, "a", 0);
	names_add(&large, "b", 0);
	names_add(&small, "b", 0);
	assert_true(names_include(&large, &small, NULL));
	assert_true(names_include(&large, &none, NULL));
	assert_true(names_include(&none, &none, NULL));
	assert_false(names_include(&small, &large, &missing));
	assert_string_equal(missing, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(many), cmocka_unit_test(inclusion)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
