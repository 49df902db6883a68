/*
 * imgfs.c - lookup, attributes, reading: between inode numbers and libsquashfuse (imgfs.h).
 *
 * What libsquashfuse keeps is widened after its start: it caches 8 metadata blocks, 1 data block
 * and 3 fragment blocks, which makes an import storm decompress everything dozens of times.  Its
 * caches take any count (squashfuse/cache.h); ours are bounded in bytes, since a block may have 4
 * KiB or 1 MiB.
 *
 * Foreign bytes: libsquashfuse 0.1 follows an inode's indices of owner, fragment and attributes
 * into its tables without comparing them with the tables' lengths.  So every inode comes through
 * inode_get(), which does.
 *
 * Caveat: that library also trusts offsets inside of blocks.  A damaged image can therefore make
 * the server crash, which cmpi-init reports; it has the caller's rights and no more, and so has the
 * image.
 */
#include "runtime/imgfs.h"

#include <linux/limits.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <squashfuse/squashfuse.h>

#include "common/cleanup.h"
#include "common/squash_super.h"
#include "runtime/image_check.h"
#include "runtime/imgfs_made.h"
#include "runtime/imgfs_zstd.h"

enum {
	METADATA_BLOCKS = 2048,              /* of 8 KiB */
	DATA_CACHE_BYTES = 8 << 20,
	FRAGMENT_CACHE_BYTES = 32 << 20,
	BLOCKS_MIN = 8,
};
#define MADE_OFFSET (1ull << 62)  /* directory offsets from here on are made nodes */
enum { DOT_OFFSETS = 2 };

struct imgfs {
	sqfs fs;
	bool opened;
	struct imgfs_options options;
	struct imgfs_made made;
};

static int error_of(sqfs_err code)
{
	return code == SQFS_OK ? 0 : -EIO;
}

/* ---- open ---- */

static int caches_widen(struct imgfs *imgfs)
{
	size_t block = imgfs->fs.sb.block_size;
	size_t data = DATA_CACHE_BYTES / block, fragments = FRAGMENT_CACHE_BYTES / block;
	const struct {
		sqfs_cache *cache;
		size_t count;
	} caches[] = {
		{&imgfs->fs.md_cache, METADATA_BLOCKS},
		{&imgfs->fs.data_cache, data < BLOCKS_MIN ? BLOCKS_MIN : data > 64 ? 64 : data},
		{&imgfs->fs.frag_cache, fragments < BLOCKS_MIN ? BLOCKS_MIN : fragments > 256 ? 256 : fragments},
	};
	for (size_t i = 0; i < sizeof caches / sizeof *caches; i++) {
		sqfs_cache_destroy(caches[i].cache);
		if (sqfs_block_cache_init(caches[i].cache, caches[i].count) != SQFS_OK)
			return -ENOMEM;
	}
	return 0;
}

void imgfs_free(struct imgfs **where)
{
	struct imgfs *imgfs = take_ptr(where);
	if (imgfs == NULL)
		return;
	if (imgfs->opened)
		sqfs_destroy(&imgfs->fs);
	imgfs_made_free(&imgfs->made);
	free(imgfs);
}

int imgfs_open(int image_fd, const struct imgfs_options *options, struct imgfs **out,
	       struct err *err)
{
	int rc = image_check(image_fd, err);
	if (rc < 0)
		return rc;
	AUTO_CALL(imgfs_free) struct imgfs *imgfs = calloc(1, sizeof *imgfs);
	if (imgfs == NULL)
		return err_errno(err, ENOMEM, "open the image");
	imgfs->options = *options;
	sqfs_err code = sqfs_init(&imgfs->fs, image_fd, 0);
	if (code == SQFS_BADCOMP)
		return err_set(err, ENOTSUP, "this build of libsquashfuse lacks the image's compressor");
	if (code != SQFS_OK)
		return err_set(err, EBADMSG, "the image's tables are damaged");
	imgfs->opened = true;
	if (sqfs_compression(&imgfs->fs) == ZSTD_COMPRESSION)
		imgfs->fs.decompressor = imgfs_zstd_decompress;
	if (caches_widen(imgfs) < 0)
		return err_errno(err, ENOMEM, "open the image");
	sqfs_inode root;
	if (sqfs_inode_get(&imgfs->fs, &root, sqfs_inode_root(&imgfs->fs)) != SQFS_OK ||
	    !S_ISDIR(root.base.mode))
		return err_set(err, EBADMSG, "the image's root directory is damaged");
	*out = take_ptr(&imgfs);
	return 0;
}

