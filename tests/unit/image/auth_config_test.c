/* auth_config: credentials files, helpers' answers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/auth_config.h"

static int find(const char *text, const char *registry, const char *repository, struct auth_credentials *found)
{
	struct err err = ERR_NONE;
	return auth_config_find(text, strlen(text), registry, repository, found, &err);
}

/* base64 of user:secret and of a:b */
#define AUTH "{\"auth\": \"dXNlcjpzZWNyZXQ=\"}"
#define OTHER "{\"auth\": \"YTpi\"}"

static void keys(void **state)
{
	(void)state;
	struct auth_credentials found;
	static const char *const spellings[] = {"r.x", "https://r.x", "http://r.x/v1/", "r.x/", "https://r.x/v2/"};
	for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
		char text[200];
		snprintf(text, sizeof text, "{\"auths\": {\"%s\": " AUTH "}}", spellings[i]);
		assert_int_equal(find(text, "r.x", "a/b", &found), 1);
		assert_string_equal(found.user, "user");
		assert_string_equal(found.password, "secret");
		auth_credentials_free(&found);
		assert_int_equal(find(text, "r.xy", "a/b", &found), 0);
	}
	assert_int_equal(find("{\"auths\": {\"https://index.docker.io/v1/\": " AUTH "}}", "docker.io", "library/x", &found), 1);
	auth_credentials_free(&found);
}

static void the_longest_wins(void **state)
{
	(void)state;
	struct auth_credentials found;
	static const char text[] = "{\"auths\": {\"r.x/org\": " AUTH ", \"r.x\": " OTHER ", \"r.x/organic\": " OTHER "}}";
	assert_int_equal(find(text, "r.x", "org/app", &found), 1);
	assert_string_equal(found.user, "user");
	auth_credentials_free(&found);
	assert_int_equal(find(text, "r.x", "else", &found), 1);
	assert_string_equal(found.user, "a");
	auth_credentials_free(&found);
}

static void tokens_and_helpers(void **state)
{
	(void)state;
	struct auth_credentials found;
	struct err err = ERR_NONE;
	assert_int_equal(find("{\"auths\": {\"r\": {\"identitytoken\": \"t\"}}}", "r", "x", &found), 1);
	assert_string_equal(found.identity_token, "t");
	auth_credentials_free(&found);
	assert_int_equal(find("{\"credHelpers\": {\"r\": \"gcloud\"}, \"auths\": {\"r\": " AUTH "}}", "r", "x", &found), 1);
	assert_string_equal(found.helper, "gcloud");
	auth_credentials_free(&found);
	assert_int_equal(find("{\"credsStore\": \"store\", \"auths\": {\"r\": {}}}", "r", "x", &found), 1);
	assert_string_equal(found.helper, "store");
	auth_credentials_free(&found);
	assert_int_equal(find("{\"credsStore\": \"../x\"}", "r", "x", &found), -EBADMSG);
	static const char answer[] = "{\"ServerURL\": \"r\", \"Username\": \"<token>\", \"Secret\": \"s\"}";
	assert_int_equal(auth_helper_parse(answer, strlen(answer), &found, &err), 0);
	assert_string_equal(found.identity_token, "s");
	assert_null(found.user);
	auth_credentials_free(&found);
	assert_int_equal(auth_helper_parse("{\"Username\": \"u\"}", 17, &found, &err), -EBADMSG);
}

static void broken(void **state)
{
	(void)state;
	struct auth_credentials found;
	assert_int_equal(find("", "r", "x", &found), -EBADMSG);
	assert_int_equal(find("[]", "r", "x", &found), -EBADMSG);
	assert_int_equal(find("{\"auths\": {\"r\": {\"auth\": \"%%%%\"}}}", "r", "x", &found), -EBADMSG);
	assert_int_equal(find("{\"auths\": {\"r\": {\"auth\": \"bm9jb2xvbg==\"}}}", "r", "x", &found), -EBADMSG);
	assert_int_equal(find("{\"auths\": 7}", "r", "x", &found), 0);
}

static void editing(void **state)
{
	(void)state;
	struct auth_credentials found;
	struct err err = ERR_NONE;
	char *text = NULL, *next = NULL;
	bool changed;
	static const char before[] = "{\"psFormat\": \"kept\", \"auths\": {\"https://r.x/v1/\": " OTHER "}}";
	assert_int_equal(auth_config_edit(before, strlen(before), "r.x", "user", "pass:word", &text, &changed, &err), 0);
	assert_true(changed);
	assert_non_null(strstr(text, "kept"));
	assert_int_equal(find(text, "r.x", "a", &found), 1);
	assert_string_equal(found.password, "pass:word");
	auth_credentials_free(&found);
	assert_int_equal(auth_config_edit(text, strlen(text), "r.x", NULL, NULL, &next, &changed, &err), 0);
	assert_true(changed);
	assert_int_equal(find(next, "r.x", "a", &found), 0);
	free(text);
	assert_int_equal(auth_config_edit(next, strlen(next), "r.x", NULL, NULL, &text, &changed, &err), 0);
	assert_false(changed);
	free(text);
	free(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(keys), cmocka_unit_test(the_longest_wins),
					   cmocka_unit_test(tokens_and_helpers), cmocka_unit_test(broken),
					   cmocka_unit_test(editing)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
