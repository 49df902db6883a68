/*
 * build_squash.h - a sorted tree and its files' content → squashfs, by libsquashfs.
 *
 * Content first, in any order (it lies in the image as it came); then everything else from
 * the tree.  The same calls give the same bytes, however many threads compress.
 */
#ifndef IMAGE_BUILD_SQUASH_H
#define IMAGE_BUILD_SQUASH_H

#include "common/squash_super.h"
#include "image/layer_tree.h"

struct build_squash;

struct build_squash_options {
	enum squash_compressor compressor;
	int level;             /* 0: zstd 3, else the compressor's own */
	uint32_t block_size;   /* a power of two of [4 KiB, 1 MiB] */
	unsigned threads;      /* that compress; at least 1 */
};

/* `fd` is an empty regular file, read-write; borrowed, as is the tree. -EINVAL: options. */
int build_squash_new(int fd, struct layer_tree *tree, const struct build_squash_options *options,
		     struct build_squash **squash, struct err *err);
void build_squash_free(struct build_squash **squash);

/* The content of one regular file (`inode`: its index in the tree). -ENOSPC, … of the file. */
int build_squash_begin(struct build_squash *squash, uint32_t inode, struct err *err);
int build_squash_append(struct build_squash *squash, const void *bytes, size_t len, struct err *err);
int build_squash_end(struct build_squash *squash, struct err *err);

/* Every regular file of the tree was begun and ended: writes the rest, and pads the file to
 * whole 4 KiB.  Inodes of the tree get their numbers. */
int build_squash_finish(struct build_squash *squash, uint64_t *bytes_used, struct err *err);

#endif
