/*
 * layer_tree.c - the table of names and inodes behind layer_tree.h.  Pure.
 *
 * Nodes and inodes are arrays that grow, with free lists; names are found by one hash table
 * over (directory, name).  The rules are in layer_tree_apply.c.
 */
#include "image/layer_tree_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <xxhash.h>

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for the tree of files");
}

/* Room for one more element; element 0 is never used. */
static int grow(void **table, uint32_t *room, uint32_t used, size_t size, struct err *err)
{
	if (used < *room)
		return 0;
	if (used >= LAYER_ENTRIES_MAX)
		return err_set(err, E2BIG, "the image has more than %d files", LAYER_ENTRIES_MAX);
	uint32_t more = *room ? *room + *room / 2 : 1024;
	void *larger = realloc(*table, more * size);
	if (!larger)
		return no_memory(err);
	memset((char *)larger + *room * size, 0, (more - *room) * size);
	*table = larger;
	*room = more;
	return 0;
}

static uint32_t bucket_of(const struct layer_tree *tree, uint32_t dir, const char *name, size_t len)
{
	return (uint32_t)XXH3_64bits_withSeed(name, len, dir) & (tree->bucket_count - 1);
}

static int rehash(struct layer_tree *tree, struct err *err)
{
	uint32_t count = tree->bucket_count ? 2 * tree->bucket_count : 2048;
	uint32_t *buckets = calloc(count, sizeof *buckets);
	if (!buckets)
		return no_memory(err);
	free(tree->buckets);
	tree->buckets = buckets;
	tree->bucket_count = count;
	for (uint32_t id = TREE_ROOT + 1; id < tree->node_end; id++) {
		struct layer_tree_node *node = &tree->nodes[id];
		if (!node->parent)
			continue;
		uint32_t *bucket = &buckets[bucket_of(tree, node->parent, node->name, node->name_len)];
		node->chain = *bucket;
		*bucket = id;
	}
	return 0;
}

struct layer_tree *layer_tree_new(void)
{
	struct err err = ERR_NONE;
	struct layer_tree *tree = calloc(1, sizeof *tree);
	if (!tree)
		return NULL;
	tree->node_end = TREE_ROOT;
	tree->inode_end = 1;
	uint32_t inode;
	if (rehash(tree, &err) < 0 || layer_tree_inode_add(tree, NULL, 0, &inode, &err) < 0 ||
	    grow((void **)&tree->nodes, &tree->node_room, 1, sizeof *tree->nodes, &err) < 0) {
		layer_tree_free(&tree);
		return NULL;
	}
	tree->nodes[TREE_ROOT] = (struct layer_tree_node){.name = "", .parent = TREE_ROOT, .inode = inode};
	tree->inodes[inode].links = 1;
	tree->node_end = TREE_ROOT + 1;
	tree->node_count = 1;
	return tree;
}

void layer_tree_free(struct layer_tree **tree)
{
	if (*tree) {
		free((*tree)->nodes);
		free((*tree)->inodes);
		free((*tree)->buckets);
	}
	free(*tree);
	*tree = NULL;
}

struct layer_tree_node *layer_tree_node(struct layer_tree *tree, uint32_t id)
{
	return &tree->nodes[id];
}

struct layer_tree_inode *layer_tree_inode(struct layer_tree *tree, const struct layer_tree_node *node)
{
	return &tree->inodes[node->inode];
}

struct layer_tree_inode *layer_tree_inode_at(struct layer_tree *tree, uint32_t index)
{
	return &tree->inodes[index];
}

uint32_t layer_tree_node_end(const struct layer_tree *tree)
{
	return tree->node_end;
}

uint32_t layer_tree_inode_end(const struct layer_tree *tree)
{
	return tree->inode_end;
}

mode_t layer_tree_mode(const struct layer_tree_inode *inode)
{
	return inode->entry ? inode->entry->mode : S_IFDIR | 0755;
}

uint32_t layer_tree_find(struct layer_tree *tree, uint32_t dir, const char *name, size_t len)
{
	uint32_t id = tree->buckets[bucket_of(tree, dir, name, len)];
	for (; id; id = tree->nodes[id].chain) {
		const struct layer_tree_node *node = &tree->nodes[id];
		if (node->parent == dir && node->name_len == len && memcmp(node->name, name, len) == 0)
			return id;
	}
	return 0;
}

int layer_tree_inode_add(struct layer_tree *tree, const struct layer_entry *entry, uint32_t layer,
		   uint32_t *index, struct err *err)
{
	uint32_t free_one = tree->inode_free;
	if (free_one) {
		tree->inode_free = tree->inodes[free_one].number;
	} else {
		int rc = grow((void **)&tree->inodes, &tree->inode_room, tree->inode_end,
			      sizeof *tree->inodes, err);
		if (rc < 0)
			return rc;
		free_one = tree->inode_end++;
	}
	tree->inodes[free_one] = (struct layer_tree_inode){.entry = entry, .layer = layer};
	*index = free_one;
	return 0;
}

