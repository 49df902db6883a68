/*
 * build_squash_impl.h - what build_squash.c and build_table.c share.
 */
#ifndef IMAGE_BUILD_SQUASH_IMPL_H
#define IMAGE_BUILD_SQUASH_IMPL_H

#include <sqfs/block_processor.h>
#include <sqfs/block_writer.h>
#include <sqfs/compressor.h>
#include <sqfs/dir_writer.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/meta_writer.h>
#include <sqfs/super.h>
#include <sqfs/xattr_writer.h>

#include "image/build_squash.h"

#define BUILD_NOT_WRITTEN UINT64_MAX

struct build_file {
	sqfs_file_t base;  /* first: libsquashfs knows this part */
	int fd;
	int number;        /* errno of what failed last */
	uint64_t size;
};

struct build_squash {
	struct build_file file;
	struct layer_tree *tree;
	struct build_squash_options options;
	sqfs_super_t super;
	sqfs_compressor_t *compressor, *uncompressor;
	sqfs_block_writer_t *blocks;
	sqfs_frag_table_t *fragments;
	sqfs_block_processor_t *processor;
	sqfs_id_table_t *ids;
	sqfs_xattr_writer_t *xattrs;
	sqfs_meta_writer_t *inode_table, *dir_table;
	sqfs_dir_writer_t *dirs;
	sqfs_inode_generic_t **inodes;  /* of regular files, by index in the tree */
	uint64_t *refs;                 /* where an inode was written, by index; BUILD_NOT_WRITTEN */
};

/* Inode and directory table. */
int build_squash_tree(struct build_squash *squash, struct err *err);

/* libsquashfs' status as an error. */
int build_squash_failed(const struct build_squash *squash, int status, const char *what,
			struct err *err);

#endif
