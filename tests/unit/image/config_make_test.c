/* config_make: what of an OCI config travels with the image. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "image/config_make.h"
#include "image/config_tail.h"

static int make(const char *config, const char *reference, const char *digest, struct buf *json, struct err *err)
{
	json->len = 0;
	int rc = image_config_make(config, config ? strlen(config) : 0, reference, digest, json, err);
	buf_add_u8(json, 0);
	return rc;
}

static void kept(void **state)
{
	(void)state;
	struct buf json = {0};
	struct err err = ERR_NONE;
	assert_int_equal(make("{\"os\": \"linux\", \"architecture\": \"amd64\", \"history\": [{}], \"rootfs\": {\"diff_ids\": []},"
			      "\"config\": {\"Env\": [\"A=1\"], \"Cmd\": null, \"User\": \"1:2\", \"Healthcheck\": {}}}",
			      "docker://x", "sha256:0", &json, &err), 0);
	/* Sorted keys: the same in, the same out.  The digest is of the config as it came. */
	assert_non_null(strstr(json.data, "\"architecture\":\"amd64\",\"config\":{\"Env\":[\"A=1\"],\"User\":\"1:2\"},"
					  "\"config_digest\":\"sha256:"));
	assert_non_null(strstr(json.data, "\"manifest_digest\":\"sha256:0\",\"os\":\"linux\",\"reference\":\"docker://x\"}"));
	assert_int_equal(make(NULL, NULL, NULL, &json, &err), 0);
	assert_string_equal(json.data, "{}");
	assert_int_equal(make("{}", NULL, NULL, &json, &err), 0);
	assert_non_null(strstr(json.data, "{\"config\":{},\"config_digest\":\"sha256:44136fa355b3678a"));
	buf_free(&json);
}

static void refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "[]", "7", "{", "{\"config\": {\"Env\": 7}}", "{\"config\": {\"Env\": [7]}}",
					  "{\"config\": {\"WorkingDir\": 7}}"};
	struct buf json = {0};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err = ERR_NONE;
		if (make(bad[i], NULL, NULL, &json, &err) != -EBADMSG)
			fail_msg("%s: %s", bad[i], err.text);
	}
	struct err err = ERR_NONE;
	size_t len = TAIL_JSON_MAX + 100;
	char *text = malloc(len + 1);
	memset(text, 'x', len);
	text[len] = '\0';
	memcpy(text, "{\"author\": \"", 12);
	memcpy(text + len - 2, "\"}", 2);
	assert_int_equal(make(text, NULL, NULL, &json, &err), -EFBIG);
	free(text);
	buf_free(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(kept), cmocka_unit_test(refused)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
