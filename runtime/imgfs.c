/*
 * imgfs.c - lookup, attributes, reading: between inode numbers and the image (imgfs.h).
 *
 * squash/ reads the image and believes nothing in it; here its places become inode numbers, what
 * was made at run time is laid over, and errors become numbers.
 *
 * Any thread may call.  Each call takes a reader (room to unpack, the blocks used last) from a
 * stack and puts it back, so there are as many as there ever were calls at one time.
 *
 * Invariant: the lock is held for the stack and the made nodes, never while the image is read.
 */
#include "runtime/imgfs.h"

#include <stdlib.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "runtime/imgfs_private.h"

/* The kernel keeps whole files above us: data blocks are wanted again for their other half only,
 * fragments for other files, metadata for all. */
static const struct disk_limits cache_limits = {
	.meta = 16 << 20,
	.data = 8 << 20,
	.fragments = 32 << 20,
};

/* ---- what is here ---- */

/* Of the type disk_need_fn. */
static int reader_need(void *context, uint64_t at, uint64_t len)
{
	struct imgfs_reader *reader = context;
	const struct imgfs_options *options = &reader->imgfs->options;
	bool table = at >= reader->disk.disk->super.inode_table;
	if (options->record != NULL && reader->recorded != IMGFS_NOT_RECORDED)
		imgfs_record_touch(options->record, table ? 0 : reader->recorded, at, len);
	if (reader->missing == NULL)
		return imgfs_source_wait(&options->source, at, len);
	*reader->missing = (struct imgfs_range){at, len};
	return imgfs_source_check(&options->source, at, len);
}

const struct imgfs_source *imgfs_source(const struct imgfs *imgfs)
{
	return &imgfs->options.source;
}

/* ---- open ---- */

static struct imgfs_reader *reader_new(struct imgfs *imgfs)
{
	AUTO_FREE struct imgfs_reader *reader = calloc(1, sizeof *reader);
	if (reader == NULL || disk_reader_init(&reader->disk, &imgfs->disk, NULL) < 0)
		return NULL;
	reader->imgfs = imgfs;
	reader->disk.need_context = reader;
	if (imgfs->options.source.arrival != NULL || imgfs->options.record != NULL)
		reader->disk.need = reader_need;
	return take_ptr(&reader);
}

struct imgfs_reader *imgfs_reader_take(struct imgfs *imgfs)
{
	pthread_mutex_lock(&imgfs->lock);
	struct imgfs_reader *reader = imgfs->idle;
	if (reader != NULL)
		imgfs->idle = reader->next;
	pthread_mutex_unlock(&imgfs->lock);
	return reader != NULL ? reader : reader_new(imgfs);
}

void imgfs_reader_give(struct imgfs_reader **where)
{
	struct imgfs_reader *reader = take_ptr(where);
	if (reader == NULL)
		return;
	reader->recorded = 0;
	reader->missing = NULL;
	pthread_mutex_lock(&reader->imgfs->lock);
	reader->next = reader->imgfs->idle;
	reader->imgfs->idle = reader;
	pthread_mutex_unlock(&reader->imgfs->lock);
}

void imgfs_free(struct imgfs **where)
{
	struct imgfs *imgfs = take_ptr(where);
	if (imgfs == NULL)
		return;
	while (imgfs->idle != NULL) {
		struct imgfs_reader *reader = imgfs->idle;
		imgfs->idle = reader->next;
		disk_reader_free(&reader->disk);
		free(reader);
	}
	disk_close(&imgfs->disk);
	pthread_mutex_destroy(&imgfs->lock);
	imgfs_made_free(&imgfs->made);
	free(imgfs);
}

/* The superblock says where the tables are; they are at the end of the image, and a hash tree is
 * behind them. */
static int tables_wait(struct imgfs *imgfs, struct err *err)
{
	const struct squash_super *super = &imgfs->disk.super;
	uint64_t end = imgfs->options.root_hash != NULL ? UINT64_MAX : super->bytes_used;
	int rc = imgfs_source_wait(imgfs_source(imgfs), super->inode_table, end - super->inode_table);
	return rc < 0 ? err_set(err, EIO, "the image does not arrive") : 0;
}

