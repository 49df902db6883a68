/*
 * squash_super.h - is this the beginning of a squashfs image?  Pure.
 *
 * Checked before anything is broadcast or mounted, so that the error is about the user's file and
 * not about a mount system call.  Layout: squashfs 4.0, 96 bytes, little-endian
 * (Linux: fs/squashfs/squashfs_fs.h).
 */
#ifndef COMMON_SQUASH_SUPER_H
#define COMMON_SQUASH_SUPER_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define SQUASH_SUPER_SIZE 96

struct squash_super {
	uint64_t bytes_used;    /* the image's length without padding */
	uint64_t tables_start;  /* the first table behind the data: inodes */
	uint32_t inodes, block_size;
	const char *compressor;  /* "zstd", ... */
};

/* `bytes`: the first `len` bytes of a file of file_size bytes (give at least SQUASH_SUPER_SIZE of
 * them).  -EINVAL when it is not such an image or is cut short; the text says which, without the
 * file's name.  super may be NULL. */
int squash_super_check(const void *bytes, size_t len, uint64_t file_size,
		       struct squash_super *super, struct err *err);

#endif
