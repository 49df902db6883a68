/*
 * imgfs_record.h - keeps the boot profile of a run: what was touched first, in order.
 *
 * Bounded: paths and lines above the limits are left out.  Any thread may call.
 */
#ifndef RUNTIME_IMGFS_RECORD_H
#define RUNTIME_IMGFS_RECORD_H

#include <stdint.h>

#include "common/err.h"

enum {
	IMGFS_RECORD_GRAIN = 64 << 10,      /* bytes of the image file that count as one part */
	IMGFS_RECORD_FILES_MAX = 1 << 18,
	IMGFS_RECORD_PATH_BYTES_MAX = 32 << 20,
	IMGFS_RECORD_BYTES_MAX = 64 << 20,  /* of text */
};

struct imgfs_record;

/* Lines (imgfs_profile.h) go to fd, which stays the caller's, each when it comes about. */
int imgfs_record_new(int fd, uint64_t root, struct imgfs_record **record, struct err *err);
void imgfs_record_free(struct imgfs_record **record);

/* `name` in the directory `parent` is the inode `ino`. */
void imgfs_record_name(struct imgfs_record *record, uint64_t parent, const char *name, uint64_t ino);
/* [at, at + len) of the image file was used for the contents of `ino`, or (0) for the tables. */
void imgfs_record_touch(struct imgfs_record *record, uint64_t ino, uint64_t at, uint64_t len);

#endif
