/*
 * tree_impl.h - the tables of tree.c, for the rules in tree_apply.c.
 */
#ifndef IMAGE_TREE_IMPL_H
#define IMAGE_TREE_IMPL_H

#include "image/tree.h"

struct tree {
	struct tree_node *nodes;
	struct tree_inode *inodes;
	uint32_t node_end, node_room, node_count, node_free;      /* free: linked by next */
	uint32_t inode_end, inode_room, inode_free;               /* free: linked by number */
	uint32_t *buckets, bucket_count;                          /* a power of two */
};

/* An inode without names: whoever adds a node of it takes it over. */
int tree_inode_add(struct tree *tree, const struct layer_entry *entry, uint32_t layer,
		   uint32_t *index, struct err *err);
/* One name less. */
void tree_inode_drop(struct tree *tree, uint32_t index);

/* The name must not be there yet. */
int tree_node_add(struct tree *tree, uint32_t dir, const char *name, size_t len, uint32_t inode,
		  uint32_t *id, struct err *err);
/* With all that is below it. */
void tree_remove(struct tree *tree, uint32_t id);

#endif
