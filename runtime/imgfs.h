/*
 * imgfs.h - a squashfs image as inodes; no FUSE in here.
 *
 * An inode number is FUSE's: 1 is the root, a number below IMGFS_MADE_BASE is the place of an inode
 * in the image (plus 2), one from there on is something made at run time (imgfs_made.h).  So there
 * is no table of inodes and nothing to forget.
 *
 * The image is foreign: whatever is wrong in it comes out as -EIO.  All functions return 0 or a
 * length, or -errno, and may be called by several threads at once.  They wait for what has not
 * arrived, where they do not say that they do not; opening waits for the tables, so that all but
 * reading goes on without waiting then.
 */
#ifndef RUNTIME_IMGFS_H
#define RUNTIME_IMGFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "common/err.h"
#include "runtime/imgfs_record.h"
#include "runtime/imgfs_wait.h"

#define IMGFS_ROOT 1ull
#define IMGFS_MADE_BASE (1ull << 62)

struct imgfs;

struct imgfs_options {
	bool own_ids;  /* show all files as uid:gid's */
	uid_t uid;
	gid_t gid;
	struct imgfs_source source;   /* what is here of the image; its arrival stays the caller's */
	struct imgfs_record *record;  /* keeps what is read, or NULL; the caller's */
	const uint8_t *root_hash;  /* VERITY_HASH bytes: check all that is read (squash/squash_verity.h); NULL */
};

/* A part of the image file, in bytes. */
struct imgfs_range {
	uint64_t at, len;
};

struct imgfs_entry {
	uint64_t ino;
	struct stat attr;
};

/* The descriptor stays the caller's and must stay open.  The errors of squash_super_parse(), and
 * -EBADMSG for damaged tables. */
int imgfs_open(int image_fd, const struct imgfs_options *options, struct imgfs **imgfs,
	       struct err *err);
void imgfs_free(struct imgfs **imgfs);

bool imgfs_has_xattrs(const struct imgfs *imgfs);
uint32_t imgfs_block_size(const struct imgfs *imgfs);

/* -ENOENT when there is none. */
int imgfs_lookup(struct imgfs *imgfs, uint64_t parent, const char *name, struct imgfs_entry *entry);
int imgfs_getattr(struct imgfs *imgfs, uint64_t ino, struct stat *attr);
/* At most size bytes; 0 at the end of the file. */
ssize_t imgfs_read(struct imgfs *imgfs, uint64_t ino, char *bytes, size_t size, uint64_t offset);
/* The same without waiting: -EAGAIN, and *missing is what to wait for; it is asked for. */
ssize_t imgfs_try_read(struct imgfs *imgfs, uint64_t ino, char *bytes, size_t size, uint64_t offset,
		       struct imgfs_range *missing);
/* Unpacks the block that has `offset` for a later read; a hint, does not wait. */
void imgfs_load(struct imgfs *imgfs, uint64_t ino, uint64_t offset);
/* Where the image arrives from; as it was given. */
const struct imgfs_source *imgfs_source(const struct imgfs *imgfs);
/* text[] gets a NUL at the end; -ENAMETOOLONG when size is too small. */
int imgfs_readlink(struct imgfs *imgfs, uint64_t ino, char *text, size_t size);

/* An entry of a directory; `next` is the offset that continues behind it.  attr is filled when
 * with_attr was asked for, else only st_ino and st_mode's type.  Returns false to stop. */
typedef bool imgfs_entry_fn(void *context, const char *name, const struct imgfs_entry *entry,
			    uint64_t next);
/* From offset 0 or a `next`; "." and ".." come first, with ino 0. */
int imgfs_readdir(struct imgfs *imgfs, uint64_t ino, uint64_t offset, bool with_attr,
		  imgfs_entry_fn *function, void *context);

/* size 0 asks for the length.  -ENODATA: no such attribute; -ERANGE. */
ssize_t imgfs_getxattr(struct imgfs *imgfs, uint64_t ino, const char *name, char *value,
		       size_t size);
ssize_t imgfs_listxattr(struct imgfs *imgfs, uint64_t ino, char *names, size_t size);

void imgfs_statfs(const struct imgfs *imgfs, struct statvfs *status);

/* A directory, an empty file or a link (points_to) that the image lacks. -EEXIST, -ENOSPC. */
int imgfs_make(struct imgfs *imgfs, uint64_t parent, const char *name, mode_t mode,
	       const char *points_to, struct imgfs_entry *entry);

#endif
