/*
 * layout_tar.h - a directory as a tar, so that it can be a layer.
 *
 * Members in the order of their names; owners are kept as numbers; user.* attributes, times in whole
 * seconds; hard links among the members; devices, sockets and pipes are left out.  Same tree, same bytes.
 */
#ifndef IMAGE_LAYOUT_TAR_H
#define IMAGE_LAYOUT_TAR_H

#include <stdint.h>

#include "common/err.h"

/* Writes all below the directory at `path` to out_fd, from its offset on; *len gets the number of bytes. */
int layout_tar_write(const char *path, int out_fd, uint64_t *len, struct err *err);

#endif
