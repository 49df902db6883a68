/*
 * build_table.c - inodes and directories of the tree (build_squash_impl.h).
 *
 * Order: a directory is written after everything in it, since its entries say where their
 * inodes are.  So, depth first: the directories of a directory, then the inodes of all its
 * names in their order, each once: a hard link's inode stands where its first name is met.
 * Numbers are given by the same walk beforehand, because a directory's inode names its parent.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <sqfs/error.h>

#include "image/attributes.h"
#include "image/build_squash_impl.h"

#define NO_XATTR UINT32_MAX

typedef int inode_fn(struct build_squash *squash, uint32_t node, struct err *err);

/* Calls `each` for every inode in the order above; at most TREE_DEPTH_MAX deep. */
static int walk_inodes(struct build_squash *squash, uint32_t dir, inode_fn *each, struct err *err)
{
	struct layer_tree *tree = squash->tree;
	int rc = 0;
	for (uint32_t id = layer_tree_node(tree, dir)->child; rc == 0 && id; id = layer_tree_node(tree, id)->next)
		if (layer_tree_node(tree, id)->child)
			rc = walk_inodes(squash, id, each, err);
	for (uint32_t id = layer_tree_node(tree, dir)->child; rc == 0 && id; id = layer_tree_node(tree, id)->next)
		rc = each(squash, id, err);
	return rc;
}

static int give_number(struct build_squash *squash, uint32_t node, struct err *err)
{
	(void)err;
	struct layer_tree_inode *inode = layer_tree_inode(squash->tree, layer_tree_node(squash->tree, node));
	if (!inode->number)
		inode->number = ++squash->super.inode_count;
	return 0;
}

static int add_xattrs(struct build_squash *squash, const struct layer_entry *entry, uint32_t *index,
		      struct err *err)
{
	*index = NO_XATTR;
	if (!entry || entry->xattr_count == 0)
		return 0;
	int status = sqfs_xattr_writer_begin(squash->xattrs, 0);
	for (uint32_t i = 0; status == 0 && i < entry->xattr_count; i++)
		status = sqfs_xattr_writer_add(squash->xattrs, entry->xattrs[i].name,
					       entry->xattrs[i].value, entry->xattrs[i].len);
	if (status == 0)
		status = sqfs_xattr_writer_end(squash->xattrs, index);
	return status ? build_squash_failed(squash, status, "extended attributes", err) : 0;
}

static int make_directory(struct build_squash *squash, uint32_t node, const struct attributes *attributes,
			  uint32_t xattr, sqfs_inode_generic_t **out, struct err *err)
{
	struct layer_tree *tree = squash->tree;
	int status = sqfs_dir_writer_begin(squash->dirs, 0);
	for (uint32_t id = layer_tree_node(tree, node)->child; status == 0 && id;
	     id = layer_tree_node(tree, id)->next) {
		const struct layer_tree_node *child = layer_tree_node(tree, id);
		const struct layer_tree_inode *inode = layer_tree_inode(tree, child);
		char name[TREE_NAME_MAX + 1];
		memcpy(name, child->name, child->name_len);
		name[child->name_len] = '\0';
		status = sqfs_dir_writer_add_entry(squash->dirs, name, inode->number,
						   squash->refs[child->inode],
						   (sqfs_u16)layer_tree_mode(inode));
	}
	if (status == 0)
		status = sqfs_dir_writer_end(squash->dirs);
	if (status)
		return build_squash_failed(squash, status, "directories", err);
	*out = sqfs_dir_writer_create_inode(squash->dirs, 0, xattr, attributes->parent);
	if (!*out)
		return build_squash_failed(squash, SQFS_ERROR_ALLOC, "directories", err);
	if ((*out)->base.type == SQFS_INODE_DIR)
		(*out)->data.dir.nlink = attributes->links;
	else
		(*out)->data.dir_ext.nlink = attributes->links;
	return 0;
}

/* Symbolic links and fifos. */
static int make_special(struct build_squash *squash, const struct layer_tree_inode *inode,
			const struct attributes *attributes, sqfs_inode_generic_t **out, struct err *err)
{
	bool link = S_ISLNK(attributes->mode);
	size_t len = (size_t)attributes->size;
	sqfs_inode_generic_t *made = calloc(1, sizeof *made + len + 8);
	if (!made)
		return build_squash_failed(squash, SQFS_ERROR_ALLOC, "inodes", err);
	made->base.type = link ? SQFS_INODE_SLINK : SQFS_INODE_FIFO;
	if (link) {
		made->data.slink.nlink = attributes->links;
		made->data.slink.target_size = (sqfs_u32)len;
		memcpy(made->extra, inode->entry->target, len);
	} else {
		made->data.ipc.nlink = attributes->links;
	}
	*out = made;
	return 0;
}