static int tables_load(struct imgfs *imgfs, struct err *err)
{
	struct disk_inode root;
	AUTO_READER *reader = imgfs_reader_take(imgfs);
	if (reader == NULL)
		return err_errno(err, ENOMEM, "open the image");
	int rc = disk_load_ids(&reader->disk, err);
	if (rc == 0)
		rc = disk_load_xattrs(&reader->disk, err);
	if (rc < 0 && rc != -ENOMEM)
		return err_set(err, EBADMSG, "the image's tables are damaged");
	if (rc == 0 && imgfs_directory_get(reader, IMGFS_ROOT, &root) < 0)
		return err_set(err, EBADMSG, "the image's root directory is damaged");
	return rc;
}

int imgfs_open(int image_fd, const struct imgfs_options *options, struct imgfs **out,
	       struct err *err)
{
	AUTO_CALL(imgfs_free) struct imgfs *imgfs = calloc(1, sizeof *imgfs);
	if (imgfs == NULL)
		return err_errno(err, ENOMEM, "open the image");
	imgfs->options = *options;
	pthread_mutex_init(&imgfs->lock, NULL);
	if (imgfs_source_wait(imgfs_source(imgfs), 0, SQUASH_SUPER_SIZE) < 0)
		return err_set(err, EIO, "the image does not arrive");
	int rc = disk_open(&imgfs->disk, image_fd, &cache_limits, err);
	if (rc == 0)
		rc = tables_wait(imgfs, err);
	if (rc == 0 && options->root_hash != NULL && disk_use_verity(&imgfs->disk, options->root_hash, err) < 0)
		rc = err_set(err, EBADMSG, "the image does not fit its hash tree");
	if (rc == 0)
		rc = tables_load(imgfs, err);
	if (rc == 0)
		*out = take_ptr(&imgfs);
	return rc;
}

bool imgfs_has_xattrs(const struct imgfs *imgfs)
{
	return imgfs->disk.xattr_lists > 0;
}

uint32_t imgfs_block_size(const struct imgfs *imgfs)
{
	return imgfs->disk.super.block_size;
}

/* ---- inodes of the image ---- */

uint64_t imgfs_ino_of(const struct imgfs *imgfs, uint64_t inode)
{
	return inode == imgfs->disk.super.root_inode ? IMGFS_ROOT : inode + 2;
}

int imgfs_inode_get(struct imgfs_reader *reader, uint64_t ino, struct disk_inode *inode)
{
	uint64_t place = ino == IMGFS_ROOT ? reader->disk.disk->super.root_inode : ino - 2;
	return disk_inode_get(&reader->disk, place, inode, NULL);
}

int imgfs_directory_get(struct imgfs_reader *reader, uint64_t ino, struct disk_inode *inode)
{
	int rc = imgfs_inode_get(reader, ino, inode);
	return rc < 0 || S_ISDIR(inode->mode) ? rc : -ENOTDIR;
}

static int ids_fill(const struct imgfs *imgfs, const struct disk_inode *inode, struct stat *attr)
{
	if (imgfs->options.own_ids) {
		attr->st_uid = imgfs->options.uid;
		attr->st_gid = imgfs->options.gid;
		return 0;
	}
	int rc = disk_id(&imgfs->disk, inode->uid, &attr->st_uid);
	return rc < 0 ? rc : disk_id(&imgfs->disk, inode->gid, &attr->st_gid);
}

int imgfs_attr_fill(const struct imgfs *imgfs, const struct disk_inode *inode, struct stat *attr)
{
	*attr = (struct stat){
		.st_ino = inode->number,
		.st_mode = inode->mode,
		.st_nlink = inode->links,
		.st_size = (off_t)inode->size,
		.st_blocks = (blkcnt_t)(inode->size / 512 + (inode->size % 512 != 0)),
		.st_blksize = (blksize_t)imgfs_block_size(imgfs),
		.st_mtim.tv_sec = inode->mtime,
		.st_ctim.tv_sec = inode->mtime,
		.st_atim.tv_sec = inode->mtime,
	};
	/* Linux's new_encode_dev(): 12 bits of major between the low 8 and the high 12 of minor. */
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
		attr->st_rdev = makedev((inode->device >> 8) & 0xfff,
					(inode->device & 0xff) | ((inode->device >> 12) & 0xfff00));
	return ids_fill(imgfs, inode, attr);
}

