/*
 * Schedules as values.  For every size up to 600, and some up to 65536, with one reader and with
 * several: each stream spans all ranks from its root, both ends of an edge agree on it, so each
 * rank gets each chunk exactly once; nothing is deeper or more loaded than promised.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "bcast/schedule.h"

enum { LARGEST = 65536 };

static const enum schedule_kind kinds[] = {SCHEDULE_CHAIN, SCHEDULE_TWO_TREE};
enum { KINDS = sizeof kinds / sizeof *kinds };

static struct schedule all[LARGEST];

static void check_edges(int size, int stream)
{
	int root = all[0].streams[stream].root;
	for (int rank = 0; rank < size; rank++) {
		const struct schedule_place *place = &all[rank].streams[stream];
		assert_int_equal(place->root, root);
		assert_true((place->parent == SCHEDULE_NO_PARENT) == (rank == root));
		assert_in_range(place->child_count, 0, SCHEDULE_CHILDREN_MAX);
		for (int i = 0; i < place->child_count; i++) {
			assert_in_range(place->children[i], 0, size - 1);
			assert_int_equal(all[place->children[i]].streams[stream].parent, rank);
		}
	}
}

/* Each rank is reached from the root along children exactly once, at the depth that it believes to
 * be at.  Returns the largest. */
static int check_reach(int size, int stream)
{
	static int queue[LARGEST], depth[LARGEST];
	int head = 0, tail = 0, deepest = 0;
	for (int rank = 0; rank < size; rank++)
		depth[rank] = -1;
	queue[tail++] = all[0].streams[stream].root;
	depth[queue[0]] = 0;
	while (head < tail) {
		int rank = queue[head++];
		const struct schedule_place *place = &all[rank].streams[stream];
		assert_int_equal(place->depth, depth[rank]);
		deepest = depth[rank] > deepest ? depth[rank] : deepest;
		for (int i = 0; i < place->child_count; i++) {
			assert_int_equal(depth[place->children[i]], -1);
			depth[place->children[i]] = depth[rank] + 1;
			queue[tail++] = place->children[i];
		}
	}
	assert_int_equal(tail, size);
	return deepest;
}

/* No rank is inner in both trees of a reader, and a reader has one child in each: with chunks dealt
 * evenly nobody sends more than one file for each reader's share of it. */
static void check_load(int size, const struct schedule_shape *shape)
{
	for (int rank = 0; rank < size; rank++)
		for (int reader = 0; reader < shape->readers; reader++) {
			int children = 0, inner = 0, trees = 0;
			for (int s = reader; s < all[rank].stream_count; s += shape->readers) {
				const struct schedule_place *place = &all[rank].streams[s];
				children += place->child_count;
				inner += place->child_count > 0;
				trees++;
			}
			assert_true(children <= trees);
			assert_true(inner <= 1 || rank == all[rank].streams[reader].root);
		}
}

static void check_readers(int size, const struct schedule_shape *shape)
{
	int readers = 0;
	for (int rank = 0; rank < size; rank++) {
		int reader = all[rank].reader;
		if (reader == SCHEDULE_NO_READER)
			continue;
		readers++;
		for (int s = reader; s < all[rank].stream_count; s += shape->readers)
			assert_int_equal(all[rank].streams[s].root, rank);
	}
	assert_int_equal(readers, shape->readers);
	assert_int_equal(all[0].reader, 0);
}

static void check_shape(enum schedule_kind kind, int size, int readers)
{
	const struct schedule_shape shape = {.kind = kind, .size = size, .readers = readers};
	int deepest = 0;
	for (int rank = 0; rank < size; rank++) {
		schedule_make(&shape, rank, &all[rank]);
		assert_int_equal(all[rank].stream_count, all[0].stream_count);
	}
	for (int stream = 0; stream < all[0].stream_count; stream++) {
		check_edges(size, stream);
		int depth = check_reach(size, stream);
		deepest = depth > deepest ? depth : deepest;
	}
	check_load(size, &shape);
	check_readers(size, &shape);
	assert_int_equal(deepest, schedule_depth(&shape));
}

static void test_every_small_size(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++)
		for (int size = 1; size <= 600; size++)
			check_shape(kinds[kind], size, 1);
}

