/* manifest_choose: platforms, variants, near tags. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest_choose.h"

static struct manifest_platform platform_of(const char *text)
{
	struct manifest_platform platform;
	struct err err;
	assert_int_equal(manifest_platform_parse(text, &platform, &err), 0);
	return platform;
}

/* The index that is chosen among platforms; -1: none. */
static int choose(const char *wanted, const char *const *offered)
{
	struct manifest_entry entries[8] = {0};
	struct manifest index = {.is_index = true, .entries = entries};
	struct manifest_platform platform = platform_of(wanted);
	size_t chosen = 0;
	struct err err = ERR_NONE;
	for (; offered[index.entry_count] != NULL; index.entry_count++)
		entries[index.entry_count].platform = platform_of(offered[index.entry_count]);
	int rc = manifest_choose(&index, &platform, &chosen, &err);
	if (rc < 0)
		assert_non_null(strstr(err.text, offered[0]));
	return rc < 0 ? -1 : (int)chosen;
}

static void variants(void **state)
{
	(void)state;
	const char *const amd[] = {"linux/arm64", "linux/amd64/v3", "linux/amd64", "linux/amd64/v2", NULL};
	assert_int_equal(choose("linux/amd64", amd), 2);
	assert_int_equal(choose("linux/amd64/v3", amd), 1);
	assert_int_equal(choose("linux/amd64/v4", amd), 2);
	assert_int_equal(choose("linux/s390x", amd), -1);
	assert_int_equal(choose("windows/amd64", amd), -1);
	const char *const high[] = {"linux/amd64/v3", "linux/amd64/v2", NULL};
	assert_int_equal(choose("linux/amd64", high), 1);
	assert_int_equal(choose("linux/amd64/v3", high), 0);
	const char *const arm[] = {"linux/arm/v5", "linux/arm/v7", "linux/arm/v6", "linux/arm64/v8", NULL};
	assert_int_equal(choose("linux/arm/v7", arm), 1);
	assert_int_equal(choose("linux/arm/v6", arm), 2);
	assert_int_equal(choose("linux/arm64", arm), 3);
}

static void platforms(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "linux", "linux/", "/amd64", "linux/amd64/v3/x", "LINUX/amd64", "linux/amd64 "};
	struct manifest_platform platform;
	struct err err;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(manifest_platform_parse(bad[i], &platform, &err), -EINVAL);
	manifest_platform_of_machine("x86_64", &platform);
	assert_string_equal(platform.architecture, "amd64");
	manifest_platform_of_machine("mips64", &platform);
	assert_string_equal(platform.architecture, "mips64");
}

static void near(void **state)
{
	(void)state;
	char *tags[] = {"latest", "1.2.0", "1.2.1", "2.0", "1.3", "alpine"};
	struct buf out = {0};
	manifest_near_tags(tags, 6, "1.2", &out);
	buf_add_u8(&out, 0);
	assert_true(strncmp(out.data, "1.2.0, 1.2.1", 12) == 0 || strncmp(out.data, "1.3, 1.2.0", 10) == 0);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(variants), cmocka_unit_test(platforms), cmocka_unit_test(near)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
