/*
 * When a mount is possible: with the superblock and all tables, in whatever order they come.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "bcast/early.h"

enum { CHUNK = 4096, COUNT = 10, SIZE = CHUNK * COUNT, TABLES = 7 };

static char image[SIZE];

static void put(size_t at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		image[at + i] = (char)(value >> (8 * i));
}

/* A superblock (squash_super.h) whose tables begin in chunk TABLES and end in the last but one. */
static void make_image(void)
{
	const uint64_t at = TABLES * CHUNK + 100;
	memset(image, 0, sizeof image);
	memcpy(image, "hsqs", 4);
	put(4, 5, 4);            /* inodes */
	put(12, 131072, 4);      /* block size */
	put(16, 0, 4);           /* fragments */
	put(20, 6, 2);           /* zstd */
	put(22, 17, 2);          /* log of the block size */
	put(26, 1, 2);           /* ids */
	put(28, 4, 2);
	put(40, (COUNT - 1) * CHUNK, 8);
	put(48, at + 400, 8);
	put(56, UINT64_MAX, 8);
	put(64, at, 8);
	put(72, at + 100, 8);
	put(80, UINT64_MAX, 8);
	put(88, UINT64_MAX, 8);
}

struct map {
	bool here[COUNT];
};

static bool has(void *context, uint64_t chunk)
{
	return ((struct map *)context)->here[chunk];
}

static bool arrive(struct early *early, struct map *map, uint64_t chunk)
{
	map->here[chunk] = true;
	return early_arrived(early, chunk, image, has, map);
}

static void start(struct early *early, struct map *map)
{
	struct chunk_layout layout;
	*map = (struct map){0};
	assert_int_equal(chunk_layout_make(SIZE, CHUNK, &layout, NULL), 0);
	early_init(early, &layout);
}

static void test_superblock_first(void **state)
{
	(void)state;
	struct early early;
	struct map map;
	uint64_t chunk;
	make_image();
	start(&early, &map);
	assert_false(early_take_wanted(&early, &chunk));
	assert_false(arrive(&early, &map, 0));
	assert_true(early_take_wanted(&early, &chunk));
	assert_int_equal(chunk, TABLES);
	assert_true(early_take_wanted(&early, &chunk));
	assert_int_equal(chunk, TABLES + 1);
	assert_false(early_take_wanted(&early, &chunk));
	assert_false(arrive(&early, &map, 8));
	assert_false(arrive(&early, &map, 3));
	assert_true(arrive(&early, &map, 7));
	assert_false(arrive(&early, &map, 9));
}

static void test_superblock_last(void **state)
{
	(void)state;
	struct early early;
	struct map map;
	make_image();
	start(&early, &map);
	for (uint64_t chunk = COUNT; chunk-- > 1;)
		assert_false(arrive(&early, &map, chunk));
	assert_true(arrive(&early, &map, 0));
}

static void test_no_squashfs(void **state)
{
	(void)state;
	struct early early;
	struct map map;
	uint64_t wanted;
	memset(image, 'x', sizeof image);
	start(&early, &map);
	for (uint64_t chunk = 0; chunk < COUNT; chunk++)
		assert_false(arrive(&early, &map, chunk));
	assert_false(early_take_wanted(&early, &wanted));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_superblock_first),
		cmocka_unit_test(test_superblock_last),
		cmocka_unit_test(test_no_squashfs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
