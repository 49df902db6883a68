/*
 * squash_cache_test.c - blocks are filled once, held, evicted, bounded, and failures forgotten; the
 * same from several threads.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "squash/squash_cache.h"

enum { ROOM = 64, KEPT = 16 };

struct counting {
	atomic_int fills;
	int result;
	useconds_t pause;
};

static int fill(void *context, struct squash_block *block, size_t room, struct err *err)
{
	struct counting *counting = context;
	counting->fills++;
	usleep(counting->pause);
	if (counting->result < 0)
		return err_set(err, -counting->result, "broken");
	memset(block->bytes, (int)block->at, room);
	block->len = room;
	return 0;
}

static struct squash_cache *cache_new(void)
{
	struct squash_cache *cache = NULL;
	struct err err;
	assert_int_equal(squash_cache_new(ROOM, KEPT * ROOM, &cache, &err), 0);
	return cache;
}

static struct squash_block *get(struct squash_cache *cache, uint64_t at, struct counting *counting)
{
	struct squash_block *block = NULL;
	assert_int_equal(squash_cache_get(cache, at, fill, counting, &block, NULL), 0);
	assert_int_equal(block->at, at);
	assert_int_equal(block->len, ROOM);
	for (size_t i = 0; i < ROOM; i++)
		assert_int_equal((uint8_t)block->bytes[i], (uint8_t)at);
	return block;
}

static void touch(struct squash_cache *cache, uint64_t at, struct counting *counting)
{
	struct squash_block *block = get(cache, at, counting);
	squash_cache_release(cache, &block);
	assert_null(block);
}

static void kept_until_others_are_newer(void **state)
{
	(void)state;
	struct counting counting = {0};
	struct squash_cache *cache = cache_new();
	for (int round = 0; round < 3; round++)
		for (uint64_t at = 0; at < KEPT; at++)
			touch(cache, at, &counting);
	assert_int_equal(counting.fills, KEPT);
	touch(cache, 0, &counting);
	touch(cache, 1000, &counting);  /* 1 was the oldest */
	assert_true(squash_cache_has(cache, 0));
	assert_false(squash_cache_has(cache, 1));
	assert_true(squash_cache_has(cache, 2));
	squash_cache_free(&cache);
}

static void held_blocks_stay(void **state)
{
	(void)state;
	struct counting counting = {0};
	struct squash_cache *cache = cache_new();
	struct squash_block *held[2 * KEPT];
	for (uint64_t at = 0; at < 2 * KEPT; at++)
		held[at] = get(cache, at, &counting);  /* more than are kept */
	for (uint64_t at = 0; at < 2 * KEPT; at++)
		assert_true(squash_cache_has(cache, at));
	for (uint64_t at = 0; at < 2 * KEPT; at++)
		squash_cache_release(cache, &held[at]);
	size_t left = 0;
	for (uint64_t at = 0; at < 2 * KEPT; at++)
		left += squash_cache_has(cache, at);
	assert_int_equal(left, KEPT);
	squash_cache_free(&cache);
}

static void failures_are_not_kept(void **state)
{
	(void)state;
	struct counting counting = {.result = -EIO};
	struct squash_cache *cache = cache_new();
	struct squash_block *block = NULL;
	struct err err = ERR_NONE;
	for (int i = 1; i <= 3 * KEPT; i++) {
		assert_int_equal(squash_cache_get(cache, 7, fill, &counting, &block, &err), -EIO);
		assert_null(block);
		assert_false(squash_cache_has(cache, 7));
		assert_int_equal(counting.fills, i);
	}
	counting.result = 0;
	touch(cache, 7, &counting);
	squash_cache_free(&cache);
}

struct crowd {
	struct squash_cache *cache;
	struct counting counting;
	atomic_int wrong;
};

static void *ask_for_one(void *context)
{
	struct crowd *crowd = context;
	struct squash_block *block = NULL;
	int rc = squash_cache_get(crowd->cache, 5, fill, &crowd->counting, &block, NULL);
	if (rc != crowd->counting.result || (rc == 0 && block->bytes[3] != 5))
		crowd->wrong++;
	squash_cache_release(crowd->cache, &block);
	return NULL;
}

static void *ask_for_many(void *context)
{
	struct crowd *crowd = context;
	for (uint64_t i = 0; i < 20000; i++) {
		struct squash_block *block = NULL;
		uint64_t at = (i * 7 + (uintptr_t)&block / 64) % (3 * KEPT);
		if (squash_cache_get(crowd->cache, at, fill, &crowd->counting, &block, NULL) < 0 ||
		    block->at != at || block->bytes[ROOM - 1] != (char)at)
			crowd->wrong++;
		squash_cache_release(crowd->cache, &block);
	}
	return NULL;
}

static void run_crowd(struct crowd *crowd, void *(*function)(void *))
{
	enum { THREADS = 8 };
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, function, crowd), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(crowd->wrong, 0);
}

static void threads_fill_once(void **state)
{
	(void)state;
	struct crowd crowd = {.cache = cache_new(), .counting.pause = 20000};
	run_crowd(&crowd, ask_for_one);
	assert_int_equal(crowd.counting.fills, 1);
	squash_cache_free(&crowd.cache);
}

static void threads_all_hear_of_a_failure(void **state)
{
	(void)state;
	struct crowd crowd = {.cache = cache_new(), .counting = {.pause = 5000, .result = -EIO}};
	run_crowd(&crowd, ask_for_one);
	assert_false(squash_cache_has(crowd.cache, 5));
	squash_cache_free(&crowd.cache);
}

static void threads_and_evictions(void **state)
{
	(void)state;
	struct crowd crowd = {.cache = cache_new()};
	run_crowd(&crowd, ask_for_many);
	squash_cache_free(&crowd.cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_until_others_are_newer), cmocka_unit_test(held_blocks_stay),
		cmocka_unit_test(failures_are_not_kept), cmocka_unit_test(threads_fill_once),
		cmocka_unit_test(threads_all_hear_of_a_failure), cmocka_unit_test(threads_and_evictions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
