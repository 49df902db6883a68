/*
 * schedule.h - who sends what to whom.  Pure.
 *
 * A schedule is a set of streams.  A stream is one spanning tree over the ranks with a root of its
 * own, a reader of the file.  The chunks are dealt to the streams in turn: chunk i, counted in the
 * order of sending, is number i / stream_count of stream i mod stream_count, and travels along that
 * tree in order.  Stream s belongs to reader s mod readers, so reader j injects the chunks
 * i = j mod readers, and alternates between its trees.  The engine (engine.h) runs any schedule;
 * what a kind is good for:
 *
 *	chain      each rank to the next; a stream a reader.  The bandwidth of the link whatever the
 *	           number of nodes, but size - 1 chunks of delay until the last one has all.
 *	two-tree   two binary trees a reader, each rank inner in at most one of them (Sanders, Speck,
 *	           Traeff: "Two-tree algorithms for full bandwidth broadcast, reduction and scan", 2009):
 *	           what a rank sends to two children in one tree it receives in halves from two
 *	           parents.  The bandwidth of the link too, with 2 log2(size) chunks of delay.
 *
 * Reader j is rank j * size / readers, and its trees are those of reader 0 rotated to it, so the
 * readers load different inner nodes, and neighbours in rank stay neighbours in each tree.
 *
 * One rank's place costs O(log size) time and nothing is shared, so any rank can as well ask for
 * another's: the parent of its parent, say.
 */
#ifndef BCAST_SCHEDULE_H
#define BCAST_SCHEDULE_H

#include <stdint.h>

enum {
	SCHEDULE_READERS_MAX = 16,
	SCHEDULE_TREES_MAX = 2,  /* a reader */
	SCHEDULE_STREAMS_MAX = SCHEDULE_READERS_MAX * SCHEDULE_TREES_MAX,
	SCHEDULE_CHILDREN_MAX = 2,
	SCHEDULE_NO_PARENT = -1,
	SCHEDULE_NO_READER = -1,
};

enum schedule_kind { SCHEDULE_CHAIN, SCHEDULE_TWO_TREE };

/* The same on all ranks. */
struct schedule_shape {
	enum schedule_kind kind;
	int size;     /* ranks, >= 1 */
	int readers;  /* 1 <= readers <= SCHEDULE_READERS_MAX, readers <= size */
};

/* One rank's place in one stream. */
struct schedule_place {
	int root;    /* the reader's rank */
	int parent;  /* SCHEDULE_NO_PARENT at the root */
	int depth;   /* edges from the root */
	int child_count;
	int children[SCHEDULE_CHILDREN_MAX];
};

/* One rank's place in all. */
struct schedule {
	struct schedule_shape shape;
	int rank;
	int reader;  /* the reader that this rank is, or SCHEDULE_NO_READER */
	int stream_count;
	struct schedule_place streams[SCHEDULE_STREAMS_MAX];
};

/* "chain", "two-tree" */
const char *schedule_kind_name(enum schedule_kind kind);

/* 0 <= rank < shape->size */
void schedule_make(const struct schedule_shape *shape, int rank, struct schedule *schedule);

/* The stream that a chunk travels along, and how many of a file's chunks a stream carries. */
int schedule_stream(const struct schedule *schedule, uint64_t chunk);
uint64_t schedule_stream_length(const struct schedule *schedule, int stream, uint64_t chunk_count);
/* The chunk that is number `sequence` of a stream. */
uint64_t schedule_chunk(const struct schedule *schedule, int stream, uint64_t sequence);

/* The largest depth of any rank in any stream. */
int schedule_depth(const struct schedule_shape *shape);

#endif