static void test_several_readers(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++)
		for (int size = 1; size <= 70; size++)
			for (int readers = 1; readers <= SCHEDULE_READERS_MAX && readers <= size; readers++)
				check_shape(kinds[kind], size, readers);
}

static void test_large_sizes(void **state)
{
	static const struct {
		int size, readers;
	} cases[] = {{601, 5},	 {777, 16},  {1023, 1}, {1024, 2}, {1025, 3},  {4096, 4},
		     {4097, 1},	 {9999, 8},  {10000, 1}, {16383, 1}, {16384, 2}, {20000, 1},
		     {65535, 1}, {65536, 1}};
	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++)
		for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
			check_shape(kinds[kind], cases[i].size, cases[i].readers);
}

/* The depths that the model counts on. */
static void test_depth(void **state)
{
	static const struct {
		enum schedule_kind kind;
		int size, depth;
	} cases[] = {
		{SCHEDULE_CHAIN, 1, 0},     {SCHEDULE_CHAIN, 8, 7},
		{SCHEDULE_TWO_TREE, 1, 0},  {SCHEDULE_TWO_TREE, 2, 1},
		{SCHEDULE_TWO_TREE, 8, 3},  {SCHEDULE_TWO_TREE, 9, 4},
		{SCHEDULE_TWO_TREE, 16, 4}, {SCHEDULE_TWO_TREE, 4096, 12},
		{SCHEDULE_TWO_TREE, 10000, 14},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct schedule_shape shape = {cases[i].kind, cases[i].size, 1};
		assert_int_equal(schedule_depth(&shape), cases[i].depth);
	}
}

/* Each chunk is in one stream, at one place of it, and reader j has the chunks i = j mod readers. */
static void test_chunks(void **state)
{
	static const uint64_t counts[] = {0, 1, 5, 6, 7, 24, 1000};
	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++)
		for (int readers = 1; readers <= 3; readers++) {
			const struct schedule_shape shape = {kinds[kind], 9, readers};
			struct schedule schedule;
			schedule_make(&shape, 1, &schedule);
			assert_in_range(schedule.stream_count, 1, SCHEDULE_STREAMS_MAX);
			for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
				uint64_t next[SCHEDULE_STREAMS_MAX] = {0};
				for (uint64_t chunk = 0; chunk < counts[i]; chunk++) {
					int stream = schedule_stream(&schedule, chunk);
					assert_int_equal(schedule_chunk(&schedule, stream, next[stream]++),
							 chunk);
					assert_int_equal(stream % readers, chunk % (uint64_t)readers);
				}
				for (int s = 0; s < schedule.stream_count; s++)
					assert_int_equal(schedule_stream_length(&schedule, s, counts[i]),
							 next[s]);
			}
		}
}

static void test_chain(void **state)
{
	(void)state;
	const struct schedule_shape shape = {SCHEDULE_CHAIN, 8, 2};
	struct schedule middle;
	schedule_make(&shape, 3, &middle);
	assert_int_equal(middle.streams[0].parent, 2);
	assert_int_equal(middle.streams[0].child_count, 1);
	assert_int_equal(middle.streams[0].children[0], 4);
	assert_int_equal(middle.streams[1].root, 4);
	assert_int_equal(middle.streams[1].child_count, 0);
	assert_int_equal(middle.streams[1].depth, 7);
}

/* Neighbours in rank are near each other in the network: from any rank, most of the way to its
 * parent is short.  The average distance in the trees is of the order of the logarithm. */
static void test_edges_are_short(void **state)
{
	enum { SIZE = 4096 };
	const struct schedule_shape shape = {SCHEDULE_TWO_TREE, SIZE, 1};
	(void)state;
	for (int tree = 0; tree < 2; tree++) {
		int64_t sum = 0;
		for (int rank = 1; rank < SIZE; rank++) {
			schedule_make(&shape, rank, &all[0]);
			sum += abs(all[0].streams[tree].parent - rank);
		}
		assert_in_range(sum / SIZE, 1, 12);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_small_size),
		cmocka_unit_test(test_several_readers),
		cmocka_unit_test(test_large_sizes),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_edges_are_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
