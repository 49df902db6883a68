/* store_index: KEY.info and tags as text, there and back; and what is no such text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/store_impl.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_info(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct store_image read;
	const struct store_image image = {.digest = DIGEST, .size = 1ull << 40, .files = 7, .bytes = 9,
					  .reference = "a \"quoted\" name", .created = 1700000000};
	char *text = NULL;
	assert_int_equal(store_image_info_new(&image, &text, &err), 0);
	assert_int_equal(store_image_info_parse(text, strlen(text), &read, &err), 0);
	assert_memory_equal(&read, &image, sizeof image);
	assert_int_equal(store_image_info_parse(text, strlen(text) - 1, &read, &err), -EBADMSG);
	free(text);
}

static void test_tag(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct store_tag read;
	const struct store_tag tag = {.reference = "docker.io/library/x:1", .remote = DIGEST,
				      .validator = "12 34", .key = "sha256-ab.zstd", .checked = 1700000000};
	char *text = NULL;
	assert_int_equal(store_tag_text_new(&tag, &text, &err), 0);
	assert_int_equal(store_tag_parse(text, strlen(text), &read, &err), 0);
	assert_memory_equal(&read, &tag, sizeof tag);
	free(text);
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"", "[]", "{}", "{\"version\": 2, \"digest\": \"" DIGEST "\", \"image\": \"a\"}",
		"{\"version\": 1}", "{\"version\": 1, \"digest\": \"sha256:12\", \"image\": \"../a\"}",
		"{\"version\": 1, \"digest\": 5, \"image\": \"\"}",
	};
	struct err err = ERR_NONE;
	struct store_image image;
	struct store_tag tag;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_int_equal(store_image_info_parse(texts[i], strlen(texts[i]), &image, &err), -EBADMSG);
		assert_int_equal(store_tag_parse(texts[i], strlen(texts[i]), &tag, &err), -EBADMSG);
	}
	const char negative[] = "{\"version\": 1, \"digest\": \"" DIGEST "\", \"size\": -5}";
	assert_int_equal(store_image_info_parse(negative, strlen(negative), &image, &err), 0);
	assert_int_equal(image.size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
