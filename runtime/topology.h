/*
 * topology.h - this node's processors, read by hwloc, once.
 *
 * Without PCI and I/O devices, whose discovery costs 9 of 12 ms of a PMIx server's start; the
 * loaded topology can be given to that server.
 */
#ifndef RUNTIME_TOPOLOGY_H
#define RUNTIME_TOPOLOGY_H

#include "common/err.h"
#include "runtime/binding.h"

struct topology;

/* Stands in for a topology where nobody is to be bound: no CPU is in its node (so binding_mask() gives no
 * mask), and its handle is a machine of one PU, which a PMIx server takes in place of
 * a discovery of its own.  Costs nothing; reading /sys costs 10 to 100 us a CPU. */
int topology_none(struct topology **topology, struct err *err);

/* Sees only what this process may run on (sched_getaffinity(2), cpusets). */
int topology_load(struct topology **topology, struct err *err);
void topology_free(struct topology **topology);
#define AUTO_TOPOLOGY __attribute__((cleanup(topology_free)))

/* Valid as long as the topology. */
const struct binding_node *topology_node(const struct topology *topology);

/* The hwloc_topology_t, which stays ours. */
void *topology_handle(const struct topology *topology);

#endif
