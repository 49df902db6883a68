/*
 * participants.c - processes to ranges of ranks to ranges of nodes
 * (participants.h).  Pure.
 */
#include "pmix/participants.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static int compare_ranges(const void *left, const void *right)
{
	const struct rank_range *a = left, *b = right;
	return (a->first > b->first) - (a->first < b->first);
}

size_t participants_normalize(struct rank_range *ranges, size_t count)
{
	size_t kept = 0;
	if (count == 0)
		return 0;
	qsort(ranges, count, sizeof *ranges, compare_ranges);
	for (size_t i = 1; i < count; i++) {
		if (ranges[i].first > (uint64_t)ranges[kept].last + 1)
			ranges[++kept] = ranges[i];
		else if (ranges[i].last > ranges[kept].last)
			ranges[kept].last = ranges[i].last;
	}
	return kept + 1;
}

void participants_signature(const struct rank_range *ranges, size_t count, uint64_t signature[2])
{
	XXH128_hash_t hash = XXH3_128bits(ranges, count * sizeof *ranges);
	signature[0] = hash.low64;
	signature[1] = hash.high64;
}

/* Puts `node` into the ascending set whose last range may already touch it. */
static void add_node(struct fence_range *set, size_t *count, uint32_t node)
{
	if (*count > 0 && set[*count - 1].last + 1 >= node)
		set[*count - 1].last = node;
	else
		set[(*count)++] = (struct fence_range){node, node};
}

struct fence_range *participants_nodes_new(const struct pmi_job *job,
					   const struct rank_range *ranges, size_t count,
					   size_t *range_count)
{
	struct fence_range *set = calloc((size_t)job->node_count / 2 + 1, sizeof *set);
	*range_count = 0;
	for (size_t i = 0; set != NULL && i < count; i++) {
		uint32_t last = pmi_job_node_of(job, ranges[i].last);
		for (uint32_t node = pmi_job_node_of(job, ranges[i].first); node <= last; node++)
			if (job->node_rank_count[node] > 0)
				add_node(set, range_count, node);
	}
	return set;
}
