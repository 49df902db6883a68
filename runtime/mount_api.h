/*
 * mount_api.h - the system calls of the mount API by descriptor (Linux 5.12 and later).
 *
 * glibc has wrappers since 2.36; these go through syscall(2), so that older ones build as well.
 * All descriptors are close-on-exec.  -errno without err: the callers know what they mounted.
 */
#ifndef RUNTIME_MOUNT_API_H
#define RUNTIME_MOUNT_API_H

#include <stdbool.h>
#include <stdint.h>

struct mount_option {
	const char *key, *value;  /* value NULL: a flag; an array ends with a key of NULL */
};

/* A new file system, not attached anywhere.  attributes: MOUNT_ATTR_* of mount_setattr(2).
 * `words` (may be NULL) gets what the kernel says about a failure. */
int mount_api_new(const char *type, const struct mount_option *options, uint64_t attributes,
		  char *words, unsigned size);

/* A copy of the mount at `path`, with all below it when recursive; path "" is dir_fd itself. */
int mount_api_clone(int dir_fd, const char *path, bool recursive);

/* Sets attributes (MOUNT_ATTR_RDONLY, ...) on a mount. */
int mount_api_set(int mount_fd, uint64_t attributes, bool recursive);

/* Attaches mount_fd over target_fd. */
int mount_api_attach(int mount_fd, int target_fd);
/* Attaches mount_fd on top of whatever the process has as root; paths that start at the process's
 * root do not see it: pivot by mount_fd. */
int mount_api_attach_root(int mount_fd);

#endif
