/*
 * Sidecars as values and as bytes: what is packed is parsed; every flipped byte, every cut is seen.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bcast/manifest.h"
#include "bcast/sidecar.h"

enum { CHUNK = 1000, SIZE = 3 * CHUNK + 17, CHUNKS = 4 };

static const struct stat file = {.st_ino = 77, .st_size = SIZE,
				 .st_mtim = {.tv_sec = 1700000000, .tv_nsec = 123456789}};

static void make(struct sidecar *sidecar)
{
	static const struct sidecar_range hot[] = {{2 * CHUNK, 1}, {0, 10}};
	assert_int_equal(sidecar_init(&file, CHUNK, sidecar, NULL), 0);
	assert_int_equal(sidecar->chunk_count, CHUNKS);
	for (size_t i = 0; i < CHUNKS * SIDECAR_HASH_SIZE; i++)
		sidecar->hashes[i] = (uint8_t)(i * 7);
	sidecar_set_digest(sidecar);
	assert_int_equal(sidecar_set_hot(sidecar, hot, 2, NULL), 0);
}

static void test_packed_is_parsed(void **state)
{
	(void)state;
	AUTO_SIDECAR struct sidecar sidecar, again;
	AUTO_BUF struct buf bytes = {0};
	make(&sidecar);
	sidecar_pack(&sidecar, &bytes);
	assert_false(bytes.failed);
	assert_int_equal(sidecar_parse(bytes.data, bytes.len, &again, NULL), 0);
	assert_int_equal(again.inode, 77);
	assert_int_equal(again.size, SIZE);
	assert_int_equal(again.mtime_ns, 1700000000123456789);
	assert_int_equal(again.chunk_size, CHUNK);
	assert_memory_equal(again.digest, sidecar.digest, sizeof again.digest);
	assert_memory_equal(again.hashes, sidecar.hashes, CHUNKS * SIDECAR_HASH_SIZE);
	assert_int_equal(again.hot_count, 2);
	assert_int_equal(again.hot[0], 2);
	assert_int_equal(again.hot[1], 0);
	assert_true(sidecar_fits(&again, &file));
}

static void test_an_empty_image(void **state)
{
	(void)state;
	AUTO_SIDECAR struct sidecar sidecar, again;
	AUTO_BUF struct buf bytes = {0};
	struct stat empty = {.st_ino = 1};
	assert_int_equal(sidecar_init(&empty, CHUNK, &sidecar, NULL), 0);
	sidecar_set_digest(&sidecar);
	sidecar_pack(&sidecar, &bytes);
	assert_int_equal(sidecar_parse(bytes.data, bytes.len, &again, NULL), 0);
	assert_int_equal(again.chunk_count, 0);
	assert_true(sidecar_fits(&again, &empty));
}

static void test_any_change_of_the_file_shows(void **state)
{
	(void)state;
	AUTO_SIDECAR struct sidecar sidecar;
	make(&sidecar);
	struct stat other = file;
	other.st_ino++;
	assert_false(sidecar_fits(&sidecar, &other));
	other = file;
	other.st_size--;
	assert_false(sidecar_fits(&sidecar, &other));
	other = file;
	other.st_mtim.tv_nsec++;
	assert_false(sidecar_fits(&sidecar, &other));
}

static void test_every_flipped_byte_and_every_cut_is_seen(void **state)
{
	(void)state;
	AUTO_SIDECAR struct sidecar sidecar;
	AUTO_BUF struct buf bytes = {0};
	struct sidecar none;
	make(&sidecar);
	sidecar_pack(&sidecar, &bytes);
	for (size_t i = 0; i < bytes.len; i++) {
		bytes.data[i] ^= 1;
		assert_int_equal(sidecar_parse(bytes.data, bytes.len, &none, NULL), -EPROTO);
		assert_null(none.hashes);
		bytes.data[i] ^= 1;
		assert_int_equal(sidecar_parse(bytes.data, i, &none, NULL), -EPROTO);
	}
}

static void test_hot_chunks_of_ranges(void **state)
{
	(void)state;
	AUTO_SIDECAR struct sidecar sidecar;
	make(&sidecar);
	static const struct sidecar_range ranges[] = {
		{3 * CHUNK, UINT64_MAX},   /* to the end */
		{CHUNK - 1, 2},            /* across a border */
		{0, 5},                    /* again */
		{SIZE, 5}, {UINT64_MAX, 5}, {7, 0},
	};
	assert_int_equal(sidecar_set_hot(&sidecar, ranges, 6, NULL), 0);
	assert_int_equal(sidecar.hot_count, 3);
	static const uint32_t want[] = {3, 0, 1};
	assert_memory_equal(sidecar.hot, want, sizeof want);
}

static void test_the_first_other_hash(void **state)
{
	(void)state;
	AUTO_SIDECAR struct sidecar sidecar;
	uint8_t hashes[CHUNKS * SIDECAR_HASH_SIZE];
	make(&sidecar);
	memcpy(hashes, sidecar.hashes, sizeof hashes);
	assert_int_equal(sidecar_compare(&sidecar, hashes), CHUNKS);
	hashes[3 * SIDECAR_HASH_SIZE + 15] ^= 1;
	assert_int_equal(sidecar_compare(&sidecar, hashes), 3);
	hashes[1 * SIDECAR_HASH_SIZE] ^= 1;
	assert_int_equal(sidecar_compare(&sidecar, hashes), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packed_is_parsed),
		cmocka_unit_test(test_an_empty_image),
		cmocka_unit_test(test_any_change_of_the_file_shows),
		cmocka_unit_test(test_every_flipped_byte_and_every_cut_is_seen),
		cmocka_unit_test(test_hot_chunks_of_ranges),
		cmocka_unit_test(test_the_first_other_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
