/*
 * sidecar.h - what is known of an image file without reading it: hashes, digest, hot chunks.  Pure.
 *
 * It is kept in a small file beside the image (sidecar_file.h), and is believed only of the very
 * file that it was made of: same inode, size and modification time.  On disk: magic, the fields in
 * the order of the struct (integers little-endian), the hashes, the hot chunks as u32, and XXH3-128
 * of everything before.
 */
#ifndef BCAST_SIDECAR_H
#define BCAST_SIDECAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "bcast/chunk.h"
#include "common/buf.h"
#include "common/err.h"

enum {
	SIDECAR_HASH_SIZE = 16,
	SIDECAR_CHUNKS_MAX = 1 << 24,
	SIDECAR_HEAD_SIZE = 8 + 4 * 8 + SIDECAR_HASH_SIZE,
	SIDECAR_BYTES_MAX = SIDECAR_HEAD_SIZE + SIDECAR_CHUNKS_MAX * (SIDECAR_HASH_SIZE + 4) + 64,
};

struct sidecar {
	/* Whose it is. */
	uint64_t inode;
	uint64_t size;              /* bytes */
	int64_t mtime_ns;
	/* What it holds. */
	uint32_t chunk_size;        /* bytes; for hashes and hot alike */
	uint8_t digest[SIDECAR_HASH_SIZE];  /* as manifest.h makes it */
	uint64_t chunk_count;       /* that of size and chunk_size */
	uint8_t *hashes;            /* XXH3-128 (canonical) a chunk; NULL: no chunks */
	uint32_t *hot;              /* the chunks that a start needs, in that order, each once */
	size_t hot_count;
};

/* Fills in whose, and room for the hashes of that many chunks (zeroes); no hot chunks.  -EFBIG
 * above SIDECAR_CHUNKS_MAX. */
int sidecar_init(const struct stat *status, uint32_t chunk_size, struct sidecar *sidecar,
		 struct err *err);
void sidecar_free(struct sidecar *sidecar);
#define AUTO_SIDECAR __attribute__((cleanup(sidecar_free)))

/* Is it of this file, as it is now? */
bool sidecar_fits(const struct sidecar *sidecar, const struct stat *status);

/* Replaces the hot chunks by those that the `count` byte ranges touch, in their order; ranges
 * behind the image's end are ignored. */
struct sidecar_range {
	uint64_t offset, len;  /* bytes of the image file */
};
int sidecar_set_hot(struct sidecar *sidecar, const struct sidecar_range *ranges, size_t count,
		    struct err *err);

/* Sets the digest from the hashes, to what manifest_digest() gives for the same file. */
void sidecar_set_digest(struct sidecar *sidecar);

/* The first chunk whose hash is another one in `hashes` (chunk_count of them), or chunk_count. */
uint64_t sidecar_compare(const struct sidecar *sidecar, const uint8_t *hashes);

void sidecar_pack(const struct sidecar *sidecar, struct buf *out);
/* -EPROTO for anything that pack did not write; then *sidecar is empty. */
int sidecar_parse(const void *bytes, size_t len, struct sidecar *sidecar, struct err *err);

#endif
