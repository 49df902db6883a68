/*
 * tar_member.h - one small member of a tar (plain or packed), by its name.
 */
#ifndef IMAGE_TAR_MEMBER_H
#define IMAGE_TAR_MEMBER_H

#include "common/buf.h"
#include "common/err.h"

/* Appends the file `name` (as "manifest": "./manifest" is the same) of the tar behind `fd`, which is
 * read from its start by pread, no further than needed.  -ENOENT: there is none; -EFBIG: it has more
 * than `most` bytes; else the errors of image/layer_tar.h and layer_unzip.h. */
int tar_member_read(int fd, const char *name, size_t most, struct buf *bytes, struct err *err);

#endif
