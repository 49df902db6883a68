/*
 * binding.c - CPU masks for ranks (binding.h).  Pure.
 */
#include "runtime/binding.h"

#include <errno.h>
#include <string.h>

bool binding_fits(const struct binding_node *node, uint32_t local_ranks)
{
	return local_ranks <= node->core_count;
}

static uint32_t numa_of_core(const struct binding_node *node, uint32_t core)
{
	for (size_t i = 0; i < node->pu_count; i++)
		if (node->pus[i].core == core)
			return node->pus[i].numa;
	return 0;
}

size_t binding_mask(const struct binding_node *node, enum binding_policy policy,
		    uint32_t local_rank, uint32_t local_ranks, struct cpu_mask *mask)
{
	memset(mask, 0, sizeof *mask);
	if (policy == BINDING_NONE || node->core_count == 0 || local_rank >= local_ranks)
		return 0;
	uint32_t core = (uint32_t)((uint64_t)local_rank * node->core_count / local_ranks);
	uint32_t numa = numa_of_core(node, core);
	size_t len = 0;
	for (size_t i = 0; i < node->pu_count; i++) {
		const struct binding_pu *pu = &node->pus[i];
		bool mine = policy == BINDING_CORE ? pu->core == core : pu->numa == numa;
		if (!mine || pu->cpu >= BINDING_CPUS_MAX)
			continue;
		mask->bytes[pu->cpu / 8] |= (uint8_t)(1u << pu->cpu % 8);
		if (pu->cpu / 8 + 1 > len)
			len = pu->cpu / 8 + 1;
	}
	return len;
}

int binding_policy_parse(const char *text, enum binding_policy *policy)
{
	static const char *const names[] = {
		[BINDING_NONE] = "none", [BINDING_CORE] = "core", [BINDING_NUMA] = "numa"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(text, names[i]) != 0)
			continue;
		*policy = (enum binding_policy)i;
		return 0;
	}
	return -EINVAL;
}
