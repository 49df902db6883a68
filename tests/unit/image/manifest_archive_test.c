/* manifest_archive: docker save's manifest.json, Shifter's meta. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest_archive.h"

static const char two[] = "[{\"Config\": \"a.json\", \"RepoTags\": [\"app:1\", \"x.y/app:2\"], \"Layers\": [\"a/layer.tar\", \"b/layer.tar\"]},"
			  "{\"Config\": \"b.json\", \"RepoTags\": null, \"Layers\": []}]";

static int parse(const char *text, const char *wanted, struct manifest_archive *archive)
{
	struct err err = ERR_NONE;
	return manifest_archive_parse(text, strlen(text), wanted, archive, &err);
}

static void names(void **state)
{
	(void)state;
	struct manifest_archive archive;
	static const char *const good[] = {"app:1", "docker.io/library/app:1", "x.y/app:2"};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(parse(two, good[i], &archive), 0);
		assert_string_equal(archive.config, "a.json");
		assert_int_equal(archive.layer_count, 2);
		manifest_archive_free(&archive);
	}
	assert_int_equal(parse(two, "app", &archive), -ENOENT);
	assert_int_equal(parse(two, NULL, &archive), -ENOENT);
	assert_int_equal(parse("[{\"Config\": \"b\", \"Layers\": []}]", NULL, &archive), 0);
	manifest_archive_free(&archive);
	assert_int_equal(parse("[{\"Layers\": []}]", NULL, &archive), -EBADMSG);
	assert_int_equal(parse("[{\"Config\": \"b\", \"Layers\": [7]}]", NULL, &archive), -EBADMSG);
	assert_int_equal(parse("[]", NULL, &archive), -EBADMSG);
	assert_int_equal(parse("{}", NULL, &archive), -EBADMSG);
}

static void shifter(void **state)
{
	(void)state;
	char *config = NULL;
	struct err err = ERR_NONE;
	assert_int_equal(manifest_shifter_config_new("FORMAT: squashfs\nENV: A=b c\nWORKDIR: /w\nENTRY: [\"/e\"]\nCMD: broken\n",
						     &config, &err), 0);
	assert_non_null(strstr(config, "\"A=b c\""));
	assert_non_null(strstr(config, "\"/w\""));
	assert_non_null(strstr(config, "[\"/e\"]"));
	assert_null(strstr(config, "broken"));
	free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(shifter)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
