/* image_ref: which kind of image is meant. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "image/image_ref.h"

static void kinds(void **state)
{
	(void)state;
	static const struct { const char *text; enum image_kind kind; const char *location; } cases[] = {
		{"foo.sqsh", IMAGE_KIND_SQUASH, "foo.sqsh"},
		{"/a/b", IMAGE_KIND_SQUASH, "/a/b"},
		{"name:with:colons", IMAGE_KIND_SQUASH, "name:with:colons"},
		{"sqsh:x.squashfs", IMAGE_KIND_SQUASH, "x.squashfs"},
		{"squashfs:/x", IMAGE_KIND_SQUASH, "/x"},
		{"file:///x", IMAGE_KIND_SQUASH, "/x"},
		{"docker://host:5000/org/app:1@sha256:00", IMAGE_KIND_DOCKER, "host:5000/org/app:1@sha256:00"},
		{"oci:dir:tag", IMAGE_KIND_OCI, "dir:tag"},
		{"oci-archive:f.tar", IMAGE_KIND_OCI_ARCHIVE, "f.tar"},
		{"docker-archive:f.tar", IMAGE_KIND_DOCKER_ARCHIVE, "f.tar"},
		{"f.tar.zst", IMAGE_KIND_TAR, "f.tar.zst"},
		{"f.tgz", IMAGE_KIND_TAR, "f.tgz"},
		{"f.sif", IMAGE_KIND_SIF, "f.sif"},
		{"sif:f", IMAGE_KIND_SIF, "f"},
		{"f.aci", IMAGE_KIND_ACI, "f.aci"},
		{"shifter:/x/id", IMAGE_KIND_SHIFTER, "/x/id"},
		{"root/", IMAGE_KIND_DIRECTORY, "root/"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = ERR_NONE;
		struct image_ref ref;
		assert_int_equal(image_ref_parse(cases[i].text, &ref, &err), 0);
		assert_int_equal(ref.kind, cases[i].kind);
		assert_string_equal(ref.location, cases[i].location);
		assert_int_equal(image_ref_needs_pull(&ref), ref.kind != IMAGE_KIND_SQUASH && ref.kind != IMAGE_KIND_SIF);
		assert_string_not_equal(image_kind_name(ref.kind), "?");
		assert_string_not_equal(image_kind_scheme(ref.kind), "?");
		image_ref_free(&ref);
	}
}

static void refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "docker://", "sqsh:", "http://x/y.sqsh", "shub://a"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct err err = ERR_NONE;
		struct image_ref ref;
		assert_int_equal(image_ref_parse(texts[i], &ref, &err), -EINVAL);
		assert_true(err.text[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(kinds), cmocka_unit_test(refused)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
