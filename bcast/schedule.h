/*
 * schedule.h - who sends what to whom.  Pure.
 *
 * A schedule is one or more spanning trees over the ranks, all rooted at rank 0.  Chunk i travels
 * along tree i mod tree_count, in order.  The engine (engine.h) runs any schedule; what a kind is
 * good for:
 *
 *	chain      each rank to the next: the bandwidth of the link whatever the number of nodes, but
 *	           (size - 1) chunks of delay until the last one has all.  Best for few nodes.
 */
#ifndef BCAST_SCHEDULE_H
#define BCAST_SCHEDULE_H

#include <stdint.h>

enum { SCHEDULE_TREES_MAX = 2, SCHEDULE_CHILDREN_MAX = 2, SCHEDULE_NO_PARENT = -1 };

enum schedule_kind { SCHEDULE_CHAIN };

/* One rank's place in one tree. */
struct schedule_place {
	int parent;  /* SCHEDULE_NO_PARENT at the root */
	int child_count;
	int children[SCHEDULE_CHILDREN_MAX];
};

/* One rank's place in all. */
struct schedule {
	int rank, size;
	int tree_count;
	struct schedule_place trees[SCHEDULE_TREES_MAX];
};

/* 0 <= rank < size */
void schedule_make(enum schedule_kind kind, int rank, int size, struct schedule *schedule);

/* The tree that the chunk travels along. */
int schedule_tree(const struct schedule *schedule, uint64_t chunk);

#endif
