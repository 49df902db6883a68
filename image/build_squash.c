/*
 * build_squash.c - writing squashfs (build_squash.h) by libsquashfs of squashfs-tools-ng.
 *
 * Flow: superblock (provisional) and compressor options; data blocks and fragments by the
 * block processor, whose worker threads compress while the caller goes on, and which puts
 * blocks in the order of their submission; then inodes, directories, tables (build_table.c).
 *
 * Not sqfstar or mksquashfs -tar: before 4.7 they silently write corrupt images.  libsquashfs
 * gives error codes without errno: the file object here keeps it.
 */
#include "image/build_squash_impl.h"

#include <sqfs/block.h>
#include <sqfs/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file_read.h"

/* -- the output file ---------------------------------------------------- */

static int file_read(sqfs_file_t *base, sqfs_u64 at, void *buffer, size_t len)
{
	struct build_file *file = (struct build_file *)base;
	ssize_t got = file_read_at(file->fd, buffer, len, at);
	if (got >= 0 && (size_t)got == len)
		return 0;
	file->number = got < 0 ? (int)-got : EIO;
	return SQFS_ERROR_IO;
}

static int file_write(sqfs_file_t *base, sqfs_u64 at, const void *buffer, size_t len)
{
	struct build_file *file = (struct build_file *)base;
	for (size_t done = 0; done < len;) {
		ssize_t put = pwrite(file->fd, (const char *)buffer + done, len - done, (off_t)(at + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			file->number = put < 0 ? errno : EIO;
			return SQFS_ERROR_IO;
		}
		done += (size_t)put;
	}
	if (at + len > file->size)
		file->size = at + len;
	return 0;
}

static sqfs_u64 file_size(const sqfs_file_t *base)
{
	return ((const struct build_file *)base)->size;
}

static int file_truncate(sqfs_file_t *base, sqfs_u64 size)
{
	struct build_file *file = (struct build_file *)base;
	if (ftruncate(file->fd, (off_t)size) < 0) {
		file->number = errno;
		return SQFS_ERROR_IO;
	}
	file->size = size;
	return 0;
}

static void file_destroy(sqfs_object_t *base)
{
	(void)base;  /* part of struct build_squash */
}

/* -- errors ------------------------------------------------------------- */

int build_squash_failed(const struct build_squash *squash, int status, const char *what,
			struct err *err)
{
	static const struct { int status, number; const char *text; } texts[] = {
		{SQFS_ERROR_ALLOC, ENOMEM, "out of memory"},
		{SQFS_ERROR_COMPRESSOR, EIO, "the compressor failed"},
		{SQFS_ERROR_UNSUPPORTED, ENOTSUP, "libsquashfs was built without this compressor"},
		{SQFS_ERROR_OVERFLOW, E2BIG, "squashfs has no room for a number of this size"},
	};
	if (status == SQFS_ERROR_IO)
		return err_errno(err, squash->file.number, "write the image (%s)", what);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].status == status)
			return err_set(err, texts[i].number, "write the image (%s): %s", what, texts[i].text);
	return err_set(err, EIO, "write the image (%s): error %d of libsquashfs", what, status);
}

/* -- life --------------------------------------------------------------- */

static int make_compressors(struct build_squash *squash, struct err *err)
{
	const struct build_squash_options *options = &squash->options;
	sqfs_compressor_config_t config;
	/* Ours are the numbers of the superblock, as libsquashfs' are. */
	SQFS_COMPRESSOR id = (SQFS_COMPRESSOR)options->compressor;
	if (sqfs_compressor_config_init(&config, id, options->block_size, 0) != 0)
		return err_set(err, EINVAL, "images cannot be compressed by %s",
			       squash_compressor_name(options->compressor));
	if (id == SQFS_COMP_ZSTD)
		config.level = 3;
	if (options->level != 0)
		config.level = (sqfs_u32)options->level;
	int status = sqfs_compressor_create(&config, &squash->compressor);
	config.flags |= SQFS_COMP_FLAG_UNCOMPRESS;
	if (status == 0)
		status = sqfs_compressor_create(&config, &squash->uncompressor);
	if (status == SQFS_ERROR_UNSUPPORTED && options->level != 0)
		return err_set(err, EINVAL, "%s has no level %d",
			       squash_compressor_name(options->compressor), options->level);
	return status ? build_squash_failed(squash, status, "compressor", err) : 0;
}

