/* signature_json: which manifests may hold signatures, and which blobs are some. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "image/signature_json.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BUNDLE "application/vnd.dev.sigstore.bundle.v0.3+json"

static const struct index_case {
	const char *entry;  /* members of an entry, or NULL: the entry is a number */
	bool is_taken;
} entries[] = {
	{"\"artifactType\":\"" BUNDLE "\",\"digest\":\"sha256:" HEX "\",\"size\":9", true},
	{"\"artifactType\":\"application/vnd.dev.sigstore.bundle+json;version=0.2\",\"digest\":\"sha256:" HEX
	 "\",\"size\":9", true},
	{"\"digest\":\"sha256:" HEX "\",\"size\":9", true},
	{"\"artifactType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:" HEX "\",\"size\":9", true},
	{"\"artifactType\":\"application/vnd.dev.cosign.artifact.sig.v1+json\",\"digest\":\"sha256:" HEX "\",\"size\":9",
	 true},
	{"\"artifactType\":\"" BUNDLE "\",\"annotations\":{\"dev.sigstore.bundle.predicateType\":\"" SIGNATURE_PREDICATE
	 "\"},\"digest\":\"sha256:" HEX "\",\"size\":9", true},
	{"\"artifactType\":\"" BUNDLE "\",\"annotations\":{\"dev.sigstore.bundle.predicateType\":"
	 "\"https://spdx.dev/Document\"},\"digest\":\"sha256:" HEX "\",\"size\":9", false},
	{"\"artifactType\":\"application/spdx+json\",\"digest\":\"sha256:" HEX "\",\"size\":9", false},
	{"\"artifactType\":\"" BUNDLE "\",\"digest\":\"sha256:../../etc/passwd\",\"size\":9", false},
	{"\"artifactType\":\"" BUNDLE "\",\"digest\":\"sha256:" HEX "\",\"size\":-9", false},
	{"\"artifactType\":\"" BUNDLE "\",\"digest\":\"sha256:" HEX "\",\"size\":99999999", false},
	{"\"artifactType\":\"" BUNDLE "\",\"digest\":\"sha256:" HEX "\"}", false},
	{NULL, false},
};

static void indexes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
		struct manifest_blob list[SIGNATURES_MAX];
		struct err err = ERR_NONE;
		size_t count = 0;
		char text[1000];
		const char *entry = entries[i].entry;
		snprintf(text, sizeof text, "{\"manifests\":[%s%s%s]}", entry ? "{" : "7", entry ? entry : "",
			 entry && entry[strlen(entry) - 1] != '}' ? "}" : "");
		assert_int_equal(signature_index_parse(text, strlen(text), list, &count, &err), 0);
		if (count != entries[i].is_taken)
			fail_msg("%s: %zu", text, count);
		if (count)
			assert_string_equal(list[0].digest, "sha256:" HEX);
	}
}

static void many(void **state)
{
	(void)state;
	struct manifest_blob list[SIGNATURES_MAX];
	struct err err = ERR_NONE;
	struct buf text = {0};
	size_t count = SIGNATURES_MAX - 3;  /* another page came before */
	buf_printf(&text, "{\"manifests\":[");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "%s{\"digest\":\"sha256:" HEX "\",\"size\":9}", i ? "," : "");
	buf_printf(&text, "]}");
	assert_int_equal(signature_index_parse(text.data, text.len, list, &count, &err), 0);
	assert_int_equal(count, SIGNATURES_MAX);
	buf_free(&text);
}

static void manifests(void **state)
{
	(void)state;
	static const char text[] =
		"{\"layers\":["
		"{\"mediaType\":\"application/vnd.dev.cosign.simplesigning.v1+json\",\"digest\":\"sha256:" HEX "\","
		"\"size\":200,\"annotations\":{\"dev.cosignproject.cosign/signature\":\"QUJD\"}},"
		"{\"mediaType\":\"application/vnd.dev.cosign.simplesigning.v1+json\",\"digest\":\"sha256:" HEX "\","
		"\"size\":201,\"annotations\":{\"dev.cosignproject.cosign/signature\":\"\"}},"
		"{\"mediaType\":\"" BUNDLE "\",\"digest\":\"sha256:" HEX "\",\"size\":202,"
		"\"annotations\":{\"dev.cosignproject.cosign/signature\":\"QUJD\"}},"
		"{\"mediaType\":\"" BUNDLE "\",\"digest\":\"sha256:" HEX "\",\"size\":2000000},"
		"{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:" HEX "\",\"size\":203},"
		"null]}";
	struct err err = ERR_NONE;
	struct signature_blobs blobs = {.count = 0};
	assert_int_equal(signature_manifest_parse(text, strlen(text), &blobs, &err), 0);
	assert_int_equal(blobs.count, 2);
	assert_string_equal(blobs.list[0].signature, "QUJD");
	assert_int_equal(blobs.list[0].blob.size, 200);
	/* A bundle has its signature inside, whatever is written beside it. */
	assert_null(blobs.list[1].signature);
	assert_int_equal(blobs.list[1].blob.size, 202);
	signature_blobs_free(&blobs);
	assert_int_equal(blobs.count, 0);
}

static void no_json(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "[]", "<html>", "{\"layers\":[],\"layers\":[]}", "{"};
	struct signature_blobs blobs = {.count = 0};
	struct manifest_blob list[SIGNATURES_MAX];
	size_t count = 0;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err = ERR_NONE;
		assert_int_equal(signature_manifest_parse(bad[i], strlen(bad[i]), &blobs, &err), -EBADMSG);
		assert_int_equal(signature_index_parse(bad[i], strlen(bad[i]), list, &count, &err), -EBADMSG);
	}
	struct err err = ERR_NONE;
	assert_int_equal(signature_manifest_parse("{}", 2, &blobs, &err), 0);
	assert_int_equal(signature_index_parse("{\"manifests\":{}}", 16, list, &count, &err), 0);
	assert_int_equal(blobs.count + count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(indexes), cmocka_unit_test(many), cmocka_unit_test(manifests),
		cmocka_unit_test(no_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
