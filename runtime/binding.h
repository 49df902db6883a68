/*
 * binding.h - which CPUs a rank gets.  Pure.
 *
 * The node is a list of processing units (PUs: hardware threads) in topological order, each with
 * the core and the NUMA node it belongs to; only PUs that this process may use are in it
 * (topology.h fills it).  Ranks are spread evenly in that order: with fewer ranks than cores,
 * neighbours stay near each other and all memory controllers are used.
 */
#ifndef RUNTIME_BINDING_H
#define RUNTIME_BINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BINDING_CPUS_MAX = 4096 };

enum binding_policy { BINDING_NONE, BINDING_CORE, BINDING_NUMA };

struct binding_pu {
	uint32_t cpu;   /* the kernel's number */
	uint32_t core;  /* logical index on the node, counted over allowed cores: 0, 1, ... */
	uint32_t numa;  /* logical index, likewise */
};

struct binding_node {
	const struct binding_pu *pus;  /* sorted by (numa, core) */
	size_t pu_count;
	uint32_t core_count, numa_count;
};

/* A mask in the layout of sched_setaffinity(2) on a little-endian machine. */
struct cpu_mask {
	uint8_t bytes[BINDING_CPUS_MAX / 8];
};

/* true when every rank can have a core of its own. */
bool binding_fits(const struct binding_node *node, uint32_t local_ranks);

/* The policy's mask for local_rank of local_ranks.  Returns the bytes of it that count: 0 when the
 * rank is not to be bound (policy NONE, an empty node).
 * CORE: all PUs of core local_rank * core_count / local_ranks (several ranks share a core when
 * they do not fit; the caller decides whether that is wanted).
 * NUMA: all PUs of the NUMA node of that core. */
size_t binding_mask(const struct binding_node *node, enum binding_policy policy,
		    uint32_t local_rank, uint32_t local_ranks, struct cpu_mask *mask);

/* "core", "numa", "none"; -EINVAL for anything else. */
int binding_policy_parse(const char *text, enum binding_policy *policy);

#endif
