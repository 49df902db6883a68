/*
 * layer_tree.h - the files of an image: layers' entries, applied one upon the other.
 *
 * Pure.  The rules are those of the OCI image specification (layer.md), and where it is
 * silent those of umoci:
 * - ".wh.NAME" hides NAME of lower layers, ".wh..wh..opq" all that lower layers have in its
 *   directory; neither hides what the same layer brings, whatever the order.
 * - A parent that is a symbolic link is followed, inside of the root; one that is missing is
 *   made (root's, 0755, time 0).  The last name is never followed.
 * - The last of several entries of one path holds.  A directory upon a directory changes its
 *   attributes; everything else replaces what was there.
 * - Paths are cleaned: "./a//b/../c" is "a/c"; one that would leave the root is refused.
 * - A hard link may lead to a lower layer's file; it shares its inode from then on.
 * - Device nodes are dropped: they still replace what was there.
 */
#ifndef IMAGE_LAYER_TREE_H
#define IMAGE_LAYER_TREE_H

#include "common/err.h"
#include "image/layer_entry.h"

enum {
	TREE_DEPTH_MAX = 120,  /* directories below each other: squash/ reads 128 */
	TREE_NAME_MAX = 255,
	TREE_ROOT = 1,         /* its id; 0 is no node */
};

/* A name in a directory. */
struct layer_tree_node {
	const char *name;   /* not terminated; inside of an entry's strings, which must live on */
	uint16_t name_len;
	uint16_t depth;     /* the root has 0 */
	uint32_t parent, child, next, prev;  /* ids; of a directory, `child` is the first */
	uint32_t inode;
	uint32_t chain;     /* in its bucket */
	uint32_t holds;     /* layer + 1 that last brought it, or something below it */
};

/* What a name stands for; several for hard links. */
struct layer_tree_inode {
	const struct layer_entry *entry;  /* NULL: a directory that was made */
	uint32_t layer;     /* whose entry that is */
	uint32_t links;     /* names; 0: free */
	uint32_t number;    /* for who writes the tree: 0 until then */
};

struct layer_tree;

struct layer_tree *layer_tree_new(void);  /* NULL: no memory */
void layer_tree_free(struct layer_tree **tree);

/* Layers in their order, lowest first, `layer` from 0.  The entries are borrowed.  -EBADMSG:
 * entries that make no tree; -E2BIG, -ELOOP, -ENAMETOOLONG: above a cap. */
int layer_tree_apply(struct layer_tree *tree, uint32_t layer, const struct layer_entry *entries, size_t count,
	       struct err *err);

/* All are applied: sorts each directory by name (as bytes). */
int layer_tree_sort(struct layer_tree *tree, struct err *err);

/* Ids stay; pointers until the next layer_tree_apply(). */
struct layer_tree_node *layer_tree_node(struct layer_tree *tree, uint32_t id);
struct layer_tree_inode *layer_tree_inode(struct layer_tree *tree, const struct layer_tree_node *node);
mode_t layer_tree_mode(const struct layer_tree_inode *inode);
/* Of the tables: every id is below. */
uint32_t layer_tree_node_end(const struct layer_tree *tree);
uint32_t layer_tree_inode_end(const struct layer_tree *tree);
struct layer_tree_inode *layer_tree_inode_at(struct layer_tree *tree, uint32_t index);

/* The id of a name in a directory; 0: not there. */
uint32_t layer_tree_find(struct layer_tree *tree, uint32_t dir, const char *name, size_t len);
/* The id at a path without links, with or without a slash in front; 0: not there. */
uint32_t layer_tree_find_path(struct layer_tree *tree, const char *path);
/* "/usr/bin/env" for texts: cut at the front when it is longer. */
const char *layer_tree_path(struct layer_tree *tree, uint32_t id, char *text, size_t size);

#endif
