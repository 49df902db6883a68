/*
 * backend.h - the two ways to make a squashfs image a file tree.
 *
 * Each gives a root that is attached over the process's root (mount_api_attach_root), read-only for
 * what the image has and writable, in memory, for mount points that it lacks.
 */
#ifndef RUNTIME_BACKEND_H
#define RUNTIME_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "runtime/init_msg.h"

struct backend_input {
	int image_fd;
	int arrival_fd, profile_fd;  /* -1: none; with one of them only FUSE will do */
	int owner_fd;           /* a pidfd of cmpid, which ends the arrival; -1 without one */
	const uint8_t *root_hash;    /* of the hash tree that reads are checked against; NULL: none, else only FUSE will do */
	const char *imgfs_path;
	bool privileged;        /* no user namespace: the kernel may mount block devices */
};

struct backend_root {
	int root_fd;            /* the root's mount; -1: none */
	int image_fd;           /* a mount of the image's own tree, not attached */
	pid_t server;           /* cmpi-imgfs, or 0 */
};

/* `wanted` AUTO takes the kernel if privileged and it can and FUSE is not needed, else FUSE; *used says which it was.
 * On failure nothing is mounted, and a server that may run is in root->server. */
int backend_attach(enum init_backend wanted, const struct backend_input *input,
		   struct backend_root *root, enum init_backend *used, struct err *err);

/* Why a server that ended with this status (waitpid(2)) did so: a clause. */
const char *backend_server_words(int status);

int backend_fuse_attach(const struct backend_input *input, struct backend_root *root,
			struct err *err);
int backend_kernel_attach(const struct backend_input *input, struct backend_root *root,
			  struct err *err);

#endif