static int write_head(struct build_squash *squash, struct err *err)
{
	sqfs_file_t *file = &squash->file.base;
	int status = sqfs_super_init(&squash->super, squash->options.block_size, 0,
				     (SQFS_COMPRESSOR)squash->options.compressor);
	if (status == 0)
		status = sqfs_super_write(&squash->super, file);
	if (status == 0)
		status = squash->compressor->write_options(squash->compressor, file);
	if (status < 0)
		return build_squash_failed(squash, status, "superblock", err);
	if (status > 0)
		squash->super.flags |= SQFS_FLAG_COMPRESSOR_OPTIONS;
	return 0;
}

static int make_writers(struct build_squash *squash, struct err *err)
{
	sqfs_file_t *file = &squash->file.base;
	squash->blocks = sqfs_block_writer_create(file, 0, 0);
	squash->fragments = sqfs_frag_table_create(0);
	squash->ids = sqfs_id_table_create(0);
	squash->xattrs = sqfs_xattr_writer_create(0);
	squash->inode_table = sqfs_meta_writer_create(file, squash->compressor, 0);
	squash->dir_table = sqfs_meta_writer_create(file, squash->compressor,
						    SQFS_META_WRITER_KEEP_IN_MEMORY);
	if (!squash->blocks || !squash->fragments || !squash->ids || !squash->xattrs ||
	    !squash->inode_table || !squash->dir_table)
		return build_squash_failed(squash, SQFS_ERROR_ALLOC, "start", err);
	squash->dirs = sqfs_dir_writer_create(squash->dir_table, SQFS_DIR_WRITER_CREATE_EXPORT_TABLE);
	if (!squash->dirs)
		return build_squash_failed(squash, SQFS_ERROR_ALLOC, "start", err);
	sqfs_block_processor_desc_t desc = {
		.size = sizeof desc,
		.max_block_size = squash->options.block_size,
		.num_workers = squash->options.threads,
		.max_backlog = 10 * squash->options.threads,
		.cmp = squash->compressor,
		.wr = squash->blocks,
		.tbl = squash->fragments,
		.file = file,
		.uncmp = squash->uncompressor,  /* equal tails are compared byte by byte */
	};
	int status = sqfs_block_processor_create_ex(&desc, &squash->processor);
	return status ? build_squash_failed(squash, status, "threads", err) : 0;
}

int build_squash_new(int fd, struct layer_tree *tree, const struct build_squash_options *options,
		     struct build_squash **out, struct err *err)
{
	uint32_t size = options->block_size;
	if (size < SQFS_MIN_BLOCK_SIZE || size > SQFS_MAX_BLOCK_SIZE || (size & (size - 1)))
		return err_set(err, EINVAL, "a block size of %u bytes: a power of two from 4 KiB to 1 MiB "
			       "is wanted", size);
	AUTO_CALL(build_squash_free) struct build_squash *squash = calloc(1, sizeof *squash);
	if (!squash)
		return err_set(err, ENOMEM, "no memory to write an image");
	squash->file = (struct build_file){
		.base = {.base = {.destroy = file_destroy}, .read_at = file_read, .write_at = file_write,
			 .get_size = file_size, .truncate = file_truncate},
		.fd = fd,
	};
	squash->tree = tree;
	squash->options = *options;
	squash->inodes = calloc(layer_tree_inode_end(tree), sizeof *squash->inodes);
	squash->refs = calloc(layer_tree_inode_end(tree), sizeof *squash->refs);
	if (!squash->inodes || !squash->refs)
		return err_set(err, ENOMEM, "no memory to write an image");
	for (uint32_t i = 0; i < layer_tree_inode_end(tree); i++)
		squash->refs[i] = BUILD_NOT_WRITTEN;
	int rc = make_compressors(squash, err);
	if (rc == 0)
		rc = write_head(squash, err);
	if (rc == 0)
		rc = make_writers(squash, err);
	if (rc < 0)
		return rc;
	*out = take_ptr(&squash);
	return 0;
}

