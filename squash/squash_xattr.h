/*
 * squash_xattr.h - extended attributes of an image's inodes.
 */
#ifndef SQUASH_SQUASH_XATTR_H
#define SQUASH_SQUASH_XATTR_H

#include "squash/squash_disk.h"

enum { SQUASH_XATTR_NAME_MAX = 255, SQUASH_XATTR_VALUE_MAX = 65536, SQUASH_XATTRS_MAX = 65536 };

/* Where a reading of one inode's attributes stands. */
struct squash_xattrs {
	struct disk_place place;
	uint32_t left;
};

struct squash_xattr {
	char name[SQUASH_XATTR_NAME_MAX + 1];  /* with its prefix: "user.x" */
	uint32_t size;                         /* of the value, at most SQUASH_XATTR_VALUE_MAX */
	struct disk_place value;
};

/* After disk_load_xattrs(). */
int squash_xattrs_open(struct disk_reader *reader, const struct disk_inode *inode,
		       struct squash_xattrs *xattrs, struct err *err);
/* 1: one, 0: no more, -EIO. */
int squash_xattrs_next(struct disk_reader *reader, struct squash_xattrs *xattrs,
		       struct squash_xattr *xattr, struct err *err);
/* xattr->size bytes. */
int squash_xattr_value(struct disk_reader *reader, const struct squash_xattr *xattr, void *value,
		       struct err *err);

#endif
