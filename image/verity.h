/*
 * verity.h - the hash tree behind a squashfs, in dm-verity's format.
 *
 * SHA-256 of each 4 KiB, of the blocks of those hashes, and so on to one root hash: who knows the
 * root can check any block when it is first read, and need not read the rest.  The format is that
 * of the kernel's dm-verity, hash type 1, without salt, and of cryptsetup's superblock: so
 *
 *	veritysetup verify FILE FILE ROOT --hash-offset=HASH_AT
 *
 * checks it, and the kernel can mount it.  Levels lie from the root's down to the leaves'.
 */
#ifndef IMAGE_VERITY_H
#define IMAGE_VERITY_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "squash/squash_verity.h"

/* Writes superblock and tree of the first data_size bytes of fd to hash_at of it. */
int verity_write(int fd, uint64_t data_size, uint64_t hash_at, uint8_t root[VERITY_HASH],
		 uint64_t *end, struct err *err);

/* Reads all and compares. -EIO: the first block that differs, or the superblock. */
int verity_check(int fd, uint64_t data_size, uint64_t hash_at, const uint8_t root[VERITY_HASH],
		 struct err *err);

/* SHA-256 of bytes in memory. */
int verity_hash(const void *bytes, size_t len, uint8_t hash[VERITY_HASH], struct err *err);

#endif
