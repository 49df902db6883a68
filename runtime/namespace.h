/*
 * namespace.h - a mount namespace of our own, with a user namespace around it where that is needed.
 *
 * As root with CAP_SYS_ADMIN only the mount namespace is new: then the kernel may mount the image
 * itself.  Otherwise a user namespace comes first, in which the one user and the one group are
 * mapped to themselves (user_namespaces(7)).  The process must have one thread.
 */
#ifndef RUNTIME_NAMESPACE_H
#define RUNTIME_NAMESPACE_H

#include <stdbool.h>

#include "common/err.h"

/* *privileged: no user namespace was needed.  An error names the switch that forbids it. */
int namespace_enter(bool *privileged, struct err *err);

/* Makes the mount new_root_fd the root of this process (and of those that share its root), and
 * detaches all that was mounted before.  The mount must be attached (mount_api_attach_root). */
int namespace_pivot(int new_root_fd, struct err *err);

#endif
