/*
 * imgfs_record_test.c - a profile that is kept has each file and each part of the image once, in
 * order, and its path.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "runtime/imgfs_profile.h"
#include "runtime/imgfs_record.h"

enum { ROOT = 1, USR = 10, LIB = 11, C = 20, M = 21, GRAIN = IMGFS_RECORD_GRAIN };

static char text[65536];

static const char *text_of(int fd)
{
	ssize_t len = pread(fd, text, sizeof text - 1, 0);
	assert_true(len >= 0);
	text[len] = '\0';
	return text;
}

static struct imgfs_record *record_new(int *fd)
{
	struct imgfs_record *record = NULL;
	*fd = memfd_create("profile", MFD_CLOEXEC);
	assert_int_equal(imgfs_record_new(*fd, ROOT, &record, NULL), 0);
	return record;
}

static void test_lines(void **state)
{
	(void)state;
	AUTO_FD int fd = -1;
	struct imgfs_record *record = record_new(&fd);
	imgfs_record_name(record, ROOT, "usr", USR);
	imgfs_record_name(record, USR, "lib", LIB);
	imgfs_record_name(record, LIB, "libc so", C);
	imgfs_record_name(record, LIB, "libm", M);
	imgfs_record_name(record, USR, "another name of libm", M);
	imgfs_record_touch(record, 0, 100 * GRAIN, 100);
	imgfs_record_touch(record, 0, 100 * GRAIN + 50, 100);  /* the same part */
	imgfs_record_touch(record, C, 5, 10);
	imgfs_record_touch(record, M, 15, 10);          /* the same part, another file */
	imgfs_record_touch(record, C, 5, 10);
	imgfs_record_touch(record, C, GRAIN - 5, 10);   /* into a new part */
	imgfs_record_touch(record, 999, 3 * GRAIN, 1);  /* a file that nobody looked up */
	imgfs_record_touch(record, C, UINT64_MAX, UINT64_MAX);
	imgfs_record_touch(record, C, 7, 0);
	assert_string_equal(text_of(fd), IMGFS_PROFILE_HEAD
			    "0 6553600 100 -\n"
			    "1 5 10 /usr/lib/libc\\040so\n"
			    "2 15 10 /usr/lib/libm\n"
			    "3 65531 10 /usr/lib/libc\\040so\n"
			    "4 196608 1 -\n");
	imgfs_record_free(&record);
}

static void test_bounds(void **state)
{
	(void)state;
	AUTO_FD int fd = -1;
	struct imgfs_record *record = record_new(&fd);
	char name[32];
	uint64_t parent = ROOT;
	/* Deeper than a path may be: without it. */
	for (uint64_t ino = 2; ino < 2000; ino++) {
		imgfs_record_name(record, parent, "directory", ino);
		parent = ino;
	}
	imgfs_record_touch(record, parent, 0, 1);
	assert_string_equal(text_of(fd), IMGFS_PROFILE_HEAD "0 0 1 -\n");
	for (uint64_t i = 0; i < IMGFS_RECORD_FILES_MAX + 10; i++) {
		snprintf(name, sizeof name, "%u", (unsigned)i);
		imgfs_record_name(record, ROOT, name, 5000 + i);
	}
	imgfs_record_touch(record, 5000 + IMGFS_RECORD_FILES_MAX + 5, GRAIN, 1);
	assert_string_equal(text_of(fd), IMGFS_PROFILE_HEAD "0 0 1 -\n1 65536 1 -\n");
	imgfs_record_free(&record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_bounds)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
