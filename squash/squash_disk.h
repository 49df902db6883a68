/*
 * squash_disk.h - the structures of squashfs 4.0 on disk: metadata blocks, inodes, directories,
 * data blocks.  squash.c adds paths for planning, runtime/imgfs.c serves a mount.
 *
 * A `disk` is what all threads share: the superblock, tables, caches of unpacked blocks.  A
 * `disk_reader` is what one thread at a time works with; make as many as you like.
 *
 * Format: the kernel's fs/squashfs/squashfs_fs.h.  Nothing that is read is believed: -EIO with what
 * is wrong, for everything that points out of the image.
 */
#ifndef SQUASH_SQUASH_DISK_H
#define SQUASH_SQUASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/squash_super.h"
#include "squash/squash_cache.h"
#include "squash/squash_unpack.h"
#include "squash/squash_verity.h"

enum { DISK_META_SIZE = 8192, DISK_NAME_MAX = 256, DISK_HELD = 16 };

#define DISK_NO_FRAGMENT UINT32_MAX
#define DISK_NO_XATTR UINT32_MAX

/* Bytes of unpacked blocks that are kept. */
struct disk_limits {
	size_t meta, data, fragments;
};

struct disk {
	int fd;
	uint64_t at;                  /* in the file: the squashfs begins there */
	struct squash_super super;
	struct squash_verity *verity;  /* NULL: blocks are not checked */
	struct squash_cache *meta, *data, *fragments;
	struct disk_steps *steps;     /* squash_file.c's */
	uint32_t *ids;                /* super.ids of them, after disk_load_ids() */
	uint64_t xattr_pairs;         /* where they begin, and how many inodes' lists there are; */
	uint32_t xattr_lists;         /* after disk_load_xattrs() */
};

/* Asked before [at, at + len) of the image file is used, whether or not it is in a cache; anything
 * but 0 ends the operation with that. Metadata is asked for by more than its length, which is not
 * known before. */
typedef int disk_need_fn(void *context, uint64_t at, uint64_t len);

struct disk_reader {
	struct disk *disk;
	struct squash_unpack unpack;
	char *packed;                             /* what pread gives */
	struct squash_block *held[DISK_HELD];     /* metadata used last: read again without a lock */
	disk_need_fn *need;                       /* NULL: everything is here */
	void *need_context;
};

/* A place in a chain of metadata blocks. */
struct disk_place {
	uint64_t block;
	uint32_t offset;
};

struct disk_inode {
	mode_t mode;
	uint32_t number, mtime, links;
	uint16_t uid, gid;        /* for disk_id */
	uint32_t xattr;           /* for squash_xattr.h, or DISK_NO_XATTR */
	uint64_t size;            /* regular, directory, link; else 0 */
	uint64_t start;           /* regular: of the first data block */
	uint32_t fragment, fragment_offset;
	uint32_t parent;          /* directory: its parent's number */
	uint32_t device;          /* block, character: as the kernel's new_encode_dev() */
	uint16_t indexes;         /* directory: entries of its index, and */
	struct disk_place index;  /* where that is */
	struct disk_place place;  /* regular: sizes of the blocks; directory: entries; link: text */
};

struct disk_entry {
	char name[DISK_NAME_MAX + 1];
	uint64_t inode;           /* for disk_inode_get */
	uint32_t number;
	mode_t type;              /* S_IFMT's bits */
};

struct disk_dir {
	struct disk_place place;
	uint64_t position, left;  /* bytes of entries behind and before us */
	uint32_t run, block, number; /* entries left under this header; their inodes' block, numbers */
};

/* The squashfs in the file: all of it, or a part (common/squash_file.h); places are counted from its start. */
int disk_open(struct disk *disk, int fd, const struct disk_limits *limits, struct err *err);
/* From now on every block that is read is checked against the hash tree of this root; the
 * superblock that was read already is checked at once.  Once, before there are readers. */
int disk_use_verity(struct disk *disk, const uint8_t root[VERITY_HASH], struct err *err);
void disk_close(struct disk *disk);
int disk_reader_init(struct disk_reader *reader, struct disk *disk, struct err *err);
void disk_reader_free(struct disk_reader *reader);

/* What planning does without: owners' numbers and extended attributes. Once, by one thread. */
int disk_load_ids(struct disk_reader *reader, struct err *err);
int disk_load_xattrs(struct disk_reader *reader, struct err *err);
/* -EIO for an index that the image does not have. */
int disk_id(const struct disk *disk, uint16_t index, uint32_t *id);

int disk_inode_get(struct disk_reader *reader, uint64_t inode, struct disk_inode *out,
		   struct err *err);

int disk_dir_open(const struct disk_inode *inode, struct disk_dir *dir, struct err *err);
/* Opens it at the first entry whose position is not below `position`. */
int disk_dir_seek(struct disk_reader *reader, const struct disk_inode *inode, uint64_t position,
		  struct disk_dir *dir, struct err *err);
/* 1: an entry, 0: no more, -EIO. Names hold no slash and no NUL, and are not "." or "..". */
int disk_dir_next(struct disk_reader *reader, struct disk_dir *dir, struct disk_entry *entry,
		  struct err *err);
/* 1: found, 0: there is none. */
int disk_dir_find(struct disk_reader *reader, const struct disk_inode *inode, const char *name,
		  struct disk_entry *entry, struct err *err);

/* `text` has inode->size + 1 bytes (the caller has bounded it). */
int disk_link_read(struct disk_reader *reader, const struct disk_inode *inode, char *text,
		   struct err *err);

/* As pread(2): up to `len` bytes, 0 at the end. */
ssize_t disk_file_read(struct disk_reader *reader, const struct disk_inode *inode,
		       uint64_t offset, void *bytes, size_t len, struct err *err);
/* Unpacks the block that has `offset` into the cache, for a later read. */
int disk_file_load(struct disk_reader *reader, const struct disk_inode *inode, uint64_t offset,
		   struct err *err);

#endif
