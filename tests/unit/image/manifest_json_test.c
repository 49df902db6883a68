/* manifest_json: what is an image, and what is none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest_json.h"

#define D(c) "sha256:" c c c c c c c c c c c c c c c c
#define BLOB(c, n) "{\"digest\": \"" D(c) "\", \"size\": " n "}"

static int parse(const char *text, struct manifest *manifest, struct err *err)
{
	return manifest_parse(text, strlen(text), manifest, err);
}

static void image(void **state)
{
	(void)state;
	struct manifest manifest;
	struct err err = ERR_NONE;
	assert_int_equal(parse("{\"config\": " BLOB("0123", "7") ", \"layers\": [" BLOB("4567", "8") "," BLOB("89ab", "9") "]}",
			       &manifest, &err), 0);
	assert_false(manifest.is_index);
	assert_int_equal(manifest.layer_count, 2);
	assert_int_equal(manifest.layers[1].size, 9);
	assert_string_equal(manifest.layers[0].digest, D("4567"));
	assert_string_equal(manifest.config.digest, D("0123"));
	manifest_json_free(&manifest);
}

static void an_index(void **state)
{
	(void)state;
	struct manifest manifest;
	struct err err = ERR_NONE;
	assert_int_equal(parse("{\"manifests\": ["
		"{\"digest\": \"" D("0123") "\", \"size\": 5, \"platform\": {\"os\": \"linux\", \"architecture\": \"arm\", \"variant\": \"v7\"}},"
		"{\"digest\": \"" D("4567") "\", \"size\": 5, \"platform\": {\"os\": \"unknown\", \"architecture\": \"unknown\"}},"
		"{\"digest\": \"" D("89ab") "\", \"size\": 5, \"mediaType\": \"application/vnd.oci.image.index.v1+json\"},"
		"{\"digest\": \"" D("cdef") "\", \"size\": 5, \"annotations\": {\"org.opencontainers.image.ref.name\": \"one\"}}]}",
		&manifest, &err), 0);
	assert_true(manifest.is_index);
	assert_int_equal(manifest.entry_count, 4);
	assert_string_equal(manifest.entries[0].platform.variant, "v7");
	assert_true(manifest.entries[1].is_skipped);
	assert_true(manifest.entries[2].is_index);
	assert_string_equal(manifest.entries[3].name, "one");
	manifest_json_free(&manifest);
}

static void refused(void **state)
{
	(void)state;
	static const struct { const char *text; int rc; } cases[] = {
		{"", -EBADMSG}, {"[]", -EBADMSG}, {"{}", -EBADMSG}, {"{\"layers\": []}", -EBADMSG},
		{"{\"schemaVersion\": 1, \"fsLayers\": []}", -ENOTSUP},
		{"{\"config\": " BLOB("0123", "1") "}", -EBADMSG},
		{"{\"config\": " BLOB("0123", "-1") ", \"layers\": []}", -EBADMSG},
		{"{\"config\": " BLOB("0123", "1.5") ", \"layers\": []}", -EBADMSG},
		{"{\"config\": " BLOB("0123", "99999999") ", \"layers\": []}", -EBADMSG},
		{"{\"config\": " BLOB("0123", "1") ", \"layers\": [" BLOB("4567", "1125899906842624") "]}", -EBADMSG},
		{"{\"config\": {\"digest\": \"sha256:../../x\", \"size\": 1}, \"layers\": []}", -EBADMSG},
		{"{\"config\": " BLOB("0123", "1") ", \"layers\": [], \"layers\": []}", -EBADMSG},
		{"{\"config\": {\"digest\": \"" D("0123") "\", \"size\": 1, \"mediaType\": \"application/x.helm\"}, \"layers\": []}", -ENOTSUP},
		{"{\"config\": " BLOB("0123", "1") ", \"layers\": [{\"digest\": \"" D("4567") "\", \"size\": 1, "
		 "\"mediaType\": \"application/vnd.oci.image.layer.v1.tar+gzip+encrypted\"}]}", -ENOTSUP},
		{"{\"config\": " BLOB("0123", "1") ", \"layers\": [{\"digest\": \"" D("4567") "\", \"size\": 1, \"mediaType\": \"text/plain\"}]}", -ENOTSUP},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct manifest manifest;
		struct err err = ERR_NONE;
		int rc = parse(cases[i].text, &manifest, &err);
		if (rc != cases[i].rc)
			fail_msg("%s: %d", cases[i].text, rc);
		assert_true(err.text[0] != '\0');
	}
}

static void config(void **state)
{
	(void)state;
	static const char good[] = "{\"os\": \"linux\", \"architecture\": \"amd64\", \"rootfs\": {\"diff_ids\": [\"" D("0123") "\"]}}";
	static const char bad[] = "{\"rootfs\": {\"diff_ids\": [\"sha256:12\"]}}";
	struct manifest_config parsed;
	struct err err = ERR_NONE;
	assert_int_equal(manifest_config_parse(good, strlen(good), &parsed, &err), 0);
	assert_int_equal(parsed.diff_id_count, 1);
	assert_string_equal(parsed.platform.architecture, "amd64");
	manifest_config_free(&parsed);
	assert_int_equal(manifest_config_parse(bad, strlen(bad), &parsed, &err), -EBADMSG);
}

static void tags(void **state)
{
	(void)state;
	char **list = NULL;
	size_t count = 0;
	struct err err = ERR_NONE;
	static const char two[] = "{\"tags\": [\"a\", 1, \"b\"]}", none[] = "{\"tags\": null}";
	assert_int_equal(manifest_tags_parse(two, strlen(two), &list, &count, &err), 0);
	assert_int_equal(manifest_tags_parse(none, strlen(none), &list, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(list[1], "b");
	assert_null(list[2]);
	free(list[0]);
	free(list[1]);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(image), cmocka_unit_test(an_index), cmocka_unit_test(refused),
					   cmocka_unit_test(config), cmocka_unit_test(tags)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
