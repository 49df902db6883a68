/*
 * The manifest: what is set is known; every bit of the file changes hash and digest.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "bcast/manifest.h"

enum { CHUNK = 1000, SIZE = 3500, COUNT = 4 };

static void fill(char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i * 131 + i / 256);
}

static struct manifest *make(uint64_t size)
{
	struct chunk_layout layout;
	struct manifest *manifest;
	assert_int_equal(chunk_layout_make(size, CHUNK, &layout, NULL), 0);
	assert_int_equal(manifest_new(&layout, &manifest, NULL), 0);
	return manifest;
}

static void test_set_in_any_order(void **state)
{
	(void)state;
	static const uint64_t order[COUNT] = {2, 0, 3, 1};
	char bytes[SIZE];
	uint8_t hash[MANIFEST_HASH_SIZE], digest[MANIFEST_HASH_SIZE], other[MANIFEST_HASH_SIZE];
	fill(bytes, sizeof bytes);
	struct manifest *manifest = make(SIZE), *all = make(SIZE);
	for (size_t i = 0; i < COUNT; i++) {
		uint64_t chunk = order[i];
		assert_null(manifest_get(manifest, chunk));
		assert_false(manifest_complete(manifest));
		manifest_hash(bytes + chunk * CHUNK, chunk == COUNT - 1 ? SIZE % CHUNK : CHUNK, hash);
		manifest_set(manifest, chunk, hash);
		manifest_set(manifest, chunk, hash);  /* twice is once */
		assert_memory_equal(manifest_get(manifest, chunk), hash, sizeof hash);
	}
	assert_true(manifest_complete(manifest));
	manifest_hash_all(all, bytes);
	assert_true(manifest_complete(all));
	manifest_digest(manifest, digest);
	manifest_digest(all, other);
	assert_memory_equal(digest, other, sizeof digest);
	manifest_free(&manifest);
	manifest_free(&all);
}

static void test_flipped_byte(void **state)
{
	(void)state;
	char bytes[SIZE];
	uint8_t digest[MANIFEST_HASH_SIZE], other[MANIFEST_HASH_SIZE];
	fill(bytes, sizeof bytes);
	struct manifest *good = make(SIZE);
	manifest_hash_all(good, bytes);
	manifest_digest(good, digest);
	for (size_t at = 0; at < SIZE; at += 101) {
		struct manifest *bad = make(SIZE);
		bytes[at] ^= 1;
		manifest_hash_all(bad, bytes);
		bytes[at] ^= 1;
		for (uint64_t chunk = 0; chunk < COUNT; chunk++)
			assert_int_equal(memcmp(manifest_get(good, chunk), manifest_get(bad, chunk),
						MANIFEST_HASH_SIZE) != 0, chunk == at / CHUNK);
		manifest_digest(bad, other);
		assert_memory_not_equal(digest, other, sizeof digest);
		manifest_free(&bad);
	}
	manifest_free(&good);
}

/* Two files that differ in nothing but their size have two digests. */
static void test_empty(void **state)
{
	(void)state;
	uint8_t digest[MANIFEST_HASH_SIZE], other[MANIFEST_HASH_SIZE];
	struct manifest *empty = make(0), *one = make(1);
	assert_true(manifest_complete(empty));
	assert_false(manifest_complete(one));
	manifest_hash_all(one, "");
	manifest_digest(empty, digest);
	manifest_digest(one, other);
	assert_memory_not_equal(digest, other, sizeof digest);
	manifest_free(&empty);
	manifest_free(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_in_any_order),
		cmocka_unit_test(test_flipped_byte),
		cmocka_unit_test(test_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
