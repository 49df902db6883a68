/*
 * root_path.h - paths of the container, walked inside its root.
 *
 * Everything goes through openat2(2) with RESOLVE_IN_ROOT: absolute links and ".." of an image stay
 * inside the image, whoever made it.
 */
#ifndef RUNTIME_ROOT_PATH_H
#define RUNTIME_ROOT_PATH_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

/* open(2) of `path` below root_fd with `flags` (O_CLOEXEC is added).  A descriptor or -errno, no
 * err: many callers only want to know. */
int root_path_open(int root_fd, const char *path, int flags);

/* The same with O_PATH for a mount target: what is missing is made, parents as directories (0755),
 * the last part as a directory or an empty file.  A dangling link is followed and its end made. */
int root_path_make(int root_fd, const char *path, bool directory, struct err *err);

/* Makes a symbolic link, and its parents; an existing path stays as it is. */
int root_path_link(int root_fd, const char *path, const char *points_to, struct err *err);

#endif
