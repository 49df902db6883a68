/*
 * attributes.c - attributes of the tree's inodes (attributes.h).  Pure.
 *
 * A directory that no layer brought (a parent that was missing) is root's, of 1970.
 */
#include "image/attributes.h"

#include <string.h>
#include <sys/stat.h>

static uint32_t clamp_time(int64_t time)
{
	return time < 0 ? 0 : time > UINT32_MAX ? UINT32_MAX : (uint32_t)time;
}

static uint32_t directory_links(struct layer_tree *tree, const struct layer_tree_node *dir)
{
	uint32_t links = 2;
	for (uint32_t id = dir->child; id; id = layer_tree_node(tree, id)->next)
		links += S_ISDIR(layer_tree_mode(layer_tree_inode(tree, layer_tree_node(tree, id))));
	return links;
}

struct attributes attributes_of(struct layer_tree *tree, uint32_t id, uint64_t inodes)
{
	const struct layer_tree_node *node = layer_tree_node(tree, id);
	const struct layer_tree_inode *inode = layer_tree_inode(tree, node);
	const struct layer_entry *entry = inode->entry;
	struct attributes attributes = {
		.mode = layer_tree_mode(inode), .links = inode->links, .number = inode->number,
	};
	if (entry) {
		attributes.uid = entry->uid;
		attributes.gid = entry->gid;
		attributes.mtime = clamp_time(entry->mtime);
	}
	if (S_ISREG(attributes.mode))
		attributes.size = entry->size;
	if (S_ISLNK(attributes.mode))
		attributes.size = strlen(entry->target);
	if (S_ISDIR(attributes.mode)) {
		attributes.links = directory_links(tree, node);
		attributes.parent = id == TREE_ROOT
					    ? (uint32_t)inodes + 1
					    : layer_tree_inode(tree, layer_tree_node(tree, node->parent))->number;
	}
	return attributes;
}

const char *attributes_differ(const struct attributes *wanted, const struct attributes *got)
{
	const struct { const char *text; bool differs; } facts[] = {
		{"another type", (wanted->mode & S_IFMT) != (got->mode & S_IFMT)},
		{"another mode", wanted->mode != got->mode},
		{"another owner", wanted->uid != got->uid},
		{"another group", wanted->gid != got->gid},
		{"another time", wanted->mtime != got->mtime},
		{"another size", wanted->size != got->size},
		{"another device", wanted->device != got->device},
		{"another number of links", wanted->links != got->links},
		{"another inode", wanted->number != got->number},
		{"another parent", wanted->parent != got->parent},
	};
	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
		if (facts[i].differs)
			return facts[i].text;
	return NULL;
}

const struct layer_xattr *attributes_xattr(const struct layer_entry *entry, const char *name)
{
	for (uint32_t i = 0; entry && i < entry->xattr_count; i++)
		if (strcmp(entry->xattrs[i].name, name) == 0)
			return &entry->xattrs[i];
	return NULL;
}