static int make_inode(struct build_squash *squash, uint32_t node, const struct attributes *attributes,
		      uint32_t xattr, sqfs_inode_generic_t **out, struct err *err)
{
	uint32_t index = layer_tree_node(squash->tree, node)->inode;
	const struct layer_tree_inode *inode = layer_tree_inode_at(squash->tree, index);
	int rc = 0;
	if (S_ISDIR(attributes->mode))
		return make_directory(squash, node, attributes, xattr, out, err);
	if (S_ISREG(attributes->mode)) {
		*out = squash->inodes[index];
		squash->inodes[index] = NULL;
		if (!*out)
			return err_set(err, EIO, "a file was left out");
	} else {
		rc = make_special(squash, inode, attributes, out, err);
	}
	if (rc < 0)
		return rc;
	int status = 0;
	if (attributes->links > 1 || xattr != NO_XATTR)
		status = sqfs_inode_make_extended(*out);
	if (status == 0 && (*out)->base.type == SQFS_INODE_EXT_FILE)
		(*out)->data.file_ext.nlink = attributes->links;
	if (status == 0)
		status = sqfs_inode_set_xattr_index(*out, xattr);
	if (status == 0 && xattr == NO_XATTR)
		status = sqfs_inode_make_basic(*out);  /* where it fits */
	return status ? build_squash_failed(squash, status, "inodes", err) : 0;
}

static int write_inode(struct build_squash *squash, uint32_t node, struct err *err)
{
	uint32_t index = layer_tree_node(squash->tree, node)->inode, xattr, offset;
	const struct attributes attributes = attributes_of(squash->tree, node, squash->super.inode_count);
	sqfs_inode_generic_t *made = NULL;
	sqfs_u64 block;
	if (squash->refs[index] != BUILD_NOT_WRITTEN)
		return 0;  /* another name of it was met */
	int rc = add_xattrs(squash, layer_tree_inode_at(squash->tree, index)->entry, &xattr, err);
	if (rc == 0)
		rc = make_inode(squash, node, &attributes, xattr, &made, err);
	if (rc < 0) {
		sqfs_free(made);
		return rc;
	}
	made->base.mode = (sqfs_u16)attributes.mode;
	made->base.mod_time = attributes.mtime;
	made->base.inode_number = attributes.number;
	if (made->base.mod_time > squash->super.modification_time)
		squash->super.modification_time = made->base.mod_time;
	int status = sqfs_id_table_id_to_index(squash->ids, attributes.uid, &made->base.uid_idx);
	if (status == 0)
		status = sqfs_id_table_id_to_index(squash->ids, attributes.gid, &made->base.gid_idx);
	if (status == 0) {
		sqfs_meta_writer_get_position(squash->inode_table, &block, &offset);
		squash->refs[index] = block << 16 | offset;
		status = sqfs_meta_writer_write_inode(squash->inode_table, made);
	}
	sqfs_free(made);
	return status ? build_squash_failed(squash, status, "inodes", err) : 0;
}

int build_squash_tree(struct build_squash *squash, struct err *err)
{
	squash->super.inode_count = 0;
	walk_inodes(squash, TREE_ROOT, give_number, err);
	give_number(squash, TREE_ROOT, err);
	squash->super.inode_table_start = squash->file.size;
	int rc = walk_inodes(squash, TREE_ROOT, write_inode, err);
	if (rc == 0)
		rc = write_inode(squash, TREE_ROOT, err);
	if (rc < 0)
		return rc;
	squash->super.root_inode_ref = squash->refs[layer_tree_node(squash->tree, TREE_ROOT)->inode];
	int status = sqfs_meta_writer_flush(squash->inode_table);
	if (status == 0)
		status = sqfs_meta_writer_flush(squash->dir_table);
	squash->super.directory_table_start = squash->file.size;
	if (status == 0)
		status = sqfs_meta_write_write_to_file(squash->dir_table);
	return status ? build_squash_failed(squash, status, "directories", err) : 0;
}
