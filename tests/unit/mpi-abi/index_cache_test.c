/* index_cache: made once, found beside and in the user's cache, never for another image. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "mpi-abi/index_cache.h"
#include "tests/unit/mpi-abi/fake.h"

static enum index_origin got(void)
{
	struct err err = ERR_NONE;
	struct image_index *index = NULL;
	enum index_origin origin = INDEX_MADE;
	AUTO_IMAGE_FILE struct image_file image = {.fd = -1};
	if (image_file_open("image.sqsh", &image, &err) < 0 ||
	    index_cache_get(&image, "image.sqsh", "cache/a/b", &index, &origin, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(index->binary_count, 2);
	image_index_free(&index);
	return origin;
}

static void once(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct image_index *index = NULL;
	enum index_origin origin;
	int fd;
	fake_libc("image", 0);
	fake_library("image", "libmpi.so.12", FAKE_MPICH, FAKE_LIBC);
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpi.so.12" FAKE_LIBC);
	struct squash *squash = fake_image(&fd);
	squash_free(&squash);
	close(fd);
	fake_run("mkdir cache");
	assert_int_equal(got(), INDEX_MADE);
	assert_int_equal(got(), INDEX_CACHED);

	AUTO_IMAGE_FILE struct image_file image = {.fd = -1};
	assert_int_equal(image_file_open("image.sqsh", &image, &err), 0);
	assert_int_equal(index_cache_get(&image, "image.sqsh", "cache/a/b", &index, &origin, &err), 0);
	assert_int_equal(index_cache_write(&image, index, "image.sqsh.abi", &err), 0);
	image_index_free(&index);
	assert_int_equal(got(), INDEX_BESIDE);

	fake_run("truncate -s -1 image.sqsh.abi");  /* a broken one is as good as none */
	assert_int_equal(got(), INDEX_CACHED);
	fake_run("touch -d @1000000000 image.sqsh");  /* changed meanwhile, it seems */
	assert_int_equal(got(), INDEX_MADE);
	assert_int_equal(got(), INDEX_CACHED);
	fake_run("rm -rf cache; echo >cache");  /* nowhere to write */
	assert_int_equal(got(), INDEX_MADE);
	assert_int_equal(got(), INDEX_MADE);
}

static void directories(void **state)
{
	(void)state;
	char *dir = index_cache_dir_new("/x", "/home/u");
	assert_string_equal(dir, "/x/cmpirun/abi");
	free(dir);
	dir = index_cache_dir_new("relative", "/home/u");
	assert_string_equal(dir, "/home/u/.cache/cmpirun/abi");
	free(dir);
	assert_null(index_cache_dir_new(NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once), cmocka_unit_test(directories),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
