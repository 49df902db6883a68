/*
 * The source: each byte once; what is no file, and what changes under our hands, is said.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bcast/source.h"

enum { SIZE = 10000 };

struct fixture {
	char dir[64], file[96], pipe[96];
	char bytes[SIZE];
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	strcpy(fixture->dir, "/tmp/source_test.XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->file, sizeof fixture->file, "%s/file", fixture->dir);
	snprintf(fixture->pipe, sizeof fixture->pipe, "%s/pipe", fixture->dir);
	for (size_t i = 0; i < SIZE; i++)
		fixture->bytes[i] = (char)(i * 7 + i / 256);
	FILE *file = fopen(fixture->file, "w");
	assert_int_equal(fwrite(fixture->bytes, 1, SIZE, file), SIZE);
	fclose(file);
	assert_int_equal(mkfifo(fixture->pipe, 0600), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	unlink(fixture->file);
	unlink(fixture->pipe);
	rmdir(fixture->dir);
	free(fixture);
	return 0;
}

static void test_reads_all(void **state)
{
	struct fixture *fixture = *state;
	struct source source;
	struct err err = ERR_NONE;
	char got[SIZE];
	ssize_t some;
	assert_int_equal(source_open(fixture->file, &source, &err), 0);
	assert_int_equal(source.size, SIZE);
	while ((some = source_read(&source, got, 777, &err)) > 0)
		;
	assert_int_equal(some, 0);
	assert_int_equal(source.offset, SIZE);
	assert_memory_equal(got, fixture->bytes, SIZE);
	assert_int_equal(source_check_unchanged(&source, &err), 0);
	source_close(&source);
}

static void test_no_file(void **state)
{
	struct fixture *fixture = *state;
	struct source source;
	struct err err = ERR_NONE;
	assert_int_equal(source_open("/nonexistent/a.sqsh", &source, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/a.sqsh"));
	assert_int_equal(source.fd, -1);
	assert_int_equal(source_open(fixture->dir, &source, &err), -EISDIR);
	assert_int_equal(source_open(fixture->pipe, &source, &err), -EINVAL);
	assert_int_equal(source.fd, -1);
}

static void test_truncated(void **state)
{
	struct fixture *fixture = *state;
	struct source source;
	struct err err = ERR_NONE;
	char got[SIZE];
	assert_int_equal(source_open(fixture->file, &source, &err), 0);
	assert_int_equal(source_read(&source, got, 5000, &err), 5000);
	assert_int_equal(truncate(fixture->file, 5000), 0);
	assert_int_equal(source_read(&source, got, 5000, &err), -ENODATA);
	assert_non_null(strstr(err.text, "truncated"));
	source_close(&source);
}

static void test_touched(void **state)
{
	struct fixture *fixture = *state;
	struct source source;
	struct err err = ERR_NONE;
	assert_int_equal(source_open(fixture->file, &source, &err), 0);
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = 5}};
	assert_int_equal(utimensat(AT_FDCWD, fixture->file, times, 0), 0);
	assert_int_equal(source_check_unchanged(&source, &err), -ESTALE);
	source_close(&source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reads_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_truncated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_touched, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
