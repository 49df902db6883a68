/*
 * Chunk arithmetic: the chunks tile the file, at every edge and beyond 2^31 bytes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bcast/chunk.h"

#define GB 1000000000ull

static void check_tiles(uint64_t size, uint32_t chunk_size, uint64_t count)
{
	struct chunk_layout layout;
	uint64_t at = 0;
	assert_int_equal(chunk_layout_make(size, chunk_size, &layout, NULL), 0);
	assert_int_equal(layout.count, count);
	for (uint64_t chunk = 0; chunk < layout.count; chunk++) {
		assert_int_equal(chunk_offset(&layout, chunk), at);
		assert_int_equal(chunk_prefix(&layout, chunk), at);
		assert_in_range(chunk_length(&layout, chunk), 1, chunk_size);
		at += chunk_length(&layout, chunk);
	}
	assert_int_equal(at, size);
	assert_int_equal(chunk_prefix(&layout, layout.count), size);
}

static void test_tiles(void **state)
{
	(void)state;
	check_tiles(0, 100, 0);
	check_tiles(1, 100, 1);
	check_tiles(99, 100, 1);
	check_tiles(100, 100, 1);
	check_tiles(101, 100, 2);
	check_tiles(200, 100, 2);
	check_tiles(7, 1, 7);
	check_tiles((3ull << 30) + 5, 1 << 20, 3073);
	check_tiles(20 * GB, 8 << 20, 2385);
}

static void test_sizes(void **state)
{
	(void)state;
	assert_int_equal(chunk_size_for(0), 1 << 20);
	assert_int_equal(chunk_size_for(GB - 1), 1 << 20);
	assert_int_equal(chunk_size_for(GB), 2 << 20);
	assert_int_equal(chunk_size_for(3 * GB), 4 << 20);
	assert_int_equal(chunk_size_for(4 * GB), 8 << 20);
	assert_int_equal(chunk_size_for(UINT64_MAX), 8 << 20);
}

static void test_refused(void **state)
{
	(void)state;
	struct chunk_layout layout;
	struct err err = ERR_NONE;
	assert_int_equal(chunk_layout_make(1, 0, &layout, &err), -EINVAL);
	assert_int_equal(chunk_layout_make(1, CHUNK_SIZE_MAX + 1, &layout, &err), -EINVAL);
	assert_int_equal(chunk_layout_make(UINT64_MAX, 1 << 20, &layout, &err), -EFBIG);
	assert_string_not_equal(err.text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tiles),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
