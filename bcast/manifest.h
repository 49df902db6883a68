/*
 * manifest.h - the hashes of a file's chunks, taken while the file arrives.  Pure.
 *
 * XXH3-128 a chunk, in canonical (big-endian) form: CHUNK_HASH_SIZE bytes each, in order.  It finds
 * damage, not malice: who can write to the fabric's buffers has other ways.
 */
#ifndef BCAST_MANIFEST_H
#define BCAST_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bcast/chunk.h"
#include "common/err.h"

enum { MANIFEST_HASH_SIZE = 16 };

struct manifest;

int manifest_new(const struct chunk_layout *layout, struct manifest **manifest, struct err *err);
void manifest_free(struct manifest **manifest);

/* Hashes on where it stopped: of the file at `base`, whose first `available` bytes are there, at
 * most `budget` bytes.  Returns how many it hashed; 0: nothing to do. */
size_t manifest_hash(struct manifest *manifest, const char *base, uint64_t available,
		     size_t budget);
/* All chunks are hashed. */
bool manifest_complete(const struct manifest *manifest);

/* All hashes; *len may be 0. Only of a complete manifest. */
const uint8_t *manifest_bytes(const struct manifest *manifest, size_t *len);
/* The first chunk whose hash is another one in `bytes` (of the same length), or the layout's
 * count. */
uint64_t manifest_compare(const struct manifest *manifest, const uint8_t *bytes);
/* One hash for all: of size, chunk size and the chunks' hashes. */
void manifest_digest(const struct manifest *manifest, uint8_t digest[MANIFEST_HASH_SIZE]);

#endif
