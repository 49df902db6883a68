/*
 * The crew: every task comes back once, with the bytes read and the right hash, with threads and without.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bcast/crew.h"

enum { CHUNK = 4000, COUNT = 50, SIZE = CHUNK * COUNT };

static void make_file(char path[32], char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i * 7 + i / 256);
	strcpy(path, "/tmp/crew_test.XXXXXX");
	int fd = mkstemp(path);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void run_tasks(int threads, bool read)
{
	static char bytes[SIZE], got[SIZE];
	char path[32];
	struct source source;
	struct crew *crew;
	struct crew_task task;
	uint8_t seen[COUNT] = {0}, hash[MANIFEST_HASH_SIZE];
	make_file(path, bytes, SIZE);
	memcpy(got, bytes, SIZE);
	if (read)
		memset(got, 0, SIZE);
	assert_int_equal(source_open(path, &source, NULL), 0);
	assert_int_equal(crew_new(threads, &source, &crew, NULL), 0);
	assert_false(crew_take(crew, &task));
	for (uint64_t i = 0; i < COUNT; i++) {
		task = (struct crew_task){.read = read, .chunk = i, .offset = i * CHUNK,
					  .bytes = got + i * CHUNK, .len = CHUNK};
		assert_int_equal(crew_submit(crew, &task, NULL), 0);
	}
	while (crew_load(crew) > 0) {
		if (!crew_take(crew, &task)) {
			sched_yield();
			continue;
		}
		assert_int_equal(task.err.number, 0);
		seen[task.chunk]++;
		manifest_hash(bytes + task.offset, CHUNK, hash);
		assert_memory_equal(task.hash, hash, sizeof hash);
	}
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(seen[i], 1);
	assert_memory_equal(got, bytes, SIZE);
	assert_int_equal(source.read_bytes, read ? SIZE : 0);
	crew_free(&crew);
	source_close(&source);
	unlink(path);
}

static void test_without_threads(void **state)
{
	(void)state;
	run_tasks(0, true);
	run_tasks(0, false);
}

static void test_with_threads(void **state)
{
	(void)state;
	run_tasks(1, true);
	run_tasks(3, true);
	run_tasks(3, false);
}

static void test_failed_read(void **state)
{
	(void)state;
	static char bytes[SIZE];
	char path[32];
	struct source source;
	struct crew *crew;
	make_file(path, bytes, SIZE);
	assert_int_equal(source_open(path, &source, NULL), 0);
	assert_int_equal(truncate(path, 10), 0);
	assert_int_equal(crew_new(1, &source, &crew, NULL), 0);
	struct crew_task task = {.read = true, .bytes = bytes, .len = CHUNK};
	assert_int_equal(crew_submit(crew, &task, NULL), 0);
	while (!crew_take(crew, &task))
		sched_yield();
	assert_int_equal(task.err.number, ENODATA);
	/* What nobody takes goes with it. */
	assert_int_equal(crew_submit(crew, &task, NULL), 0);
	crew_free(&crew);
	source_close(&source);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_threads),
		cmocka_unit_test(test_with_threads),
		cmocka_unit_test(test_failed_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
