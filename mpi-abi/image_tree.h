/*
 * image_tree.h - directories and symbolic links of an image, as a value.
 *
 * Enough to resolve any path as a process in the container would, without the image.  Of regular
 * files only those are known that were added (ELF files, /etc); others are reported missing, which
 * harms nobody: a bind's target is made when it is not there.  Pure.
 */
#ifndef MPI_ABI_IMAGE_TREE_H
#define MPI_ABI_IMAGE_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "mpi-abi/names.h"

enum { IMAGE_TREE_LINKS_MAX = 40, IMAGE_TREE_PATH_MAX = 4096, IMAGE_TREE_ENTRIES_MAX = 20000000 };

enum image_tree_kind { IMAGE_TREE_DIRECTORY = 1, IMAGE_TREE_LINK, IMAGE_TREE_FILE };

struct image_tree_entry {
	char *path, *link;  /* absolute; the link's text, NULL for others */
	enum image_tree_kind kind;
};

struct image_tree {
	struct image_tree_entry *entries;
	size_t count, size;
	struct names by_path;  /* index of the entry */
};

/* `link` for a link only.  A path that is there already stays as it is. */
int image_tree_add(struct image_tree *tree, enum image_tree_kind kind, const char *path,
		   const char *link, struct err *err);

/* The path without links, "." and ".." (the caller frees it) and what is there; "/" is always
 * there.  -ENOENT, -ENOTDIR, -ELOOP without err. */
int image_tree_realpath_new(const struct image_tree *tree, const char *path, char **real,
			    enum image_tree_kind *kind);

void image_tree_pack(const struct image_tree *tree, struct buf *out);
/* -EPROTO for anything that pack did not write; *tree must be empty, is to be freed in any case. */
int image_tree_parse(struct cursor *in, struct image_tree *tree, struct err *err);

void image_tree_free(struct image_tree *tree);

#endif
