/*
 * squash.h - reading inside a squashfs without mounting it.
 *
 * For planning: who links what, which file is where.  Paths are resolved as a
 * process with this image as its root would: symbolic links, absolute and
 * relative, and ".." never leave the root; at most SQUASH_LINKS_MAX links.  The
 * image is foreign: every walk, name and size is bounded, a broken image is an
 * error.  Not for threads; serving a mount is runtime/'s business.
 */
#ifndef SQUASH_SQUASH_H
#define SQUASH_SQUASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

enum {
	SQUASH_LINKS_MAX = 40,       /* as Linux: MAXSYMLINKS */
	SQUASH_DEPTH_MAX = 128,      /* directories below each other */
	SQUASH_PATH_MAX = 4096,
	SQUASH_ENTRIES_MAX = 20000000,
};

struct squash;

/* One file of the image, a plain value; valid as long as its squash. */
struct squash_node {
	uint64_t inode;   /* where its inode is: equal for hard links of one file */
	uint32_t number;  /* st_ino */
	mode_t mode;
	uint64_t size;    /* of a regular file or a link's text; 0 for others */
};

/* `fd` is borrowed: it must stay open.  It is read by pread(2), so its offset stays;
 * any descriptor of the image does: the file, or the memory file that has arrived. */
int squash_open(int fd, struct squash **squash, struct err *err);
void squash_free(struct squash **squash);
/* What works below, for what a node does not say (squash/squash_disk.h); the squash's own. */
struct disk_reader;
struct disk_reader *squash_reader(struct squash *squash);

/* The file at `path` (with or without leading slash).  With `follow` the last name is
 * followed too.  -ENOENT, -ENOTDIR, -ELOOP; -EIO for a broken image. */
int squash_lookup(struct squash *squash, const char *path, bool follow, struct squash_node *node,
		  struct err *err);

/* The absolute path without any link, "." or ".." (realpath(3)); the caller frees it.
 * `node` may be NULL. */
int squash_realpath_new(struct squash *squash, const char *path, char **real,
			struct squash_node *node, struct err *err);

/* Text of a symbolic link, the caller frees it. */
int squash_readlink_new(struct squash *squash, const struct squash_node *node, char **target,
			struct err *err);

/* Up to `len` bytes at `offset` of a regular file; returns how many (0: end). */
ssize_t squash_read(struct squash *squash, const struct squash_node *node, uint64_t offset,
		    void *bytes, size_t len, struct err *err);

/* A whole small file (at most `max` bytes, else -EFBIG), with a NUL behind it. */
int squash_slurp_new(struct squash *squash, const struct squash_node *node, size_t max,
		     char **bytes, size_t *len, struct err *err);

enum squash_visit {
	SQUASH_VISIT_ON,     /* go on (and down, if it is a directory) */
	SQUASH_VISIT_PRUNE,  /* do not enter this directory */
	SQUASH_VISIT_STOP,   /* end the walk, with success */
};

/* `path` is absolute.  A negative value ends the walk and is its result; *err is
 * then the visitor's to fill. */
typedef int squash_visit_fn(void *context, const char *path, const struct squash_node *node,
			    struct err *err);

/* Visits everything below the directory `path` (not itself), parents first, in
 * the order of the image; symbolic links are visited, not followed. */
int squash_walk(struct squash *squash, const char *path, squash_visit_fn *visit, void *context,
		struct err *err);

/* The names of one directory: the same without going down. */
int squash_list(struct squash *squash, const char *path, squash_visit_fn *visit, void *context,
		struct err *err);

#endif
