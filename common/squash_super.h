/*
 * squash_super.h - the first 96 bytes of a squashfs image, version 4.
 *
 * Pure: bytes in, verdict out.  The format is that of the kernel's
 * fs/squashfs/squashfs_fs.h; all integers are little-endian.
 */
#ifndef COMMON_SQUASH_SUPER_H
#define COMMON_SQUASH_SUPER_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum { SQUASH_SUPER_SIZE = 96 };

enum squash_compressor {
	SQUASH_GZIP = 1,
	SQUASH_LZMA = 2,  /* only kernels and tools before 2010: refused */
	SQUASH_LZO = 3,
	SQUASH_XZ = 4,
	SQUASH_LZ4 = 5,
	SQUASH_ZSTD = 6,
};

struct squash_super {
	uint64_t bytes_used;            /* the image ends here; the file may be padded */
	uint64_t inode_table, directory_table, fragment_table, export_table, id_table, xattr_table;
	uint64_t root_inode;            /* block << 16 | offset, relative to the inode table */
	uint32_t inodes, fragments, block_size, mtime;
	uint16_t block_log, flags, ids;
	enum squash_compressor compressor;
};

/* Reads and checks a superblock.  `len` is how many bytes the file gave (a short
 * file gives fewer than SQUASH_SUPER_SIZE), `file_size` what the file system says.
 * -EMEDIUMTYPE: not squashfs (the text says what it looks like); -ENODATA: truncated;
 * -ENOTSUP: a version or compressor that is not known; -EBADMSG: the fields
 * contradict each other.  The text has no file name: the caller prefixes it. */
int squash_super_parse(const void *bytes, size_t len, uint64_t file_size,
		       struct squash_super *super, struct err *err);

/* "zstd", "gzip", …; "?" for a value outside the enum. */
const char *squash_compressor_name(enum squash_compressor compressor);

#endif
