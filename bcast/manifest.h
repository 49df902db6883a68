/*
 * manifest.h - the hashes of a file's chunks, known beforehand or taken while it is read.  Pure.
 *
 * XXH3-128 a chunk, in canonical (big-endian) form: MANIFEST_HASH_SIZE bytes each.  It finds
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

/* The hash of one chunk's bytes. */
void manifest_hash(const void *bytes, size_t len, uint8_t hash[MANIFEST_HASH_SIZE]);

/* chunk < the layout's count.  A chunk's hash may be set again. */
void manifest_set(struct manifest *manifest, uint64_t chunk, const uint8_t hash[MANIFEST_HASH_SIZE]);
/* NULL: not known. */
const uint8_t *manifest_get(const struct manifest *manifest, uint64_t chunk);
/* Sets all, of the file at `base`. */
void manifest_hash_all(struct manifest *manifest, const char *base);
/* All chunks' hashes are known. */
bool manifest_complete(const struct manifest *manifest);

/* One hash for all: of size, chunk size and the chunks' hashes.  Only of a complete manifest. */
void manifest_digest(const struct manifest *manifest, uint8_t digest[MANIFEST_HASH_SIZE]);

#endif
