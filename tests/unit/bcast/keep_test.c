/*
 * A holder of images as a process of its own: what was put is got, for as long as it shall.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bcast/keep.h"
#include "bcast/keep_holder.h"
#include "bcast/sidecar_file.h"
#include "common/cleanup.h"

enum { SIZE = 10000, CHUNK = 4096, LONG = 600 };

static pid_t holder;

static int set_up(void **state)
{
	(void)state;
	char job[32];
	snprintf(job, sizeof job, "test-%ld", (long)getpid());
	setenv("SLURM_JOB_ID", job, 1);  /* a name of our own */
	unsetenv("SLURM_JOB_END_TIME");
	int fd = keep_listen(NULL);
	assert_true(fd >= 0);
	holder = fork();
	assert_true(holder >= 0);
	if (holder == 0)
		_exit(keep_holder_run(fd));
	close(fd);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (holder > 0) {
		kill(holder, SIGTERM);
		waitpid(holder, NULL, 0);
	}
	holder = 0;
	return 0;
}

/* A memory file full of `letter`, and its sidecar. */
static int make_image(char letter, struct sidecar *sidecar)
{
	char bytes[SIZE];
	int fd = memfd_create("image", MFD_CLOEXEC);
	memset(bytes, letter, sizeof bytes);
	assert_int_equal(pwrite(fd, bytes, SIZE, 0), SIZE);
	assert_int_equal(sidecar_index(fd, CHUNK, sidecar, NULL), 0);
	return fd;
}

static void put(char letter, const char *name, uint32_t age_s, uint8_t digest[KEEP_DIGEST_SIZE])
{
	AUTO_SIDECAR struct sidecar sidecar = {0};
	struct err err = ERR_NONE;
	AUTO_FD int fd = make_image(letter, &sidecar);
	if (keep_put(name, fd, &sidecar, age_s, 1000, &err) < 0)
		fail_msg("%s", err.text);
	memcpy(digest, sidecar.digest, KEEP_DIGEST_SIZE);
}

static void test_put_is_got(void **state)
{
	(void)state;
	uint8_t digest[KEEP_DIGEST_SIZE];
	AUTO_SIDECAR struct sidecar sidecar = {0};
	AUTO_FD int fd = -1;
	char byte = 0;
	put('a', "/images/a", LONG, digest);
	assert_int_equal(keep_get(digest, &fd, &sidecar, NULL), 0);
	assert_int_equal(sidecar.size, SIZE);
	assert_memory_equal(sidecar.digest, digest, sizeof digest);
	assert_int_equal(pread(fd, &byte, 1, SIZE - 1), 1);
	assert_int_equal(byte, 'a');
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	digest[0] ^= 1;
	int none = -1;
	assert_int_equal(keep_get(digest, &none, NULL, NULL), -ENOENT);
	assert_int_equal(none, -1);
}

static void test_a_rebuilt_image_takes_the_place_of_the_old(void **state)
{
	(void)state;
	uint8_t old[KEEP_DIGEST_SIZE], new[KEEP_DIGEST_SIZE], other[KEEP_DIGEST_SIZE];
	struct keep_image *images;
	uint32_t count;
	put('a', "/images/a", LONG, old);
	put('b', "/images/b", LONG, other);
	put('c', "/images/a", LONG, new);
	assert_int_equal(keep_list(&images, &count, NULL), 0);
	assert_int_equal(count, 2);
	for (uint32_t i = 0; i < count; i++) {
		assert_memory_not_equal(images[i].digest, old, sizeof old);
		assert_int_equal(images[i].size, SIZE);
		assert_in_range(images[i].age_s, LONG - 60, LONG);
	}
	free(images);
}

static void test_removed_is_gone_and_an_empty_holder_ends(void **state)
{
	(void)state;
	uint8_t a[KEEP_DIGEST_SIZE], b[KEEP_DIGEST_SIZE];
	uint32_t removed;
	int status;
	put('a', "/images/a", LONG, a);
	put('b', "/images/b", LONG, b);
	assert_int_equal(keep_remove(a, &removed, NULL), 0);
	assert_int_equal(removed, 1);
	assert_int_equal(keep_remove(NULL, &removed, NULL), 0);
	assert_int_equal(removed, 1);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	holder = 0;
	assert_int_equal(status, 0);
	struct keep_image *images;
	uint32_t count = 7;
	assert_int_equal(keep_list(&images, &count, NULL), 0);
	assert_int_equal(count, 0);
}

/* Age 0 is over at once. */
static void test_age_ends_the_holder(void **state)
{
	(void)state;
	uint8_t digest[KEEP_DIGEST_SIZE];
	int status;
	put('a', "/images/a", 0, digest);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	holder = 0;
	assert_int_equal(status, 0);
}

static void test_there_is_one_holder(void **state)
{
	(void)state;
	assert_int_equal(keep_listen(NULL), -EADDRINUSE);
}

static void test_many_images_are_bounded(void **state)
{
	(void)state;
	uint8_t digest[KEEP_DIGEST_SIZE];
	struct keep_image *images;
	uint32_t count;
	for (int i = 0; i < KEEP_IMAGES_MAX + 3; i++) {
		char name[32];
		snprintf(name, sizeof name, "/images/%d", i);
		put((char)('A' + i), name, LONG, digest);
	}
	assert_int_equal(keep_list(&images, &count, NULL), 0);
	assert_int_equal(count, KEEP_IMAGES_MAX);
	free(images);
	AUTO_FD int fd = -1;
	assert_int_equal(keep_get(digest, &fd, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_is_got, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_rebuilt_image_takes_the_place_of_the_old, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_removed_is_gone_and_an_empty_holder_ends, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_age_ends_the_holder, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_there_is_one_holder, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_images_are_bounded, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
