/*
 * layer_tree_impl.h - the tables of layer_tree.c, for the rules in layer_tree_apply.c.
 */
#ifndef IMAGE_LAYER_TREE_IMPL_H
#define IMAGE_LAYER_TREE_IMPL_H

#include "image/layer_tree.h"

struct layer_tree {
	struct layer_tree_node *nodes;
	struct layer_tree_inode *inodes;
	uint32_t node_end, node_room, node_count, node_free;      /* free: linked by next */
	uint32_t inode_end, inode_room, inode_free;               /* free: linked by number */
	uint32_t *buckets, bucket_count;                          /* a power of two */
};

/* An inode without names: whoever adds a node of it takes it over. */
int layer_tree_inode_add(struct layer_tree *tree, const struct layer_entry *entry, uint32_t layer,
		   uint32_t *index, struct err *err);
/* One name less. */
void layer_tree_inode_drop(struct layer_tree *tree, uint32_t index);

/* The name must not be there yet. */
int layer_tree_node_add(struct layer_tree *tree, uint32_t dir, const char *name, size_t len, uint32_t inode,
		  uint32_t *id, struct err *err);
/* With all that is below it. */
void layer_tree_remove(struct layer_tree *tree, uint32_t id);

#endif
