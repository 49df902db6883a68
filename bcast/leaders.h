/*
 * leaders.h - one rank a node.  (Uses MPI.)
 */
#ifndef BCAST_LEADERS_H
#define BCAST_LEADERS_H

#include "bcast/session.h"
#include "common/err.h"

/* Collective over `all`.  *leaders becomes a session of the lowest rank of each node (by
 * processor name: a node's ranks share it, and virtual nodes of one host do not), with its watch.
 * Rank 0 is its rank 0 too; the others are in the order of node_order.h, by that name and
 * SLURM_TOPOLOGY_ADDR of the environment.  On ranks that are not among them its size is 0. */
int leaders_keep(struct session *all, struct session *leaders, struct err *err);
void leaders_free(struct session *leaders);

#endif
