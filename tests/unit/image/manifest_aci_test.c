/* manifest_aci: rkt's manifest as an OCI config, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest_aci.h"

static void expect(const char *json, const char *wanted)
{
	struct err err = ERR_NONE;
	char *config = NULL;
	if (manifest_aci_config_new(json, strlen(json), &config, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	assert_string_equal(config, wanted);
	free(config);
}

static void taken(void **state)
{
	(void)state;
	expect("{\"acKind\": \"ImageManifest\", \"acVersion\": \"0.8.11\", \"name\": \"example.com/app\"}",
	       "{\"config\":{\"Env\":[],\"Labels\":{}}}");
	expect("{\"acKind\": \"ImageManifest\", \"labels\": [{\"name\": \"arch\", \"value\": \"amd64\"},"
	       "{\"name\": \"os\", \"value\": \"linux\"}, {\"name\": \"version\", \"value\": \"1\"}],"
	       "\"app\": {\"exec\": [\"/bin/a\", \"-x\"], \"user\": \"1\", \"group\": \"2\", \"workingDirectory\": \"/w\","
	       "\"environment\": [{\"name\": \"A\", \"value\": \"b c\"}, {\"name\": \"E\", \"value\": \"\"}]},"
	       "\"dependencies\": [], \"annotations\": [{\"name\": \"authors\", \"value\": \"us\"}]}",
	       "{\"config\":{\"WorkingDir\":\"/w\",\"User\":\"1:2\",\"Entrypoint\":[\"/bin/a\",\"-x\"],"
	       "\"Env\":[\"A=b c\",\"E=\"],\"Labels\":{\"authors\":\"us\"}},\"architecture\":\"amd64\",\"os\":\"linux\"}");
	/* A user by a file's owner; machines of other names. */
	expect("{\"acKind\": \"ImageManifest\", \"app\": {\"user\": \"/etc/passwd\", \"group\": \"0\"},"
	       "\"labels\": [{\"name\": \"arch\", \"value\": \"armv7l\"}]}",
	       "{\"config\":{\"Env\":[],\"Labels\":{}},\"architecture\":\"arm\",\"variant\":\"v7\"}");
}

static void refused(void **state)
{
	(void)state;
	static const struct { const char *json; int number; const char *text; } cases[] = {
		{"", -EBADMSG, "manifest"},
		{"[]", -EBADMSG, "not an object"},
		{"{\"acKind\": \"PodManifest\"}", -EBADMSG, "no ImageManifest"},
		{"{\"acKind\": 7}", -EBADMSG, "no ImageManifest"},
		{"{\"acKind\": \"ImageManifest\", \"dependencies\": [{\"imageName\": \"quay.io/base\"}]}", -ENOTSUP,
		 "quay.io/base"},
		{"{\"acKind\": \"ImageManifest\", \"dependencies\": [7]}", -ENOTSUP, "without a name"},
		{"{\"acKind\": \"ImageManifest\", \"pathWhitelist\": [\"/a\"]}", -ENOTSUP, "pathWhitelist"},
		{"{\"acKind\": \"ImageManifest\", \"app\": {\"exec\": \"/bin/a\"}}", -EBADMSG, "app.exec"},
		{"{\"acKind\": \"ImageManifest\", \"app\": {\"exec\": [7]}}", -EBADMSG, "app.exec"},
		{"{\"acKind\": \"ImageManifest\", \"app\": {\"environment\": [{\"name\": \"A\"}]}}", -EBADMSG,
		 "environment"},
		{"{\"acKind\": \"ImageManifest\", \"app\": {\"environment\": [{\"name\": \"A=\", \"value\": \"\"}]}}",
		 -EBADMSG, "environment"},
		{"{\"acKind\": \"ImageManifest\", \"acKind\": \"ImageManifest\"}", -EBADMSG, "manifest"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = ERR_NONE;
		char *config = NULL;
		int rc = manifest_aci_config_new(cases[i].json, strlen(cases[i].json), &config, &err);
		if (rc != cases[i].number || !strstr(err.text, cases[i].text))
			fail_msg("%s: %d %s", cases[i].json, rc, err.text);
		assert_null(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(taken), cmocka_unit_test(refused)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
