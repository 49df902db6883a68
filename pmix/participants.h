/*
 * participants.h - who takes part in a PMIx collective, as values.
 *
 * PMIx names processes one by one, in any order and with wildcards; all
 * participants must arrive at the same signature and set of nodes.
 */
#ifndef PMIX_PARTICIPANTS_H
#define PMIX_PARTICIPANTS_H

#include <stddef.h>
#include <stdint.h>

#include "pmix/fence.h"
#include "pmix/pmi_job.h"

/* Ranks first .. last. */
struct rank_range {
	uint32_t first, last;
};

/* Sorts, and joins what overlaps or touches; returns the new count. */
size_t participants_normalize(struct rank_range *ranges, size_t count);

/* A digest of normalized ranges. */
void participants_signature(const struct rank_range *ranges, size_t count, uint64_t signature[2]);

/* The set of nodes (fence.h) that hold ranks of normalized `ranges`, which all
 * exist. Newly allocated, *range_count ranges; NULL: no memory. */
struct fence_range *participants_nodes_new(const struct pmi_job *job,
					   const struct rank_range *ranges, size_t count,
					   size_t *range_count);

#endif