void layer_tree_inode_drop(struct layer_tree *tree, uint32_t index)
{
	struct layer_tree_inode *inode = &tree->inodes[index];
	if (--inode->links > 0)
		return;
	*inode = (struct layer_tree_inode){.number = tree->inode_free};
	tree->inode_free = index;
}

int layer_tree_node_add(struct layer_tree *tree, uint32_t dir, const char *name, size_t len, uint32_t inode,
		  uint32_t *out, struct err *err)
{
	uint32_t id = tree->node_free;
	int rc = tree->node_count >= tree->bucket_count ? rehash(tree, err) : 0;
	if (rc == 0 && !id)
		rc = grow((void **)&tree->nodes, &tree->node_room, tree->node_end, sizeof *tree->nodes,
			  err);
	if (rc < 0)
		return rc;
	if (id)
		tree->node_free = tree->nodes[id].next;
	else
		id = tree->node_end++;
	struct layer_tree_node *node = &tree->nodes[id], *parent = &tree->nodes[dir];
	uint32_t *bucket = &tree->buckets[bucket_of(tree, dir, name, len)];
	*node = (struct layer_tree_node){
		.name = name, .name_len = (uint16_t)len, .depth = (uint16_t)(parent->depth + 1),
		.parent = dir, .next = parent->child, .inode = inode, .chain = *bucket,
	};
	*bucket = id;
	if (parent->child)
		tree->nodes[parent->child].prev = id;
	parent->child = id;
	tree->inodes[inode].links++;
	tree->node_count++;
	*out = id;
	return 0;
}

/* Takes one node without children out. */
static void unlink_node(struct layer_tree *tree, uint32_t id)
{
	struct layer_tree_node *node = &tree->nodes[id];
	uint32_t *at = &tree->buckets[bucket_of(tree, node->parent, node->name, node->name_len)];
	while (*at != id)
		at = &tree->nodes[*at].chain;
	*at = node->chain;
	if (node->prev)
		tree->nodes[node->prev].next = node->next;
	else
		tree->nodes[node->parent].child = node->next;
	if (node->next)
		tree->nodes[node->next].prev = node->prev;
	layer_tree_inode_drop(tree, node->inode);
	*node = (struct layer_tree_node){.next = tree->node_free};
	tree->node_free = id;
	tree->node_count--;
}

void layer_tree_remove(struct layer_tree *tree, uint32_t id)
{
	for (uint32_t at = id;;) {
		while (tree->nodes[at].child)
			at = tree->nodes[at].child;
		uint32_t parent = tree->nodes[at].parent;
		unlink_node(tree, at);
		if (at == id)
			return;
		at = parent;
	}
}

/* -- order -------------------------------------------------------------- */

static int by_name(const void *a, const void *b, void *context)
{
	const struct layer_tree_node *nodes = context;
	const struct layer_tree_node *one = &nodes[*(const uint32_t *)a], *two = &nodes[*(const uint32_t *)b];
	size_t len = one->name_len < two->name_len ? one->name_len : two->name_len;
	int order = memcmp(one->name, two->name, len);
	return order ? order : (int)one->name_len - (int)two->name_len;
}

int layer_tree_sort(struct layer_tree *tree, struct err *err)
{
	uint32_t *ids = malloc((tree->node_count + 1) * sizeof *ids);
	if (!ids)
		return no_memory(err);
	for (uint32_t dir = TREE_ROOT; dir < tree->node_end; dir++) {
		size_t count = 0;
		if (!tree->nodes[dir].parent || !tree->nodes[dir].child)
			continue;
		for (uint32_t id = tree->nodes[dir].child; id; id = tree->nodes[id].next)
			ids[count++] = id;
		qsort_r(ids, count, sizeof *ids, by_name, tree->nodes);
		tree->nodes[dir].child = ids[0];
		for (size_t i = 0; i < count; i++) {
			tree->nodes[ids[i]].prev = i ? ids[i - 1] : 0;
			tree->nodes[ids[i]].next = i + 1 < count ? ids[i + 1] : 0;
		}
	}
	free(ids);
	return 0;
}

uint32_t layer_tree_find_path(struct layer_tree *tree, const char *path)
{
	uint32_t id = TREE_ROOT;
	while (id && *(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");
		id = layer_tree_find(tree, id, path, len);
		path += len;
	}
	return id;
}

const char *layer_tree_path(struct layer_tree *tree, uint32_t id, char *text, size_t size)
{
	char *at = text + size - 1;
	*at = '\0';
	if (id == TREE_ROOT)
		*--at = '/';
	for (; id != TREE_ROOT; id = tree->nodes[id].parent) {
		const struct layer_tree_node *node = &tree->nodes[id];
		if ((size_t)(at - text) < (size_t)node->name_len + 1)
			break;
		at -= node->name_len;
		memcpy(at, node->name, node->name_len);
		*--at = '/';
	}
	return at;
}