bool imgfs_has_xattrs(const struct imgfs *imgfs)
{
	return imgfs->fs.sb.xattr_id_table_start != (uint64_t)SQUASHFS_INVALID_BLK;
}

uint32_t imgfs_block_size(const struct imgfs *imgfs)
{
	return imgfs->fs.sb.block_size;
}

/* ---- inodes ---- */

static bool is_made(uint64_t ino)
{
	return ino >= IMGFS_MADE_BASE;
}

static const struct imgfs_made_node *made_node(const struct imgfs *imgfs, uint64_t ino)
{
	uint64_t index = ino - IMGFS_MADE_BASE;
	return index < imgfs->made.count ? &imgfs->made.nodes[index] : NULL;
}

static uint64_t ino_of(struct imgfs *imgfs, sqfs_inode_id id)
{
	return id == sqfs_inode_root(&imgfs->fs) ? IMGFS_ROOT : id + 2;
}

static bool inode_sane(const struct imgfs *imgfs, const sqfs_inode *inode)
{
	const struct squashfs_super_block *super = &imgfs->fs.sb;
	if (inode->base.uid >= super->no_ids || inode->base.guid >= super->no_ids)
		return false;
	if (inode->xattr != SQUASHFS_INVALID_XATTR && imgfs_has_xattrs(imgfs) &&
	    inode->xattr >= imgfs->fs.xattr_info.xattr_ids)
		return false;
	return !S_ISREG(inode->base.mode) || inode->xtra.reg.frag_idx == SQUASHFS_INVALID_FRAG ||
	       inode->xtra.reg.frag_idx < super->fragments;
}

static int inode_get(struct imgfs *imgfs, uint64_t ino, sqfs_inode *inode)
{
	sqfs_inode_id id = ino == IMGFS_ROOT ? sqfs_inode_root(&imgfs->fs) : ino - 2;
	if (sqfs_inode_get(&imgfs->fs, inode, id) != SQFS_OK || !inode_sane(imgfs, inode))
		return -EIO;
	return 0;
}

static int directory_get(struct imgfs *imgfs, uint64_t ino, sqfs_inode *inode)
{
	int rc = inode_get(imgfs, ino, inode);
	return rc < 0 || S_ISDIR(inode->base.mode) ? rc : -ENOTDIR;
}

static void ids_fill(struct imgfs *imgfs, const sqfs_inode *inode, struct stat *attr)
{
	sqfs_id_t uid = 65534, gid = 65534;
	if (imgfs->options.own_ids) {
		uid = imgfs->options.uid;
		gid = imgfs->options.gid;
	} else if (inode != NULL) {
		sqfs_id_get(&imgfs->fs, inode->base.uid, &uid);
		sqfs_id_get(&imgfs->fs, inode->base.guid, &gid);
	} else {
		uid = gid = 0;
	}
	attr->st_uid = uid;
	attr->st_gid = gid;
}

static uint64_t size_of(const sqfs_inode *inode)
{
	if (S_ISREG(inode->base.mode))
		return inode->xtra.reg.file_size > INT64_MAX ? INT64_MAX : inode->xtra.reg.file_size;
	if (S_ISLNK(inode->base.mode))
		return inode->xtra.symlink_size;
	return S_ISDIR(inode->base.mode) ? inode->xtra.dir.dir_size : 0;
}

