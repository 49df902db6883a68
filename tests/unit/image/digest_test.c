/* digest: only the exact form is one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/digest.h"

#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void forms(void **state)
{
	(void)state;
	char copy[DIGEST_TEXT_SIZE], upper[] = EMPTY, longer[sizeof EMPTY + 1];
	struct err err = ERR_NONE;
	assert_true(digest_is_valid(EMPTY));
	upper[8] = 'A';
	snprintf(longer, sizeof longer, "%s0", EMPTY);
	const char *const bad[] = {"", "sha256:", "sha256", upper, longer, &EMPTY[1], "sha512:00", "md5:d41d8cd98f00b204e9800998ecf8427e",
				   "sha256:../../../../../../../../../../../../../../../../../../../../../etc"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(digest_is_valid(bad[i]));
		assert_int_equal(digest_copy(copy, bad[i], &err), -EINVAL);
	}
}

static void hashes(void **state)
{
	(void)state;
	char text[DIGEST_TEXT_SIZE];
	struct err err = ERR_NONE;
	assert_int_equal(digest_of("", 0, NULL, text, &err), 0);
	assert_string_equal(text, EMPTY);
	assert_int_equal(digest_of("abc", 3, "sha512:", text, &err), 0);
	assert_true(digest_is_valid(text));
	assert_true(strncmp(digest_hex(text), "ddaf35a193617aba", 16) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(hashes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
