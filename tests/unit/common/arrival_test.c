/*
 * arrival_test.c - the map between two processes: marks, wants, waits, and the end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/arrival.h"
#include "common/cleanup.h"

enum { CHUNK = 100, SIZE = 950, COUNT = 10 };

struct both {
	int fd;
	struct arrival *writer, *reader;
};

static struct both both;

static int setup(void **state)
{
	struct err err = ERR_NONE;
	(void)state;
	both.fd = arrival_file_new(&err);
	if (both.fd < 0 || arrival_create(both.fd, SIZE, CHUNK, &both.writer, &err) < 0)
		return -1;
	return arrival_open(both.fd, &both.reader, &err);
}

static int teardown(void **state)
{
	(void)state;
	arrival_free(&both.writer);
	arrival_free(&both.reader);
	close_fd(&both.fd);
	return 0;
}

static void marks_are_seen(void **state)
{
	(void)state;
	assert_int_equal(arrival_chunk_count(both.reader), COUNT);
	assert_false(arrival_has(both.reader, 0, 1));
	assert_true(arrival_has(both.reader, 0, 0));
	arrival_mark(both.writer, 0);
	arrival_mark(both.writer, 2);
	arrival_mark(both.writer, 9);
	arrival_mark(both.writer, 10);  /* there is none: no harm */
	assert_true(arrival_has(both.reader, 0, 100));
	assert_false(arrival_has(both.reader, 0, 101));
	assert_true(arrival_has(both.reader, 299, 1));
	assert_false(arrival_has(both.reader, 199, 2));
	assert_true(arrival_has(both.reader, 900, 1000));
	assert_true(arrival_has(both.reader, 949, UINT64_MAX));
	assert_true(arrival_has(both.reader, 950, 5));
	assert_true(arrival_has(both.reader, UINT64_MAX, UINT64_MAX));
}

static void wants_are_taken_once(void **state)
{
	uint64_t chunk;
	(void)state;
	arrival_mark(both.writer, 4);
	assert_false(arrival_take_wanted(both.writer, &chunk));
	arrival_want(both.reader, 350, 200);  /* 3, 4 (here), 5 */
	arrival_want(both.reader, 350, 200);
	assert_true(arrival_take_wanted(both.writer, &chunk));
	assert_int_equal(chunk, 3);
	assert_true(arrival_take_wanted(both.writer, &chunk));
	assert_int_equal(chunk, 5);
	assert_false(arrival_take_wanted(both.writer, &chunk));
	/* One that arrives by itself is wanted no more. */
	arrival_want(both.reader, 0, 10);
	arrival_mark(both.writer, 0);
	assert_false(arrival_take_wanted(both.writer, &chunk));
}

/* A process that waits for a range; its status is the result of the wait. */
static pid_t waiter(uint64_t offset, uint64_t len)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(-arrival_wait(both.reader, offset, len));
	return pid;
}

static int status_of(pid_t pid)
{
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static uint64_t take(void)
{
	uint64_t chunk;
	while (!arrival_take_wanted(both.writer, &chunk))
		usleep(100);
	return chunk;
}

static void waits_end_with_the_last_chunk(void **state)
{
	(void)state;
	pid_t pid = waiter(650, 200);  /* 6, 7, 8 */
	assert_int_equal(take(), 6);
	assert_int_equal(take(), 7);
	assert_int_equal(take(), 8);
	arrival_mark(both.writer, 8);
	arrival_mark(both.writer, 6);
	arrival_mark(both.writer, 1);
	usleep(20000);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	arrival_mark(both.writer, 7);
	assert_int_equal(status_of(pid), 0);
}

static void waits_end_with_the_arrival(void **state)
{
	(void)state;
	arrival_mark(both.writer, 1);
	pid_t missing = waiter(0, SIZE), here = waiter(100, 100);
	assert_int_equal(take(), 0);
	arrival_end(both.writer, true);
	assert_int_equal(status_of(missing), EIO);
	assert_int_equal(status_of(here), 0);
	assert_true(arrival_has_failed(both.reader));
	arrival_end(both.writer, false);  /* the first word counts */
	assert_false(arrival_has(both.reader, 0, 1));
	assert_true(arrival_has(both.reader, 100, 1));
}

static void a_complete_arrival_has_all(void **state)
{
	(void)state;
	pid_t pid = waiter(0, SIZE);
	take();
	arrival_end(both.writer, false);
	assert_int_equal(status_of(pid), 0);
	assert_true(arrival_has(both.reader, 0, SIZE));
}

static void foreign_files_are_refused(void **state)
{
	struct err err = ERR_NONE;
	struct arrival *arrival = NULL;
	char junk[4096];
	(void)state;
	AUTO_FD int fd = arrival_file_new(&err);
	assert_int_equal(arrival_open(fd, &arrival, &err), -EAGAIN);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(arrival_open(fd, &arrival, &err), -EAGAIN);
	memset(junk, 0x55, sizeof junk);
	assert_int_equal(pwrite(fd, junk, sizeof junk, 0), sizeof junk);
	assert_int_equal(arrival_open(fd, &arrival, &err), -EPROTO);
	/* One that was cut after it was made. */
	assert_int_equal(ftruncate(both.fd, 45), 0);
	assert_int_equal(arrival_open(both.fd, &arrival, &err), -EPROTO);
	assert_null(arrival);
	assert_int_equal(arrival_create(fd, UINT64_MAX, 1, &arrival, &err), -EFBIG);
}

static void an_empty_image(void **state)
{
	struct err err = ERR_NONE;
	struct arrival *arrival = NULL;
	uint64_t chunk;
	(void)state;
	AUTO_FD int fd = arrival_file_new(&err);
	assert_int_equal(arrival_create(fd, 0, CHUNK, &arrival, &err), 0);
	assert_true(arrival_has(arrival, 0, 10));
	assert_int_equal(arrival_wait(arrival, 0, 10), 0);
	assert_false(arrival_take_wanted(arrival, &chunk));
	arrival_free(&arrival);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(marks_are_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(wants_are_taken_once, setup, teardown),
		cmocka_unit_test_setup_teardown(waits_end_with_the_last_chunk, setup, teardown),
		cmocka_unit_test_setup_teardown(waits_end_with_the_arrival, setup, teardown),
		cmocka_unit_test_setup_teardown(a_complete_arrival_has_all, setup, teardown),
		cmocka_unit_test_setup_teardown(foreign_files_are_refused, setup, teardown),
		cmocka_unit_test(an_empty_image),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
