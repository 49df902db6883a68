/*
 * early.h - when a squashfs image that is still arriving can be mounted, and what to fetch for
 * that.  Pure.
 *
 * The superblock is the file's first bytes and says where the tables begin (inodes, directories,
 * fragments, ids, attributes), which fill the end of the image.  With both a mount works, and every
 * other chunk can be waited for when it is read.
 */
#ifndef BCAST_EARLY_H
#define BCAST_EARLY_H

#include <stdbool.h>
#include <stdint.h>

#include "bcast/chunk.h"

struct early {
	struct chunk_layout layout;
	bool has_super, is_squashfs, told;
	uint64_t first, end;    /* chunks of the tables */
	uint64_t wanted;        /* the next of them to be asked for */
	uint64_t missing;       /* of them */
};

void early_init(struct early *early, const struct chunk_layout *layout);

/* A chunk is here, verified; `base` is the file's.  has(context, chunk): is that one here (`chunk` is)?
 * Returns true once: when a mount is possible. */
bool early_arrived(struct early *early, uint64_t chunk, const char *base,
		   bool (*has)(void *context, uint64_t chunk), void *context);

/* A chunk that a mount needs, each once; false: none (yet). */
bool early_take_wanted(struct early *early, uint64_t *chunk);

#endif
