/*
 * imgfs_serve.h - answers the kernel's FUSE requests from an image.
 */
#ifndef RUNTIME_IMGFS_SERVE_H
#define RUNTIME_IMGFS_SERVE_H

#include "common/err.h"
#include "runtime/imgfs.h"

/* Serves the mount whose device is device_fd until it is unmounted (0) or fails.  With `records` the
 * kernel has to look every name up, so that imgfs can record it. */
int imgfs_serve(struct imgfs *imgfs, int device_fd, bool records, struct err *err);

#endif
