/*
 * pmix_api_test.c - libpmix is found, or its absence is said.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#ifndef CMPIRUN_HAVE_PMIX
int main(void)
{
	return 0;
}
#else
#include <string.h>

#include "pmix/pmix_api.h"

static void all_functions_are_found(void **state)
{
	struct pmix_api api = {0};
	struct err err;
	(void)state;
	if (pmix_api_load(&api, &err) < 0) {
		assert_int_equal(err.number, ENOSYS);
		skip();
	}
	assert_non_null(api.server_init);
	assert_non_null(api.error_string);
	assert_int_equal(pmix_api_err(&api, &err, "call", PMIX_ERR_NOT_FOUND), -EIO);
	assert_non_null(strstr(err.text, "call: "));
	assert_non_null(strstr(err.text, "NOT"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_functions_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
