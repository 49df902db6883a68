/*
 * chunk.h - a file as a row of chunks.  Pure.
 *
 * A chunk is what is sent, received and hashed as one.  All have the same size but the last, which
 * has what is left and is never empty.  An empty file has no chunks.
 */
#ifndef BCAST_CHUNK_H
#define BCAST_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* An MPI count is an int, and a chunk is one message. */
#define CHUNK_SIZE_MAX (64u << 20)

struct chunk_layout {
	uint64_t size;        /* bytes of the file */
	uint32_t chunk_size;  /* bytes */
	uint64_t count;
};

/* The chunk size that suits a file of `size` bytes, and the largest for it: large files can afford
 * larger chunks, which cost fewer messages, and the pipeline's filling time stays small against the
 * whole.  1 MiB below 1 GB, 2 below 2 GB, 4 below 4 GB, 8 above. */
uint32_t chunk_size_for(uint64_t size);

/* -EINVAL for a chunk_size of 0 or above CHUNK_SIZE_MAX, -EFBIG above 2^62 bytes. */
int chunk_layout_make(uint64_t size, uint32_t chunk_size, struct chunk_layout *layout,
		      struct err *err);

/* chunk < count */
uint64_t chunk_offset(const struct chunk_layout *layout, uint64_t chunk);
size_t chunk_length(const struct chunk_layout *layout, uint64_t chunk);

/* The first byte behind the first `chunks` chunks; 0 <= chunks <= count. */
uint64_t chunk_prefix(const struct chunk_layout *layout, uint64_t chunks);

#endif