static int image_attr(struct imgfs_reader *reader, uint64_t ino, struct stat *attr)
{
	struct disk_inode inode;
	int rc = imgfs_inode_get(reader, ino, &inode);
	return rc < 0 ? rc : imgfs_attr_fill(reader->imgfs, &inode, attr);
}

/* ---- made nodes ---- */

bool imgfs_is_made(uint64_t ino)
{
	return ino >= IMGFS_MADE_BASE;
}

bool imgfs_made_node_get(struct imgfs *imgfs, uint64_t ino, struct imgfs_made_node *node)
{
	uint64_t index = ino - IMGFS_MADE_BASE;
	pthread_mutex_lock(&imgfs->lock);
	bool exists = index < imgfs->made.count;
	if (exists)
		*node = imgfs->made.nodes[index];
	pthread_mutex_unlock(&imgfs->lock);
	return exists;
}

/* They get the numbers behind those of the image. */
uint64_t imgfs_made_number(const struct imgfs *imgfs, uint64_t ino)
{
	return imgfs->disk.super.inodes + 1ull + (ino - IMGFS_MADE_BASE);
}

void imgfs_made_attr(const struct imgfs *imgfs, uint64_t ino, const struct imgfs_made_node *node,
		     struct stat *attr)
{
	bool own = imgfs->options.own_ids;
	*attr = (struct stat){
		.st_ino = imgfs_made_number(imgfs, ino),
		.st_mode = node->mode,
		.st_nlink = S_ISDIR(node->mode) ? 2 : 1,
		.st_size = node->points_to ? (off_t)strlen(node->points_to) : 0,
		.st_blksize = 4096,
		.st_mtim.tv_sec = imgfs->disk.super.mtime,
		.st_ctim.tv_sec = imgfs->disk.super.mtime,
		.st_atim.tv_sec = imgfs->disk.super.mtime,
		.st_uid = own ? imgfs->options.uid : 0,
		.st_gid = own ? imgfs->options.gid : 0,
	};
}

static int made_lookup(struct imgfs *imgfs, uint64_t parent, const char *name,
		       struct imgfs_entry *entry)
{
	struct imgfs_made_node node;
	pthread_mutex_lock(&imgfs->lock);
	long index = imgfs_made_find(&imgfs->made, parent, name);
	if (index >= 0)
		node = imgfs->made.nodes[index];
	pthread_mutex_unlock(&imgfs->lock);
	if (index < 0)
		return -ENOENT;
	entry->ino = IMGFS_MADE_BASE + (uint64_t)index;
	imgfs_made_attr(imgfs, entry->ino, &node, &entry->attr);
	return 0;
}

int imgfs_make(struct imgfs *imgfs, uint64_t parent, const char *name, mode_t mode,
	       const char *points_to, struct imgfs_entry *entry)
{
	int rc = imgfs_lookup(imgfs, parent, name, entry);
	if (rc != -ENOENT)
		return rc == 0 ? -EEXIST : rc;
	pthread_mutex_lock(&imgfs->lock);
	long index = imgfs_made_find(&imgfs->made, parent, name) >= 0
			     ? -EEXIST
			     : imgfs_made_add(&imgfs->made, parent, name, mode, points_to);
	pthread_mutex_unlock(&imgfs->lock);
	return index < 0 ? (int)index : made_lookup(imgfs, parent, name, entry);
}

/* ---- the calls ---- */

int imgfs_getattr(struct imgfs *imgfs, uint64_t ino, struct stat *attr)
{
	struct imgfs_made_node node;
	if (imgfs_is_made(ino)) {
		if (!imgfs_made_node_get(imgfs, ino, &node))
			return -ESTALE;
		imgfs_made_attr(imgfs, ino, &node, attr);
		return 0;
	}
	AUTO_READER *reader = imgfs_reader_take(imgfs);
	return reader == NULL ? -ENOMEM : image_attr(reader, ino, attr);
}

static int image_lookup(struct imgfs_reader *reader, uint64_t parent, const char *name,
			struct imgfs_entry *entry)
{
	struct disk_inode inode;
	struct disk_entry found;
	int rc = imgfs_directory_get(reader, parent, &inode);
	if (rc == 0)
		rc = disk_dir_find(&reader->disk, &inode, name, &found, NULL);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	entry->ino = imgfs_ino_of(reader->imgfs, found.inode);
	if (reader->imgfs->options.record != NULL)
		imgfs_record_name(reader->imgfs->options.record, parent, name, entry->ino);
	return image_attr(reader, entry->ino, &entry->attr);
}

