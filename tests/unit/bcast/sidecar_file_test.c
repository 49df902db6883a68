/*
 * Sidecars as files: beside the image, in the cache where that is not possible, believed only of
 * the file as it is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bcast/manifest.h"
#include "bcast/sidecar_file.h"
#include "common/cleanup.h"
#include "common/remove_tree.h"
#include "tests/unit/common/make_sif.h"

enum { CHUNK = 4096, SIZE = 3 * CHUNK + 17 };

static char base[PATH_MAX / 2], image[PATH_MAX], beside[PATH_MAX + 8];
static char bytes[SIZE];

static int set_up(void **state)
{
	(void)state;
	snprintf(base, sizeof base, "/tmp/sidecar_file_test.XXXXXX");
	assert_non_null(mkdtemp(base));
	snprintf(image, sizeof image, "%s/image.sqsh", base);
	snprintf(beside, sizeof beside, "%s.cmpi", image);
	setenv("XDG_CACHE_HOME", base, 1);
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * i / 7);
	AUTO_FD int fd = open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, bytes, SIZE), SIZE);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remove_tree(AT_FDCWD, base);
	return 0;
}

static int open_image(void)
{
	int fd = open(image, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void index_and_store(int fd)
{
	AUTO_SIDECAR struct sidecar sidecar = {0};
	struct err err;
	assert_int_equal(sidecar_index(fd, CHUNK, &sidecar, &err), 0);
	assert_int_equal(sidecar_store(image, &sidecar, &err), 0);
}

static void test_the_index_is_the_manifest(void **state)
{
	(void)state;
	AUTO_FD int fd = open_image();
	AUTO_SIDECAR struct sidecar sidecar = {0};
	struct chunk_layout layout;
	struct manifest *manifest;
	uint8_t digest[MANIFEST_HASH_SIZE];
	assert_int_equal(sidecar_index(fd, CHUNK, &sidecar, NULL), 0);
	assert_int_equal(chunk_layout_make(SIZE, CHUNK, &layout, NULL), 0);
	assert_int_equal(manifest_new(&layout, &manifest, NULL), 0);
	manifest_hash_all(manifest, bytes);
	manifest_digest(manifest, digest);
	assert_memory_equal(digest, sidecar.digest, sizeof digest);
	manifest_free(&manifest);
}

static void test_stored_beside_is_loaded(void **state)
{
	(void)state;
	AUTO_FD int fd = open_image();
	AUTO_SIDECAR struct sidecar loaded = {0};
	struct err err;
	assert_int_equal(sidecar_load(image, fd, &loaded, &err), -ENOENT);
	index_and_store(fd);
	assert_int_equal(access(beside, R_OK), 0);
	assert_int_equal(sidecar_load(image, fd, &loaded, &err), 0);
	assert_int_equal(loaded.chunk_count, 4);
}

static void test_a_changed_image_has_none(void **state)
{
	(void)state;
	AUTO_FD int fd = open_image();
	AUTO_SIDECAR struct sidecar loaded = {0};
	const struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 5}};
	index_and_store(fd);
	assert_int_equal(futimens(fd, times), 0);
	assert_int_equal(sidecar_load(image, fd, &loaded, NULL), -ENOENT);
	index_and_store(fd);
	assert_int_equal(sidecar_load(image, fd, &loaded, NULL), 0);
	sidecar_free(&loaded);
	assert_int_equal(ftruncate(fd, 5), 0);
	assert_int_equal(futimens(fd, times), 0);
	assert_int_equal(sidecar_load(image, fd, &loaded, NULL), -ENOENT);
}

static void test_damage_and_foreign_writers_are_ignored(void **state)
{
	(void)state;
	AUTO_FD int fd = open_image();
	AUTO_SIDECAR struct sidecar loaded = {0};
	index_and_store(fd);
	assert_int_equal(chmod(beside, 0666), 0);
	assert_int_equal(sidecar_load(image, fd, &loaded, NULL), -ENOENT);
	assert_int_equal(chmod(beside, 0644), 0);
	assert_int_equal(sidecar_load(image, fd, &loaded, NULL), 0);
	sidecar_free(&loaded);
	assert_int_equal(truncate(beside, 40), 0);
	assert_int_equal(sidecar_load(image, fd, &loaded, NULL), -ENOENT);
	assert_int_equal(unlink(beside), 0);
	assert_int_equal(mkfifo(beside, 0600), 0);
	assert_int_equal(sidecar_load(image, fd, &loaded, NULL), -ENOENT);
}

/* A directory in the way of IMAGE.cmpi stops root, too. */
static void test_the_cache_takes_its_place(void **state)
{
	(void)state;
	AUTO_FD int fd = open_image();
	AUTO_SIDECAR struct sidecar loaded = {0};
	char blocker[PATH_MAX + 16];
	assert_int_equal(mkdir(beside, 0700), 0);
	snprintf(blocker, sizeof blocker, "%s/x", beside);
	assert_int_equal(mkdir(blocker, 0700), 0);
	index_and_store(fd);
	assert_int_equal(sidecar_load(image, fd, &loaded, NULL), 0);
	assert_int_equal(loaded.size, SIZE);
}

/* Of a SIF file the partition is the image: the same hashes as of a file with those bytes. */
static void test_a_part_of_a_file(void **state)
{
	(void)state;
	enum { AT = 8000 };
	AUTO_SIDECAR struct sidecar of_file = {0}, of_part = {0}, loaded = {0};
	unsigned char head[SIF_HEAD];
	struct err err = ERR_NONE;
	AUTO_FD int fd = open_image();
	assert_int_equal(sidecar_index(fd, CHUNK, &of_file, &err), 0);
	sif_make(head, AT, SIZE);
	assert_int_equal(pwrite(fd, head, sizeof head, 0), sizeof head);
	assert_int_equal(pwrite(fd, bytes, SIZE, AT), SIZE);
	assert_int_equal(ftruncate(fd, AT + SIZE + 100), 0);
	if (sidecar_index(fd, CHUNK, &of_part, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(of_part.size, SIZE);
	assert_int_equal(of_part.chunk_count, of_file.chunk_count);
	assert_memory_equal(of_part.hashes, of_file.hashes, of_file.chunk_count * SIDECAR_HASH_SIZE);
	assert_memory_equal(of_part.digest, of_file.digest, SIDECAR_HASH_SIZE);
	assert_int_equal(sidecar_store(image, &of_part, &err), 0);
	assert_int_equal(sidecar_load(image, fd, &loaded, &err), 0);
	assert_int_equal(loaded.size, SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_index_is_the_manifest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stored_beside_is_loaded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_changed_image_has_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damage_and_foreign_writers_are_ignored, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_part_of_a_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_cache_takes_its_place, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
