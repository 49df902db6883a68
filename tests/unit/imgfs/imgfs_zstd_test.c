/*
 * imgfs_zstd_test.c - blocks come out as they went in, broken ones not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

#include "runtime/imgfs_zstd.h"

enum { BLOCK = 128 * 1024 };

static char plain[BLOCK], packed[BLOCK * 2], out[BLOCK];

static size_t pack(unsigned seed)
{
	for (size_t i = 0; i < BLOCK; i++)
		plain[i] = (char)((i * seed) >> 7);
	size_t len = ZSTD_compress(packed, sizeof packed, plain, BLOCK, 3);
	assert_false(ZSTD_isError(len));
	return len;
}

/* Nothing is left in the context from one block to the next. */
static void test_blocks(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed < 20; seed++) {
		size_t len = pack(seed), out_len = sizeof out;
		assert_int_equal(imgfs_zstd_decompress(packed, len, out, &out_len), SQFS_OK);
		assert_int_equal(out_len, BLOCK);
		assert_memory_equal(out, plain, BLOCK);
	}
}

static void test_broken(void **state)
{
	(void)state;
	size_t len = pack(7), out_len = sizeof out;
	assert_int_equal(imgfs_zstd_decompress(packed, len / 2, out, &out_len), SQFS_ERR);
	out_len = BLOCK / 2;
	assert_int_equal(imgfs_zstd_decompress(packed, len, out, &out_len), SQFS_ERR);
	packed[0] ^= 1;
	out_len = sizeof out;
	assert_int_equal(imgfs_zstd_decompress(packed, len, out, &out_len), SQFS_ERR);
	test_blocks(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks), cmocka_unit_test(test_broken)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
