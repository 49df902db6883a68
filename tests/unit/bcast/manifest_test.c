/*
 * Hashes of chunks: piecemeal as at once, every flipped byte seen in its chunk.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "bcast/manifest.h"

enum { CHUNK = 1000, SIZE = 3 * CHUNK + 17 };

static void fill(char *bytes, size_t len)
{
	uint32_t value = 1;
	for (size_t i = 0; i < len; i++) {
		value = value * 1664525u + 1013904223u;
		bytes[i] = (char)(value >> 24);
	}
}

static struct manifest *hash_all(const char *bytes, size_t size, size_t budget)
{
	struct chunk_layout layout;
	struct manifest *manifest;
	size_t total = 0, some;
	assert_int_equal(chunk_layout_make(size, CHUNK, &layout, NULL), 0);
	assert_int_equal(manifest_new(&layout, &manifest, NULL), 0);
	while ((some = manifest_hash(manifest, bytes, size, budget)) > 0)
		total += some;
	assert_int_equal(total, size);
	assert_true(manifest_complete(manifest));
	return manifest;
}

static void test_budget_does_not_matter(void **state)
{
	(void)state;
	static const size_t budgets[] = {1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 10 * CHUNK};
	char bytes[SIZE];
	fill(bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
		struct manifest *manifest = hash_all(bytes, sizeof bytes, budgets[i]);
		size_t len;
		const uint8_t *hashes = manifest_bytes(manifest, &len);
		assert_int_equal(len, 4 * MANIFEST_HASH_SIZE);
		for (size_t chunk = 0; chunk < 4; chunk++) {
			XXH128_canonical_t want;
			size_t chunk_len = chunk < 3 ? CHUNK : 17;
			XXH128_canonicalFromHash(&want, XXH3_128bits(bytes + chunk * CHUNK, chunk_len));
			assert_memory_equal(hashes + chunk * MANIFEST_HASH_SIZE, &want, sizeof want);
		}
		manifest_free(&manifest);
	}
}

static void test_waits_for_bytes(void **state)
{
	(void)state;
	char bytes[SIZE];
	struct chunk_layout layout;
	struct manifest *manifest;
	fill(bytes, sizeof bytes);
	chunk_layout_make(SIZE, CHUNK, &layout, NULL);
	assert_int_equal(manifest_new(&layout, &manifest, NULL), 0);
	assert_int_equal(manifest_hash(manifest, bytes, 0, SIZE), 0);
	assert_int_equal(manifest_hash(manifest, bytes, 1500, SIZE), 1500);
	assert_int_equal(manifest_hash(manifest, bytes, 1500, SIZE), 0);
	assert_false(manifest_complete(manifest));
	assert_int_equal(manifest_hash(manifest, bytes, SIZE, SIZE), SIZE - 1500);
	assert_true(manifest_complete(manifest));
	manifest_free(&manifest);
}

static void test_flipped_byte(void **state)
{
	(void)state;
	char bytes[SIZE];
	size_t len;
	uint8_t digest[MANIFEST_HASH_SIZE], other_digest[MANIFEST_HASH_SIZE];
	fill(bytes, sizeof bytes);
	struct manifest *good = hash_all(bytes, sizeof bytes, SIZE);
	assert_int_equal(manifest_compare(good, manifest_bytes(good, &len)), 4);
	manifest_digest(good, digest);
	for (size_t at = 0; at < SIZE; at += 101) {
		bytes[at] ^= 1;
		struct manifest *bad = hash_all(bytes, sizeof bytes, SIZE);
		assert_int_equal(manifest_compare(bad, manifest_bytes(good, &len)), at / CHUNK);
		manifest_digest(bad, other_digest);
		assert_memory_not_equal(digest, other_digest, sizeof digest);
		manifest_free(&bad);
		bytes[at] ^= 1;
	}
	manifest_free(&good);
}

static void test_empty(void **state)
{
	(void)state;
	size_t len;
	uint8_t digest[MANIFEST_HASH_SIZE];
	struct manifest *manifest = hash_all(NULL, 0, SIZE);
	assert_int_equal(manifest_compare(manifest, manifest_bytes(manifest, &len)), 0);
	assert_int_equal(len, 0);
	manifest_digest(manifest, digest);
	manifest_free(&manifest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget_does_not_matter),
		cmocka_unit_test(test_waits_for_bytes),
		cmocka_unit_test(test_flipped_byte),
		cmocka_unit_test(test_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
