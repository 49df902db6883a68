/*
 * node_memory.h - a file in this node's memory, without a name.
 */
#ifndef RUNTIME_NODE_MEMORY_H
#define RUNTIME_NODE_MEMORY_H

#include <stdint.h>

#include "common/err.h"

/* A file of `size` bytes, all of them reserved, read-write; on huge pages where the kernel has
 * them (a tmpfs of our own, for which the caller needs a mount namespace of its own), else a memfd.
 * A descriptor, or -ENOSPC with the numbers when the node has not the memory. */
int node_memory_new(uint64_t size, struct err *err);

#endif