static void attr_fill(struct imgfs *imgfs, const sqfs_inode *inode, struct stat *attr)
{
	uint64_t size = size_of(inode);
	*attr = (struct stat){
		.st_ino = inode->base.inode_number,
		.st_mode = inode->base.mode,
		.st_nlink = (nlink_t)inode->nlink,
		.st_size = (off_t)size,
		.st_blocks = (blkcnt_t)(size / 512 + (size % 512 != 0)),
		.st_blksize = (blksize_t)imgfs->fs.sb.block_size,
		.st_mtim.tv_sec = inode->base.mtime,
		.st_ctim.tv_sec = inode->base.mtime,
		.st_atim.tv_sec = inode->base.mtime,
	};
	if (S_ISCHR(inode->base.mode) || S_ISBLK(inode->base.mode))
		attr->st_rdev = makedev((unsigned)inode->xtra.dev.major, (unsigned)inode->xtra.dev.minor);
	ids_fill(imgfs, inode, attr);
}

/* Made nodes get the numbers behind those of the image. */
static uint64_t made_number(const struct imgfs *imgfs, uint64_t ino)
{
	return imgfs->fs.sb.inodes + 1ull + (ino - IMGFS_MADE_BASE);
}

static int made_attr(struct imgfs *imgfs, uint64_t ino, struct stat *attr)
{
	const struct imgfs_made_node *node = made_node(imgfs, ino);
	if (node == NULL)
		return -ESTALE;
	*attr = (struct stat){
		.st_ino = made_number(imgfs, ino),
		.st_mode = node->mode,
		.st_nlink = S_ISDIR(node->mode) ? 2 : 1,
		.st_size = node->points_to ? (off_t)strlen(node->points_to) : 0,
		.st_blksize = 4096,
		.st_mtim.tv_sec = imgfs->fs.sb.mkfs_time,
		.st_ctim.tv_sec = imgfs->fs.sb.mkfs_time,
		.st_atim.tv_sec = imgfs->fs.sb.mkfs_time,
	};
	ids_fill(imgfs, NULL, attr);
	return 0;
}

int imgfs_getattr(struct imgfs *imgfs, uint64_t ino, struct stat *attr)
{
	if (is_made(ino))
		return made_attr(imgfs, ino, attr);
	sqfs_inode inode;
	int rc = inode_get(imgfs, ino, &inode);
	if (rc == 0)
		attr_fill(imgfs, &inode, attr);
	return rc;
}

/* ---- lookup and making ---- */

static int lookup_made(struct imgfs *imgfs, uint64_t parent, const char *name,
		       struct imgfs_entry *entry)
{
	long index = imgfs_made_find(&imgfs->made, parent, name);
	if (index < 0)
		return -ENOENT;
	entry->ino = IMGFS_MADE_BASE + (uint64_t)index;
	return made_attr(imgfs, entry->ino, &entry->attr);
}

int imgfs_lookup(struct imgfs *imgfs, uint64_t parent, const char *name, struct imgfs_entry *entry)
{
	if (is_made(parent)) {
		const struct imgfs_made_node *node = made_node(imgfs, parent);
		if (node == NULL || !S_ISDIR(node->mode))
			return node == NULL ? -ESTALE : -ENOTDIR;
		return lookup_made(imgfs, parent, name, entry);
	}
	sqfs_inode inode;
	int rc = directory_get(imgfs, parent, &inode);
	if (rc < 0)
		return rc;
	sqfs_name room;
	sqfs_dir_entry found;
	bool exists = false;
	sqfs_dentry_init(&found, room);
	if (sqfs_dir_lookup(&imgfs->fs, &inode, name, strlen(name), &found, &exists) != SQFS_OK)
		return -EIO;
	if (!exists)
		return lookup_made(imgfs, parent, name, entry);
	entry->ino = ino_of(imgfs, sqfs_dentry_inode(&found));
	return imgfs_getattr(imgfs, entry->ino, &entry->attr);
}

int imgfs_make(struct imgfs *imgfs, uint64_t parent, const char *name, mode_t mode,
	       const char *points_to, struct imgfs_entry *entry)
{
	int rc = imgfs_lookup(imgfs, parent, name, entry);
	if (rc != -ENOENT)
		return rc == 0 ? -EEXIST : rc;
	long index = imgfs_made_add(&imgfs->made, parent, name, mode, points_to);
	if (index < 0)
		return (int)index;
	entry->ino = IMGFS_MADE_BASE + (uint64_t)index;
	return made_attr(imgfs, entry->ino, &entry->attr);
}

