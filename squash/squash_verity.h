/*
 * squash_verity.h - reading an image block by block against its hash tree.
 *
 * The tree is dm-verity's (hash type 1, SHA-256, 4 KiB, no salt) and stands behind the squashfs:
 * superblock, then levels from the root's down (image/verity.h writes it, image/config_tail.h has
 * the whole layout).  Who knows the root hash can tell of any 4 KiB, when they are read, that they
 * are what was hashed, and need not read the rest.
 */
#ifndef SQUASH_SQUASH_VERITY_H
#define SQUASH_SQUASH_VERITY_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum {
	VERITY_BLOCK = 4096,
	VERITY_HASH = 32,
	VERITY_PER_BLOCK = VERITY_BLOCK / VERITY_HASH,
	VERITY_LEVELS_MAX = 8,
};

/* Where the levels are; level 0 holds the hashes of data blocks. */
struct verity_shape {
	uint64_t data_blocks;
	unsigned levels;
	uint64_t level_at[VERITY_LEVELS_MAX];      /* in the file, bytes */
	uint64_t level_blocks[VERITY_LEVELS_MAX];
	uint64_t end;                              /* the tree ends here */
};

/* Pure.  `hash_at` is where the superblock is: a multiple of VERITY_BLOCK; data_size too. */
int verity_shape_of(uint64_t data_size, uint64_t hash_at, struct verity_shape *shape,
		    struct err *err);

struct squash_verity;

/* `fd` is borrowed.  Reads nothing yet. */
int squash_verity_new(int fd, uint64_t bytes_used, const uint8_t root[VERITY_HASH],
		      struct squash_verity **verity, struct err *err);
void squash_verity_free(struct squash_verity **verity);

/* Exactly `len` bytes at `at` of the squashfs, every block of them checked each time; any number of
 * threads.  -EIO: they are not what was hashed. */
int squash_verity_read(struct squash_verity *verity, uint64_t at, void *bytes, size_t len,
		       struct err *err);

#endif
