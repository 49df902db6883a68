/* challenge: what WWW-Authenticate may look like. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/challenge.h"

static struct challenge read_all(const char *first, const char *second)
{
	struct challenge challenge = {0};
	challenge_add(&challenge, first);
	if (second != NULL)
		challenge_add(&challenge, second);
	return challenge;
}

static void bearer(void **state)
{
	(void)state;
	struct challenge c = read_all("Bearer realm=\"https://auth.x/token\",service=\"registry.x\","
				      "scope=\"repository:a/b:pull,push\",error=\"invalid_token\"", NULL);
	assert_int_equal(c.scheme, CHALLENGE_BEARER);
	assert_string_equal(c.realm, "https://auth.x/token");
	assert_string_equal(c.service, "registry.x");
	assert_string_equal(c.scope, "repository:a/b:pull,push");
	assert_string_equal(c.error, "invalid_token");
}

static void many(void **state)
{
	(void)state;
	assert_int_equal(read_all("Basic realm=x", NULL).scheme, CHALLENGE_BASIC);
	assert_int_equal(read_all("basic", NULL).scheme, CHALLENGE_BASIC);
	struct challenge c = read_all("Negotiate, Basic realm=\"a, b=c\", BEARER Realm = https://t/ , service=s", NULL);
	assert_int_equal(c.scheme, CHALLENGE_BEARER);
	assert_string_equal(c.realm, "https://t/");
	assert_string_equal(c.service, "s");
	assert_string_equal(c.others, "Negotiate");
	c = read_all("Bearer realm=\"https://t/\"", "Basic realm=\"later\"");
	assert_int_equal(c.scheme, CHALLENGE_BEARER);
	c = read_all("Basic realm=\"first\"", "Bearer realm=\"https://t/\"");
	assert_int_equal(c.scheme, CHALLENGE_BEARER);
}

static void odd(void **state)
{
	(void)state;
	/* Without a realm there is nobody to ask. */
	assert_int_equal(read_all("Bearer service=x", NULL).scheme, CHALLENGE_NONE);
	assert_int_equal(read_all("", NULL).scheme, CHALLENGE_NONE);
	assert_int_equal(read_all(",,, ===, \"", NULL).scheme, CHALLENGE_NONE);
	assert_int_equal(read_all("Negotiate YII=, Basic realm=\"\\\"quoted\\\"\"", NULL).scheme, CHALLENGE_BASIC);
	assert_string_equal(read_all("Basic realm=\"open", NULL).realm, "open");
	/* A value that does not fit is no half of a URL. */
	char text[2 * CHALLENGE_VALUE_MAX];
	snprintf(text, sizeof text, "Bearer realm=\"%03000d\"", 7);
	assert_int_equal(read_all(text, NULL).scheme, CHALLENGE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(bearer), cmocka_unit_test(many), cmocka_unit_test(odd)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
