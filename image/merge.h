/*
 * merge.h - scans of all layers → the tree of the image, and what of each layer is alive.
 *
 * Pure.  The scans must outlive the merge: names and entries stay theirs.
 */
#ifndef IMAGE_MERGE_H
#define IMAGE_MERGE_H

#include "image/layer_scan.h"
#include "image/layer_tree.h"

#define MERGE_BYTES_MAX (1ull << 42)  /* of all files of an image: 4 TiB */

struct merge {
	struct layer_tree *tree;
	/* Regular files that have a name in the end, as inodes of the tree, in the order in which
	 * their content streams by: by layer, then as in its tar. */
	uint32_t *files;
	size_t file_count;
	uint64_t bytes;     /* of their contents */
	uint64_t inodes;    /* of all kinds */
};

/* -EBADMSG, -E2BIG, -ELOOP, -EFBIG, -ENOMEM.  Without layers: an empty root. */
int merge_layers(struct layer_scan *const *scans, size_t count, struct merge *merge, struct err *err);
void merge_free(struct merge *merge);

#endif
