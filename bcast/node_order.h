/*
 * node_order.h - an order of the nodes in which neighbours are near each other.  Pure.
 *
 * The trees of schedule.h have most of their edges between ranks of near numbers, so ranks that are
 * near in the network keep traffic off the links between cabinets.  (A random order costs a dragonfly
 * up to five times the time.)
 *
 * What is known of a node's place: its name, since sites number nodes by where they stand; and where
 * the site says more, the switches above it from the top down, in the form of Slurm's
 * SLURM_TOPOLOGY_ADDR: "core1.leaf12.node7".  Numbers in either compare as numbers.
 */
#ifndef BCAST_NODE_ORDER_H
#define BCAST_NODE_ORDER_H

#include "common/err.h"

struct node_site {
	const char *name;
	const char *switches;  /* as above; "" where nobody says */
};

/* order[i] becomes the index of the node that is the i-th.  Nodes of equal sites keep their order, and
 * order[0] is `first`: the row is turned until that is in front, so neighbours stay neighbours. */
int node_order_make(const struct node_site *sites, int count, int first, int *order,
		    struct err *err);

/* <0, 0, >0: bytes in order, runs of digits by value. */
int node_order_compare(const char *a, const char *b);

#endif