/* ---- files and links ---- */

ssize_t imgfs_read(struct imgfs *imgfs, uint64_t ino, char *bytes, size_t size, uint64_t offset)
{
	if (is_made(ino))
		return made_node(imgfs, ino) ? 0 : -ESTALE;
	sqfs_inode inode;
	int rc = inode_get(imgfs, ino, &inode);
	if (rc < 0)
		return rc;
	if (!S_ISREG(inode.base.mode))
		return -EISDIR;
	uint64_t end = size_of(&inode);
	if (offset >= end || size == 0)
		return 0;
	sqfs_off_t length = (sqfs_off_t)(size < end - offset ? size : end - offset);
	if (sqfs_read_range(&imgfs->fs, &inode, (sqfs_off_t)offset, &length, bytes) != SQFS_OK)
		return -EIO;
	return (ssize_t)length;
}

int imgfs_readlink(struct imgfs *imgfs, uint64_t ino, char *text, size_t size)
{
	if (is_made(ino)) {
		const struct imgfs_made_node *node = made_node(imgfs, ino);
		if (node == NULL || node->points_to == NULL || strlen(node->points_to) >= size)
			return node == NULL ? -ESTALE : -EINVAL;
		memcpy(text, node->points_to, strlen(node->points_to) + 1);
		return 0;
	}
	sqfs_inode inode;
	int rc = inode_get(imgfs, ino, &inode);
	if (rc < 0)
		return rc;
	if (!S_ISLNK(inode.base.mode))
		return -EINVAL;
	if (inode.xtra.symlink_size >= size)
		return -ENAMETOOLONG;
	return error_of(sqfs_readlink(&imgfs->fs, &inode, text, &size));
}

/* ---- directories ---- */

static int readdir_made(struct imgfs *imgfs, uint64_t ino, size_t from, imgfs_entry_fn *function,
			void *context)
{
	long index;
	while ((index = imgfs_made_next(&imgfs->made, ino, from)) >= 0) {
		struct imgfs_entry entry = {.ino = IMGFS_MADE_BASE + (uint64_t)index};
		int rc = made_attr(imgfs, entry.ino, &entry.attr);
		if (rc < 0)
			return rc;
		from = (size_t)index + 1;
		if (!function(context, imgfs->made.nodes[index].name, &entry, MADE_OFFSET + from))
			return 0;
	}
	return 0;
}

static int entry_fill(struct imgfs *imgfs, sqfs_dir_entry *found, bool with_attr,
		      struct imgfs_entry *entry)
{
	*entry = (struct imgfs_entry){.ino = ino_of(imgfs, sqfs_dentry_inode(found))};
	if (with_attr)
		return imgfs_getattr(imgfs, entry->ino, &entry->attr);
	entry->attr.st_ino = sqfs_dentry_inode_num(found);
	entry->attr.st_mode = sqfs_dentry_mode(found);
	return 0;
}

/* Entries of the image; *stopped when the function has enough. */
static int readdir_image(struct imgfs *imgfs, sqfs_inode *inode, uint64_t offset, bool with_attr,
			 imgfs_entry_fn *function, void *context, bool *stopped)
{
	sqfs_dir dir;
	sqfs_name room;
	sqfs_dir_entry found;
	sqfs_err code = sqfs_dir_open(&imgfs->fs, inode, &dir, (off_t)(offset - DOT_OFFSETS));
	if (code != SQFS_OK)
		return -EIO;
	sqfs_dentry_init(&found, room);
	while (sqfs_dir_next(&imgfs->fs, &dir, &found, &code)) {
		struct imgfs_entry entry;
		int rc = entry_fill(imgfs, &found, with_attr, &entry);
		if (rc < 0)
			return rc;
		uint64_t next = (uint64_t)sqfs_dentry_next_offset(&found) + DOT_OFFSETS;
		*stopped = !function(context, sqfs_dentry_name(&found), &entry, next);
		if (*stopped)
			return 0;
	}
	return error_of(code);
}

