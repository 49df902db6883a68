/* manifest_archive: docker save's manifest.json and repositories, Shifter's meta. */
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

#define ID_A "00000000000000000000000000000000000000000000000000000000000000aa"
#define ID_B "00000000000000000000000000000000000000000000000000000000000000bb"

static void old_names(void **state)
{
	(void)state;
	static const char one[] = "{\"app\": {\"1\": \"" ID_A "\"}}",
			  three[] = "{\"app\": {\"1\": \"" ID_A "\", \"2\": \"" ID_B "\"}, \"x.y/app\": {\"1\": \"" ID_B "\"}}";
	static const struct { const char *json, *wanted; int number; const char *id; } cases[] = {
		{one, NULL, 0, ID_A},
		{one, "app:1", 0, ID_A},
		{one, "docker.io/library/app:1", 0, ID_A},
		{one, "app", -ENOENT, "there is: app:1"},
		{three, "app:2", 0, ID_B},
		{three, "x.y/app:1", 0, ID_B},
		{three, NULL, -ENOENT, "app:1, app:2, x.y/app:1"},
		{"{}", NULL, -ENOENT, "has a name"},
		{"[]", NULL, -EBADMSG, "no object"},
		{"{\"app\": 7}", NULL, -ENOENT, "has a name"},
		{"{\"app\": {\"1\": 7}}", NULL, -EBADMSG, "ID"},
		{"{\"app\": {\"1\": \"../../../../../../../../../../../../../../../../../etc/passwd.......\"}}", NULL,
		 -EBADMSG, "ID"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = ERR_NONE;
		char id[MANIFEST_LAYER_ID_SIZE] = "";
		int rc = manifest_repositories_parse(cases[i].json, strlen(cases[i].json), cases[i].wanted, id, &err);
		if (rc != cases[i].number || !strstr(rc ? err.text : id, cases[i].id))
			fail_msg("%s: %d %s", cases[i].json, rc, err.text);
	}
}

static void old_parents(void **state)
{
	(void)state;
	static const struct { const char *json; int number; const char *parent; } cases[] = {
		{"{\"id\": \"x\"}", 0, ""},
		{"{\"parent\": \"\"}", 0, ""},
		{"{\"parent\": null}", 0, ""},
		{"{\"parent\": \"" ID_A "\"}", 0, ID_A},
		{"{\"parent\": \"" ID_A "0\"}", -EBADMSG, ""},
		{"{\"parent\": \"00000000000000000000000000000000000000000000000000000000000000AA\"}", -EBADMSG, ""},
		{"{\"parent\": 7}", -EBADMSG, ""},
		{"7", -EBADMSG, ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = ERR_NONE;
		char parent[MANIFEST_LAYER_ID_SIZE];
		assert_int_equal(manifest_layer_parent(cases[i].json, strlen(cases[i].json), parent, &err),
				 cases[i].number);
		assert_string_equal(parent, cases[i].parent);
	}
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
	const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(old_names),
					   cmocka_unit_test(old_parents), cmocka_unit_test(shifter)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
