/*
 * attributes.h - what an inode of the merged tree is to be in squashfs, as one value.
 *
 * Pure.  Who writes the image asks here, and so does who reads it back: so every decision
 * (whose file, which time, how many links) is made in one place and compared as a whole.
 */
#ifndef IMAGE_ATTRIBUTES_H
#define IMAGE_ATTRIBUTES_H

#include "image/layer_tree.h"

struct attributes {
	mode_t mode;              /* type and permissions */
	uint32_t uid, gid;
	uint32_t mtime;           /* squashfs' range, 1970 to 2106: outside of it the nearest */
	uint32_t links;           /* names; of a directory 2 and its directories */
	uint32_t number;          /* as the tree's inode has it: 0 before the image is written */
	uint32_t parent;          /* of a directory: its parent's number; the root's is the one behind the last */
	uint32_t device;          /* 0: the tree has no device nodes */
	uint64_t size;            /* of a regular file or a link's text; else 0 */
};

/* `id`: any name of the inode.  `inodes`: how many the image has. */
struct attributes attributes_of(struct layer_tree *tree, uint32_t id, uint64_t inodes);

/* What differs, for a text ("another owner"); NULL: nothing. */
const char *attributes_differ(const struct attributes *wanted, const struct attributes *got);

/* The extended attribute of that name; NULL: there is none.  `entry` may be NULL. */
const struct layer_xattr *attributes_xattr(const struct layer_entry *entry, const char *name);

#endif