void build_squash_free(struct build_squash **squash)
{
	struct build_squash *it = *squash;
	if (!it)
		return;
	sqfs_destroy(it->processor);  /* first: its threads use the others */
	sqfs_destroy(it->dirs);
	sqfs_destroy(it->dir_table);
	sqfs_destroy(it->inode_table);
	sqfs_destroy(it->xattrs);
	sqfs_destroy(it->ids);
	sqfs_destroy(it->fragments);
	sqfs_destroy(it->blocks);
	sqfs_destroy(it->uncompressor);
	sqfs_destroy(it->compressor);
	for (uint32_t i = 0; it->inodes && i < layer_tree_inode_end(it->tree); i++)
		sqfs_free(it->inodes[i]);
	free(it->inodes);
	free(it->refs);
	free(it);
	*squash = NULL;
}

/* -- content ------------------------------------------------------------ */

int build_squash_begin(struct build_squash *squash, uint32_t inode, struct err *err)
{
	int status = sqfs_block_processor_begin_file(squash->processor, &squash->inodes[inode], NULL, 0);
	return status ? build_squash_failed(squash, status, "file", err) : 0;
}

int build_squash_append(struct build_squash *squash, const void *bytes, size_t len, struct err *err)
{
	int status = len ? sqfs_block_processor_append(squash->processor, bytes, len) : 0;
	return status ? build_squash_failed(squash, status, "content", err) : 0;
}

int build_squash_end(struct build_squash *squash, struct err *err)
{
	int status = sqfs_block_processor_end_file(squash->processor);
	return status ? build_squash_failed(squash, status, "content", err) : 0;
}

static int pad_file(struct build_squash *squash, struct err *err)
{
	static const char zeros[SQFS_DEVBLK_SIZE];
	sqfs_file_t *file = &squash->file.base;
	size_t over = squash->file.size % sizeof zeros;
	int status = over ? file->write_at(file, squash->file.size, zeros, sizeof zeros - over) : 0;
	return status ? build_squash_failed(squash, status, "padding", err) : 0;
}

/* Read back here, since build_verify() does not know all of what it should say. */
static int write_super(struct build_squash *squash, struct err *err)
{
	sqfs_super_t back;
	squash->super.bytes_used = squash->file.size;
	int status = sqfs_super_write(&squash->super, &squash->file.base);
	if (status == 0)
		status = sqfs_super_read(&back, &squash->file.base);
	if (status)
		return build_squash_failed(squash, status, "superblock", err);
	if (memcmp(&back, &squash->super, sizeof back) != 0)
		return err_set(err, EIO, "write the image (superblock): it reads as another");
	return 0;
}

int build_squash_finish(struct build_squash *squash, uint64_t *bytes_used, struct err *err)
{
	sqfs_file_t *file = &squash->file.base;
	int status = sqfs_block_processor_finish(squash->processor);
	if (status)
		return build_squash_failed(squash, status, "content", err);
	int rc = build_squash_tree(squash, err);
	if (rc < 0)
		return rc;
	if ((status = sqfs_frag_table_write(squash->fragments, file, &squash->super, squash->compressor)))
		return build_squash_failed(squash, status, "fragments", err);
	uint32_t root = layer_tree_node(squash->tree, TREE_ROOT)->inode;
	status = sqfs_dir_writer_write_export_table(squash->dirs, file, squash->compressor,
						    layer_tree_inode_at(squash->tree, root)->number,
						    squash->refs[root], &squash->super);
	if (status == 0)
		status = sqfs_id_table_write(squash->ids, file, &squash->super, squash->compressor);
	if (status == 0)
		status = sqfs_xattr_writer_flush(squash->xattrs, file, &squash->super,
						 squash->compressor);
	if (status)
		return build_squash_failed(squash, status, "tables", err);
	if ((rc = write_super(squash, err)) < 0)
		return rc;
	*bytes_used = squash->super.bytes_used;
	return pad_file(squash, err);
}
