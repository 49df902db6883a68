/*
 * imgfs_list.c - directories and extended attributes of an image (imgfs.h).
 *
 * An offset in a directory is 0 and 1 for "." and "..", then the position of an entry in the image's
 * directory, plus 2, then, far above, the index of a made node.
 */
#include <linux/limits.h>
#include <string.h>

#include "common/cleanup.h"
#include "runtime/imgfs_private.h"
#include "squash/squash_xattr.h"

/* ---- directories ---- */

static int list_made(struct imgfs *imgfs, uint64_t ino, size_t from, imgfs_entry_fn *function,
		     void *context)
{
	for (;;) {
		struct imgfs_made_node node;
		pthread_mutex_lock(&imgfs->lock);
		long index = imgfs_made_next(&imgfs->made, ino, from);
		if (index >= 0)
			node = imgfs->made.nodes[index];
		pthread_mutex_unlock(&imgfs->lock);
		if (index < 0)
			return 0;
		struct imgfs_entry entry = {.ino = IMGFS_MADE_BASE + (uint64_t)index};
		imgfs_made_attr(imgfs, entry.ino, &node, &entry.attr);
		from = (size_t)index + 1;
		if (!function(context, node.name, &entry, MADE_OFFSET + from))
			return 0;
	}
}

static int entry_fill(struct imgfs_reader *reader, const struct disk_entry *found, bool with_attr,
		      struct imgfs_entry *entry)
{
	struct disk_inode inode;
	*entry = (struct imgfs_entry){.ino = imgfs_ino_of(reader->imgfs, found->inode)};
	entry->attr.st_ino = found->number;
	entry->attr.st_mode = found->type;
	if (!with_attr)
		return 0;
	int rc = imgfs_inode_get(reader, entry->ino, &inode);
	return rc < 0 ? rc : imgfs_attr_fill(reader->imgfs, &inode, &entry->attr);
}

/* Entries of the image; *stopped when the function has enough. */
static int list_image(struct imgfs_reader *reader, const struct disk_inode *inode, uint64_t offset,
		      bool with_attr, imgfs_entry_fn *function, void *context, bool *stopped)
{
	struct disk_dir dir;
	struct disk_entry found;
	int rc = disk_dir_seek(&reader->disk, inode, offset - DOT_OFFSETS, &dir, NULL);
	while (rc == 0 && (rc = disk_dir_next(&reader->disk, &dir, &found, NULL)) > 0) {
		struct imgfs_entry entry;
		rc = entry_fill(reader, &found, with_attr, &entry);
		if (rc < 0)
			return rc;
		*stopped = !function(context, found.name, &entry, dir.position + DOT_OFFSETS);
		if (*stopped)
			return 0;
		rc = 0;
	}
	return rc;
}

/* "." and "..", of which only the number and the type are known. */
static bool list_dots(uint64_t self, uint64_t parent, uint64_t *offset, imgfs_entry_fn *function,
		      void *context)
{
	struct imgfs_entry entry = {.attr.st_mode = S_IFDIR};
	for (; *offset < DOT_OFFSETS; ++*offset) {
		entry.attr.st_ino = *offset == 0 ? self : parent;
		if (!function(context, *offset == 0 ? "." : "..", &entry, *offset + 1))
			return false;
	}
	return true;
}

static int readdir_made(struct imgfs *imgfs, uint64_t ino, uint64_t offset,
			imgfs_entry_fn *function, void *context)
{
	struct imgfs_made_node node;
	if (!imgfs_made_node_get(imgfs, ino, &node) || !S_ISDIR(node.mode))
		return -ENOTDIR;
	uint64_t number = imgfs_made_number(imgfs, ino);
	return list_dots(number, number, &offset, function, context)
		       ? list_made(imgfs, ino, 0, function, context) : 0;
}

int imgfs_readdir(struct imgfs *imgfs, uint64_t ino, uint64_t offset, bool with_attr,
		  imgfs_entry_fn *function, void *context)
{
	struct disk_inode inode;
	bool stopped = false;
	if (offset >= MADE_OFFSET)
		return list_made(imgfs, ino, offset - MADE_OFFSET, function, context);
	if (imgfs_is_made(ino))
		return readdir_made(imgfs, ino, offset, function, context);
	AUTO_READER *reader = imgfs_reader_take(imgfs);
	int rc = reader == NULL ? -ENOMEM : imgfs_directory_get(reader, ino, &inode);
	if (rc < 0 || !list_dots(inode.number, inode.parent, &offset, function, context))
		return rc;
	rc = list_image(reader, &inode, offset, with_attr, function, context, &stopped);
	return rc < 0 || stopped ? rc : list_made(imgfs, ino, 0, function, context);
}

/* ---- extended attributes ---- */

/* The attribute called `name`: 1; 0: there is none. */
static int xattr_find(struct imgfs_reader *reader, uint64_t ino, const char *name,
		      struct squash_xattr *xattr)
{
	struct disk_inode inode;
	struct squash_xattrs xattrs;
	int rc = imgfs_inode_get(reader, ino, &inode);
	if (rc == 0)
		rc = squash_xattrs_open(&reader->disk, &inode, &xattrs, NULL);
	while (rc == 0 && (rc = squash_xattrs_next(&reader->disk, &xattrs, xattr, NULL)) > 0) {
		if (strcmp(xattr->name, name) == 0)
			return 1;
		rc = 0;
	}
	return rc;
}

ssize_t imgfs_getxattr(struct imgfs *imgfs, uint64_t ino, const char *name, char *value,
		       size_t size)
{
	struct squash_xattr xattr;
	if (imgfs_is_made(ino))
		return -ENODATA;
	AUTO_READER *reader = imgfs_reader_take(imgfs);
	int rc = reader == NULL ? -ENOMEM : xattr_find(reader, ino, name, &xattr);
	if (rc <= 0)
		return rc < 0 ? rc : -ENODATA;
	if (size > 0 && xattr.size > size)
		return -ERANGE;
	if (size > 0 && (rc = squash_xattr_value(&reader->disk, &xattr, value, NULL)) < 0)
		return rc;
	return (ssize_t)xattr.size;
}

ssize_t imgfs_listxattr(struct imgfs *imgfs, uint64_t ino, char *names, size_t size)
{
	struct disk_inode inode;
	struct squash_xattrs xattrs;
	struct squash_xattr xattr;
	size_t used = 0;
	if (imgfs_is_made(ino))
		return 0;
	AUTO_READER *reader = imgfs_reader_take(imgfs);
	int rc = reader == NULL ? -ENOMEM : imgfs_inode_get(reader, ino, &inode);
	if (rc == 0)
		rc = squash_xattrs_open(&reader->disk, &inode, &xattrs, NULL);
	while (rc == 0 && (rc = squash_xattrs_next(&reader->disk, &xattrs, &xattr, NULL)) > 0) {
		size_t len = strlen(xattr.name) + 1;
		rc = 0;
		if (used + len > XATTR_LIST_MAX)
			return -E2BIG;
		if (size > 0 && used + len > size)
			return -ERANGE;
		if (size > 0)
			memcpy(names + used, xattr.name, len);
		used += len;
	}
	return rc < 0 ? rc : (ssize_t)used;
}
