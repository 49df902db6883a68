/*
 * schedule.c - the trees (schedule.h).  Pure: a shape and a rank in, the rank's neighbours out.
 *
 * All is computed on places 0 to size - 1, counted from the stream's root; rank = place + root.
 *
 * The two trees are over the places 1 to n, n = size - 1; the root feeds the top of each.  The
 * first is the binary tree whose in-order walk is 1, 2, ... n: the height of a place is the number
 * of its trailing zero bits, odd places are leaves, even ones are inner.  Places above n are cut
 * out, and what hangs on them goes to the nearest ancestor that is there.  The second is the first
 * one mirrored when n is even and shifted by one when it is odd, so that its even places are the
 * leaves.
 *
 * Invariants (tests/unit/bcast/schedule_test.c, for every size up to 600 and some up to 65536):
 * in each stream every rank but the root has exactly one parent, which names it as its child, and
 * all are reached from the root; no rank has children in both trees of a reader.
 */
#include "bcast/schedule.h"

static void link_chain(int size, int place, struct schedule_place *at)
{
	at->depth = place;
	at->parent = place > 0 ? place - 1 : SCHEDULE_NO_PARENT;
	if (place + 1 < size)
		at->children[at->child_count++] = place + 1;
}

/* The weight of a number's lowest bit: 2 ^ its height in the in-order tree. */
static int low_bit(int number)
{
	return number & -number;
}

/* In-order tree over 1 to n: the highest number of all. */
static int inorder_top(int n)
{
	int top = 1;
	while (top <= n / 2)
		top *= 2;
	return top;
}

/* 0 at the top. */
static int inorder_parent(int n, int number)
{
	if (number == inorder_top(n))
		return 0;
	do {
		int bit = low_bit(number);
		number = (number ^ bit) | (bit << 1);
	} while (number > n);
	return number;
}

/* 0 where there is none.  A right child above n gives way to what is left below it. */
static int inorder_child(int n, int number, int right)
{
	int step = low_bit(number) / 2;
	if (step == 0)
		return 0;
	int child = right ? number + step : number - step;
	while (child > n && low_bit(child) > 1)
		child -= low_bit(child) / 2;
	return child <= n ? child : 0;
}

/* The place of the second tree that stands where `number` stands in the first, and back. */
static int second_place(int n, int number)
{
	if (n % 2 == 0)
		return n + 1 - number;
	return number == n ? 1 : number + 1;
}

static int second_number(int n, int place)
{
	if (n % 2 == 0)
		return n + 1 - place;
	return place == 1 ? n : place - 1;
}

static int place_of(int n, int tree, int number)
{
	return tree == 0 || number == 0 ? number : second_place(n, number);
}

static void link_tree(int size, int tree, int place, struct schedule_place *at)
{
	int n = size - 1;
	if (place == 0) {
		at->parent = SCHEDULE_NO_PARENT;
		if (n > 0)
			at->children[at->child_count++] = place_of(n, tree, inorder_top(n));
		return;
	}
	int number = tree == 0 ? place : second_number(n, place);
	at->parent = place_of(n, tree, inorder_parent(n, number));
	for (int right = 0; right < 2; right++) {
		int child = inorder_child(n, number, right);
		if (child != 0)
			at->children[at->child_count++] = place_of(n, tree, child);
	}
	for (; number != 0; number = inorder_parent(n, number))
		at->depth++;
}

static int reader_rank(const struct schedule_shape *shape, int reader)
{
	return (int)((int64_t)reader * shape->size / shape->readers);
}

static int trees(enum schedule_kind kind)
{
	return kind == SCHEDULE_TWO_TREE ? 2 : 1;
}

/* From places, counted from the root, to ranks. */
static void rotate(int size, int root, struct schedule_place *at)
{
	at->root = root;
	if (at->parent != SCHEDULE_NO_PARENT)
		at->parent = (at->parent + root) % size;
	for (int i = 0; i < at->child_count; i++)
		at->children[i] = (at->children[i] + root) % size;
}

void schedule_make(const struct schedule_shape *shape, int rank, struct schedule *schedule)
{
	*schedule = (struct schedule){
		.shape = *shape,
		.rank = rank,
		.reader = SCHEDULE_NO_READER,
		.stream_count = shape->readers * trees(shape->kind),
	};
	for (int stream = 0; stream < schedule->stream_count; stream++) {
		int reader = stream % shape->readers, tree = stream / shape->readers;
		int root = reader_rank(shape, reader);
		int place = (rank - root + shape->size) % shape->size;
		if (place == 0)
			schedule->reader = reader;
		if (shape->kind == SCHEDULE_CHAIN)
			link_chain(shape->size, place, &schedule->streams[stream]);
		else
			link_tree(shape->size, tree, place, &schedule->streams[stream]);
		rotate(shape->size, root, &schedule->streams[stream]);
	}
}

int schedule_stream(const struct schedule *schedule, uint64_t chunk)
{
	return (int)(chunk % (uint64_t)schedule->stream_count);
}

uint64_t schedule_stream_length(const struct schedule *schedule, int stream, uint64_t chunk_count)
{
	uint64_t streams = (uint64_t)schedule->stream_count;
	return chunk_count / streams + ((uint64_t)stream < chunk_count % streams);
}

uint64_t schedule_chunk(const struct schedule *schedule, int stream, uint64_t sequence)
{
	return sequence * (uint64_t)schedule->stream_count + (uint64_t)stream;
}

int schedule_depth(const struct schedule_shape *shape)
{
	int depth = 0;
	if (shape->kind == SCHEDULE_CHAIN)
		return shape->size - 1;
	for (int n = shape->size - 1; n > 0; n /= 2)
		depth++;
	return depth;
}

const char *schedule_kind_name(enum schedule_kind kind)
{
	static const char *const names[] = {
		[SCHEDULE_CHAIN] = "chain",
		[SCHEDULE_TWO_TREE] = "two-tree",
	};
	return names[kind];
}
