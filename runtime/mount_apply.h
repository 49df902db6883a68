/*
 * mount_apply.h - carries out a mount plan on the root of a job.
 */
#ifndef RUNTIME_MOUNT_APPLY_H
#define RUNTIME_MOUNT_APPLY_H

#include "common/err.h"
#include "runtime/mount_plan.h"

/* root_fd: the image's mount, attached, writable for its mount points; image_fd: a copy of it that
 * is not attached and becomes MOUNT_PLAN_IMAGE.  In the end the root is read-only.  The process's
 * own root must still be the host's: sources are found there. On failure *exit_code is of
 * common/exitcode.h: USAGE for what the plan asks in vain, else SETUP. */
int mount_apply(const struct mount_plan *plan, int root_fd, int image_fd, int *exit_code,
		struct err *err);

#endif
