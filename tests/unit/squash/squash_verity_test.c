/* squash_verity: reads of every place and length give the same bytes; changed ones give an error. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "squash/squash_verity.h"

enum { BLOCKS = 300, USED = BLOCKS * VERITY_BLOCK - 1000 };

/* The tree by the book: all of a level, then the one above. */
static int make_file(uint8_t root[VERITY_HASH])
{
	struct err err = ERR_NONE;
	struct verity_shape shape;
	static uint8_t file[(BLOCKS + 10) * VERITY_BLOCK];
	memset(file, 0, sizeof file);
	for (size_t i = 0; i < USED; i++)
		file[i] = (uint8_t)(i * 2654435761u >> 13);
	uint64_t size = BLOCKS * VERITY_BLOCK;
	assert_int_equal(verity_shape_of(size, size, &shape, &err), 0);
	assert_int_equal(shape.levels, 2);
	assert_true(shape.end <= sizeof file);
	for (unsigned level = 0; level <= shape.levels; level++) {
		const uint8_t *below = level ? file + shape.level_at[level - 1] : file;
		uint64_t count = level ? shape.level_blocks[level - 1] : BLOCKS;
		uint8_t *to = level < shape.levels ? file + shape.level_at[level] : root;
		for (uint64_t i = 0; i < count; i++)
			SHA256(below + i * VERITY_BLOCK, VERITY_BLOCK, to + i * VERITY_HASH);
	}
	int fd = memfd_create("verity_test", MFD_CLOEXEC);
	assert_int_equal(write(fd, file, shape.end), shape.end);
	return fd;
}

static void change(int fd, uint64_t at)
{
	char byte;
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
}

static int read_once(int fd, const uint8_t *root, uint64_t at, void *bytes, size_t len)
{
	struct err err = ERR_NONE;
	struct squash_verity *verity = NULL;
	assert_int_equal(squash_verity_new(fd, USED, root, &verity, &err), 0);
	int rc = squash_verity_read(verity, at, bytes, len, &err);
	squash_verity_free(&verity);
	return rc;
}

static void reads(void **state)
{
	(void)state;
	static const struct { uint64_t at; size_t len; } cases[] = {
		{0, 1}, {0, 4096}, {4095, 2}, {1, 70000}, {65536, 65536}, {USED - 1, 1}, {100000, 200001},
		{0, USED}, {5, 0},
	};
	static char one[BLOCKS * VERITY_BLOCK], two[BLOCKS * VERITY_BLOCK];
	uint8_t root[VERITY_HASH];
	int fd = make_file(root);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(read_once(fd, root, cases[i].at, one, cases[i].len), 0);
		assert_int_equal(pread(fd, two, cases[i].len, (off_t)cases[i].at), cases[i].len);
		assert_memory_equal(one, two, cases[i].len);
	}
	assert_int_equal(read_once(fd, root, BLOCKS * VERITY_BLOCK, one, 1), -EIO);
	assert_int_equal(read_once(fd, root, UINT64_MAX, one, 1), -EIO);
	close(fd);
}

static void changes(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct verity_shape shape;
	uint8_t root[VERITY_HASH], byte;
	int fd = make_file(root);
	verity_shape_of(BLOCKS * VERITY_BLOCK, BLOCKS * VERITY_BLOCK, &shape, &err);
	/* Data, each level, the root: and only what hangs on it. */
	const struct { uint64_t changed, hit, miss; } cases[] = {
		{200000, 200001, 300000},
		{shape.level_at[0] + 10, 100, 200 * VERITY_BLOCK},
		{shape.level_at[0] + VERITY_BLOCK + 10, 200 * VERITY_BLOCK, 100},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		change(fd, cases[i].changed);
		assert_int_equal(read_once(fd, root, cases[i].hit, &byte, 1), -EIO);
		assert_int_equal(read_once(fd, root, cases[i].miss, &byte, 1), 0);
		change(fd, cases[i].changed);
	}
	change(fd, shape.level_at[1] + 5);
	assert_int_equal(read_once(fd, root, 0, &byte, 1), -EIO);
	change(fd, shape.level_at[1] + 5);
	root[3] ^= 1;
	assert_int_equal(read_once(fd, root, 0, &byte, 1), -EIO);
	root[3] ^= 1;
	assert_int_equal(ftruncate(fd, (off_t)shape.level_at[0]), 0);
	assert_int_equal(read_once(fd, root, 0, &byte, 1), -EIO);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(reads), cmocka_unit_test(changes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