int imgfs_lookup(struct imgfs *imgfs, uint64_t parent, const char *name, struct imgfs_entry *entry)
{
	struct imgfs_made_node node;
	if (imgfs_is_made(parent)) {
		if (!imgfs_made_node_get(imgfs, parent, &node))
			return -ESTALE;
		return S_ISDIR(node.mode) ? made_lookup(imgfs, parent, name, entry) : -ENOTDIR;
	}
	AUTO_READER *reader = imgfs_reader_take(imgfs);
	int rc = reader == NULL ? -ENOMEM : image_lookup(reader, parent, name, entry);
	return rc == -ENOENT ? made_lookup(imgfs, parent, name, entry) : rc;
}

static ssize_t file_read(struct imgfs *imgfs, uint64_t ino, char *bytes, size_t size,
			 uint64_t offset, struct imgfs_range *missing)
{
	struct imgfs_made_node node;
	struct disk_inode inode;
	if (imgfs_is_made(ino))
		return imgfs_made_node_get(imgfs, ino, &node) ? 0 : -ESTALE;
	AUTO_READER *reader = imgfs_reader_take(imgfs);
	if (reader == NULL)
		return -ENOMEM;
	reader->missing = missing;
	reader->recorded = ino;
	int rc = imgfs_inode_get(reader, ino, &inode);
	if (rc < 0)
		return rc;
	if (!S_ISREG(inode.mode))
		return -EISDIR;
	return disk_file_read(&reader->disk, &inode, offset, bytes, size, NULL);
}

ssize_t imgfs_read(struct imgfs *imgfs, uint64_t ino, char *bytes, size_t size, uint64_t offset)
{
	return file_read(imgfs, ino, bytes, size, offset, NULL);
}

ssize_t imgfs_try_read(struct imgfs *imgfs, uint64_t ino, char *bytes, size_t size, uint64_t offset,
		       struct imgfs_range *missing)
{
	return file_read(imgfs, ino, bytes, size, offset, missing);
}

void imgfs_load(struct imgfs *imgfs, uint64_t ino, uint64_t offset)
{
	struct imgfs_range missing;
	struct disk_inode inode;
	if (imgfs_is_made(ino))
		return;
	AUTO_READER *reader = imgfs_reader_take(imgfs);
	if (reader == NULL)
		return;
	reader->missing = &missing;
	reader->recorded = IMGFS_NOT_RECORDED;
	if (imgfs_inode_get(reader, ino, &inode) == 0)
		disk_file_load(&reader->disk, &inode, offset, NULL);
}

static int made_readlink(struct imgfs *imgfs, uint64_t ino, char *text, size_t size)
{
	struct imgfs_made_node node;
	if (!imgfs_made_node_get(imgfs, ino, &node))
		return -ESTALE;
	if (node.points_to == NULL)
		return -EINVAL;
	if (strlen(node.points_to) >= size)
		return -ENAMETOOLONG;
	memcpy(text, node.points_to, strlen(node.points_to) + 1);
	return 0;
}

int imgfs_readlink(struct imgfs *imgfs, uint64_t ino, char *text, size_t size)
{
	struct disk_inode inode;
	if (imgfs_is_made(ino))
		return made_readlink(imgfs, ino, text, size);
	AUTO_READER *reader = imgfs_reader_take(imgfs);
	int rc = reader == NULL ? -ENOMEM : imgfs_inode_get(reader, ino, &inode);
	if (rc < 0)
		return rc;
	if (!S_ISLNK(inode.mode))
		return -EINVAL;
	if (inode.size >= size)
		return -ENAMETOOLONG;
	return disk_link_read(&reader->disk, &inode, text, NULL);
}

void imgfs_statfs(const struct imgfs *imgfs, struct statvfs *status)
{
	const struct squash_super *super = &imgfs->disk.super;
	*status = (struct statvfs){
		.f_bsize = super->block_size,
		.f_frsize = super->block_size,
		.f_blocks = (super->bytes_used + super->block_size - 1) / super->block_size,
		.f_files = super->inodes,
		.f_namemax = DISK_NAME_MAX,
		.f_flag = ST_RDONLY,
	};
}