/* "." and "..", of which only the number and the type are known. */
static bool readdir_dots(uint64_t self, uint64_t parent, uint64_t *offset,
			 imgfs_entry_fn *function, void *context)
{
	struct imgfs_entry entry = {.attr.st_mode = S_IFDIR};
	for (; *offset < DOT_OFFSETS; ++*offset) {
		entry.attr.st_ino = *offset == 0 ? self : parent;
		if (!function(context, *offset == 0 ? "." : "..", &entry, *offset + 1))
			return false;
	}
	return true;
}

int imgfs_readdir(struct imgfs *imgfs, uint64_t ino, uint64_t offset, bool with_attr,
		  imgfs_entry_fn *function, void *context)
{
	sqfs_inode inode;
	bool stopped = false;
	uint64_t self = 0, parent = 0;
	if (offset >= MADE_OFFSET)
		return readdir_made(imgfs, ino, offset - MADE_OFFSET, function, context);
	int rc = 0;
	if (is_made(ino)) {
		const struct imgfs_made_node *node = made_node(imgfs, ino);
		if (node == NULL || !S_ISDIR(node->mode))
			return -ENOTDIR;
		self = parent = made_number(imgfs, ino);
	} else if ((rc = directory_get(imgfs, ino, &inode)) == 0) {
		self = inode.base.inode_number;
		parent = inode.xtra.dir.parent_inode;
	}
	if (rc < 0 || !readdir_dots(self, parent, &offset, function, context))
		return rc;
	if (!is_made(ino))
		rc = readdir_image(imgfs, &inode, offset, with_attr, function, context, &stopped);
	return rc < 0 || stopped ? rc : readdir_made(imgfs, ino, 0, function, context);
}

/* ---- extended attributes ---- */

ssize_t imgfs_getxattr(struct imgfs *imgfs, uint64_t ino, const char *name, char *value,
		       size_t size)
{
	sqfs_inode inode;
	if (is_made(ino))
		return -ENODATA;
	int rc = inode_get(imgfs, ino, &inode);
	if (rc < 0)
		return rc;
	size_t length = size;
	if (sqfs_xattr_lookup(&imgfs->fs, &inode, name, value, &length) != SQFS_OK)
		return -EIO;
	if (length == 0)
		return -ENODATA;
	return size > 0 && length > size ? -ERANGE : (ssize_t)length;
}

ssize_t imgfs_listxattr(struct imgfs *imgfs, uint64_t ino, char *names, size_t size)
{
	sqfs_inode inode;
	sqfs_xattr xattr;
	size_t used = 0;
	if (is_made(ino))
		return 0;
	int rc = inode_get(imgfs, ino, &inode);
	if (rc < 0)
		return rc;
	if (sqfs_xattr_open(&imgfs->fs, &inode, &xattr) != SQFS_OK)
		return -EIO;
	while (xattr.remain > 0) {
		if (sqfs_xattr_read(&xattr) != SQFS_OK)
			return -EIO;
		size_t len = sqfs_xattr_name_size(&xattr);
		if (size > 0 && used + len + 1 > size)
			return -ERANGE;
		if (size > 0) {
			if (sqfs_xattr_name(&xattr, names + used, true) != SQFS_OK)
				return -EIO;
			names[used + len] = '\0';
		}
		used += len + 1;
		if (used > XATTR_LIST_MAX)
			return -E2BIG;
	}
	return (ssize_t)used;
}

void imgfs_statfs(const struct imgfs *imgfs, struct statvfs *status)
{
	const struct squashfs_super_block *super = &imgfs->fs.sb;
	*status = (struct statvfs){
		.f_bsize = super->block_size,
		.f_frsize = super->block_size,
		.f_blocks = (super->bytes_used + super->block_size - 1) / super->block_size,
		.f_files = super->inodes,
		.f_namemax = SQUASHFS_NAME_LEN,
		.f_flag = ST_RDONLY,
	};
}
