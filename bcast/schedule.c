/*
 * schedule.c - the trees (schedule.h).  Pure: a kind, a rank and a size in, the rank's neighbours
 * out.
 *
 * Invariants (tests/unit/bcast/schedule_test.c, for every size up to 600): in each tree every
 * rank but 0 has exactly one parent, which names it as its child, and rank 0 is reached from all.
 */
#include "bcast/schedule.h"

static void chain_make(struct schedule *schedule)
{
	struct schedule_place *place = &schedule->trees[0];
	schedule->tree_count = 1;
	place->parent = schedule->rank > 0 ? schedule->rank - 1 : SCHEDULE_NO_PARENT;
	if (schedule->rank + 1 < schedule->size)
		place->children[place->child_count++] = schedule->rank + 1;
}

void schedule_make(enum schedule_kind kind, int rank, int size, struct schedule *schedule)
{
	*schedule = (struct schedule){.rank = rank, .size = size};
	switch (kind) {
	case SCHEDULE_CHAIN:
		chain_make(schedule);
		return;
	}
}

int schedule_tree(const struct schedule *schedule, uint64_t chunk)
{
	return (int)(chunk % (uint64_t)schedule->tree_count);
}
