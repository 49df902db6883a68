/*
 * squash_disk.h - the structures of squashfs 4.0 on disk: metadata blocks, inodes,
 * directories, data blocks.  Used by squash.c alone, which adds paths.
 *
 * Format: the kernel's fs/squashfs/squashfs_fs.h.  Nothing that is read is
 * believed: -EIO with what is wrong, for everything that points out of the image.
 */
#ifndef SQUASH_SQUASH_DISK_H
#define SQUASH_SQUASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/squash_super.h"
#include "squash/squash_unpack.h"

enum {
	DISK_META_SIZE = 8192,
	DISK_META_CACHED = 64,
	DISK_DATA_CACHED = 8,
	DISK_NAME_MAX = 256,
};

#define DISK_NO_FRAGMENT UINT32_MAX

/* A block that was unpacked; `at` is its place in the file, 0: empty slot. */
struct disk_block {
	uint64_t at, next;  /* next: where the following metadata block begins */
	size_t len;
	char *bytes;
	uint64_t used;      /* tick of its last use */
};

struct disk {
	int fd;
	struct squash_super super;
	struct squash_unpack unpack;
	struct disk_block meta[DISK_META_CACHED], data[DISK_DATA_CACHED];
	char *packed;       /* block_size bytes: what pread gives */
	uint64_t tick;
	uint64_t fragment_chain;      /* the block of the fragment table used last, and */
	uint32_t fragment_chain_index; /* which it is; at 0: none yet */
};

/* A place in a chain of metadata blocks. */
struct disk_place {
	uint64_t block;
	uint32_t offset;
};

struct disk_inode {
	mode_t mode;
	uint32_t number;
	uint64_t size;            /* regular, directory, link; else 0 */
	uint64_t start;           /* regular: of the first data block */
	uint32_t fragment, fragment_offset;
	struct disk_place place;  /* regular: sizes of the blocks; directory: entries; link: text */
};

struct disk_entry {
	char name[DISK_NAME_MAX + 1];
	uint64_t inode;           /* for disk_inode_get */
};

struct disk_dir {
	struct disk_place place;
	uint64_t left;            /* bytes of entries */
	uint32_t run, block;      /* entries left under this header; their inodes' block */
};

int disk_open(struct disk *disk, int fd, struct err *err);
void disk_close(struct disk *disk);

int disk_inode_get(struct disk *disk, uint64_t inode, struct disk_inode *out, struct err *err);

int disk_dir_open(const struct disk_inode *inode, struct disk_dir *dir, struct err *err);
/* 1: an entry, 0: no more, -EIO. Names hold no slash and no NUL, and are not "." or "..". */
int disk_dir_next(struct disk *disk, struct disk_dir *dir, struct disk_entry *entry,
		  struct err *err);

/* `text` has inode->size + 1 bytes (the caller has bounded it). */
int disk_link_read(struct disk *disk, const struct disk_inode *inode, char *text, struct err *err);

/* As pread(2): up to `len` bytes, 0 at the end. */
ssize_t disk_file_read(struct disk *disk, const struct disk_inode *inode, uint64_t offset,
		       void *bytes, size_t len, struct err *err);

#endif
