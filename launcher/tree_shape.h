/*
 * tree_shape.h - the daemons' control tree as arithmetic.
 *
 * Nodes 0..count-1; the children of i are i*K+1 .. i*K+K; node 0 is the root.
 * 10,000 nodes are four levels deep with K = 16; a daemon holds at most 17 links.
 */
#ifndef LAUNCHER_TREE_SHAPE_H
#define LAUNCHER_TREE_SHAPE_H

#include <stdint.h>

#define TREE_FANOUT 16u
#define TREE_NONE UINT32_MAX

/* TREE_NONE for the root. */
static inline uint32_t tree_parent(uint32_t node)
{
	return node == 0 ? TREE_NONE : (node - 1) / TREE_FANOUT;
}

static inline uint32_t tree_child_count(uint32_t node, uint32_t count)
{
	uint64_t first = (uint64_t)node * TREE_FANOUT + 1;
	if (first >= count)
		return 0;
	uint64_t left = count - first;
	return left < TREE_FANOUT ? (uint32_t)left : TREE_FANOUT;
}

static inline uint32_t tree_child(uint32_t node, uint32_t which)
{
	return node * TREE_FANOUT + 1 + which;
}

/* The neighbour of `self` on the way to `target`: a child when the target is in
 * its subtree, else the parent; `self` for itself. */
static inline uint32_t tree_next_hop(uint32_t self, uint32_t target)
{
	if (target == self)
		return self;
	for (uint32_t node = target; node > self; node = tree_parent(node))
		if (tree_parent(node) == self)
			return node;
	return tree_parent(self);
}

#endif
