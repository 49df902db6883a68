/* store: what has its name is whole; locks; gc. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/remove_tree.h"
#include "image/store.h"

static char folder[64];

static int make(void **state)
{
	struct store *store = NULL;
	struct err err = ERR_NONE;
	strcpy(folder, "/tmp/cmpirun-store-test.XXXXXX");
	if (mkdtemp(folder) == NULL || store_open(folder, &store, &err) < 0)
		return -1;
	*state = store;
	return 0;
}

static int unmake(void **state)
{
	struct store *store = *state;
	store_free(&store);
	return remove_tree(AT_FDCWD, folder);
}

static void put_image(struct store *store, const char *key)
{
	struct store_image image = {.digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", .size = 5};
	char temporary[64];
	struct err err = ERR_NONE;
	AUTO_FD int fd = -1;
	snprintf(image.key, sizeof image.key, "%s", key);
	snprintf(image.reference, sizeof image.reference, "docker://x/%s:1", key);
	assert_int_equal(store_image_create(store, &fd, temporary, &err), 0);
	assert_int_equal(write(fd, "image", 5), 5);
	assert_int_equal(store_image_publish(store, &image, fd, temporary, &err), 0);
	struct store_tag tag = {.checked = 7};
	memcpy(tag.reference, image.reference, sizeof tag.reference);
	memcpy(tag.key, image.key, sizeof tag.key);
	assert_int_equal(store_tag_put(store, &tag, &err), 0);
}

static void images_and_tags(void **state)
{
	struct store *store = *state;
	struct store_image image;
	struct store_tag tag;
	struct err err = ERR_NONE;
	assert_int_equal(store_image_find(store, "aa", &image, &err), -ENOENT);
	put_image(store, "aa");
	assert_int_equal(store_image_find(store, "aa", &image, &err), 0);
	assert_int_equal(image.size, 5);
	assert_int_equal(store_tag_find(store, "docker://x/aa:1", &tag, &err), 0);
	assert_string_equal(tag.key, "aa");
	assert_int_equal(store_tag_find(store, "docker://x/aa:2", &tag, &err), -ENOENT);
	/* A file of another size, or without its .info, is no image. */
	AUTO_FREE char *path = store_image_path_new(store, "aa", ".sqsh"), *info = store_image_path_new(store, "aa", ".info");
	assert_int_equal(truncate(path, 4), 0);
	assert_int_equal(store_image_find(store, "aa", &image, &err), -ENOENT);
	assert_int_equal(truncate(path, 5), 0);
	assert_int_equal(unlink(info), 0);
	assert_int_equal(store_image_find(store, "aa", &image, &err), -ENOENT);
	put_image(store, "aa");  /* over what is left */
	assert_int_equal(store_image_find(store, "aa", &image, &err), 0);
}

static void keys(void **state)
{
	struct store *store = *state;
	struct store_image image;
	struct err err = ERR_NONE;
	static const char *const bad[] = {"", "..", ".a", "a/b", "A", "../images/aa"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(store_key_is_valid(bad[i]));
		assert_int_equal(store_image_find(store, bad[i], &image, &err), -ENOENT);
	}
	assert_true(store_key_is_valid("0a-lz4-0-64"));
}

static void locks(void **state)
{
	struct store *store = *state;
	struct err err = ERR_NONE;
	int first = -1, second = -1, third = -1;
	assert_int_equal(store_lock(store, "x", false, false, &first, &err), 0);
	assert_int_equal(store_lock(store, "x", false, false, &second, &err), 0);
	assert_int_equal(store_lock(store, "x", true, false, &third, &err), -EBUSY);
	close(first);
	close(second);
	assert_int_equal(store_lock(store, "x", true, false, &third, &err), 0);
	assert_int_equal(store_lock(store, "x", false, false, &first, &err), -EBUSY);
	close(third);
}

#define BLOB "sha256:00000000000000000000000000000000000000000000000000000000000000aa"

static void partials(void **state)
{
	struct store *store = *state;
	struct err err = ERR_NONE;
	int fd = -1, other = -1;
	uint64_t have = 0;
	assert_int_equal(store_partial_open(store, BLOB, &fd, &have, &err), 0);
	assert_int_equal(have, 0);
	assert_int_equal(write(fd, "abc", 3), 3);
	assert_int_equal(store_partial_open(store, BLOB, &other, &have, &err), -EBUSY);
	close(fd);
	assert_int_equal(store_partial_open(store, BLOB, &fd, &have, &err), 0);
	assert_int_equal(have, 3);
	assert_int_equal(store_blob_open(store, BLOB, &other, &have), -ENOENT);
	assert_int_equal(store_partial_publish(store, BLOB, &err), 0);
	close(fd);
	assert_int_equal(store_blob_open(store, BLOB, &fd, &have), 0);
	assert_int_equal(have, 3);
	close(fd);
	assert_int_equal(store_blob_open(store, "sha256:../x", &fd, &have), -EINVAL);
}

static void collecting(void **state)
{
	struct store *store = *state;
	struct store_image image;
	struct err err = ERR_NONE;
	put_image(store, "old");
	put_image(store, "new");
	AUTO_FREE char *info = store_image_path_new(store, "old", ".info");
	struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	assert_int_equal(utimensat(AT_FDCWD, info, times, 0), 0);
	struct store_gc gc = {.now = time(NULL), .image_age_s = 3600, .blob_age_s = 3600, .dry_run = true};
	assert_int_equal(store_gc(store, &gc, &err), 0);
	assert_int_equal(gc.images, 1);
	assert_int_equal(store_image_find(store, "old", &image, &err), 0);
	gc = (struct store_gc){.now = time(NULL), .image_age_s = 3600, .blob_age_s = 3600};
	assert_int_equal(store_gc(store, &gc, &err), 0);
	assert_int_equal(store_image_find(store, "old", &image, &err), -ENOENT);
	assert_int_equal(store_image_find(store, "new", &image, &err), 0);
	int lock = -1;
	assert_int_equal(store_lock(store, "store", false, false, &lock, &err), 0);
	assert_int_equal(store_gc(store, &gc, &err), -EBUSY);
	close(lock);
	gc = (struct store_gc){.now = time(NULL), .image_age_s = -1, .blob_age_s = -1, .most_bytes = 1};
	assert_int_equal(store_gc(store, &gc, &err), 0);
	assert_int_equal(store_image_find(store, "new", &image, &err), -ENOENT);
}

static void owners(void **state)
{
	(void)state;
	struct store *other = NULL;
	struct err err = ERR_NONE;
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(store_open(folder, &other, &err), -EPERM);
	assert_int_equal(chmod(folder, 0700), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(images_and_tags), cmocka_unit_test(keys), cmocka_unit_test(locks),
					   cmocka_unit_test(partials), cmocka_unit_test(collecting), cmocka_unit_test(owners)};
	return cmocka_run_group_tests(tests, make, unmake);
}
