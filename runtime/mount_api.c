/*
 * mount_api.c - fsopen, fsmount, open_tree, move_mount, mount_setattr (mount_api.h).
 *
 * Why by descriptor and not mount(2): a root can be put together without a place of its own on the
 * host (nothing there is hidden, so every host directory stays a possible source), and no path is
 * walked twice.
 */
#include "runtime/mount_api.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

/* The context's log is one message a read: "e fuse: Unknown parameter" (fsopen(2)). */
static void read_words(int context_fd, char *words, unsigned size)
{
	if (words == NULL || size == 0)
		return;
	ssize_t len = read(context_fd, words, size - 1);
	words[len > 0 ? len : 0] = '\0';
}

static int configure(int context_fd, const struct mount_option *options)
{
	for (; options != NULL && options->key != NULL; options++) {
		unsigned command = options->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
		if (syscall(SYS_fsconfig, context_fd, command, options->key, options->value, 0) < 0)
			return -errno;
	}
	if (syscall(SYS_fsconfig, context_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

int mount_api_new(const char *type, const struct mount_option *options, uint64_t attributes,
		  char *words, unsigned size)
{
	if (words != NULL && size > 0)
		words[0] = '\0';
	AUTO_FD int context_fd = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	if (context_fd < 0)
		return -errno;
	int rc = configure(context_fd, options);
	if (rc < 0) {
		read_words(context_fd, words, size);
		return rc;
	}
	int fd = (int)syscall(SYS_fsmount, context_fd, FSMOUNT_CLOEXEC, (unsigned)attributes);
	return fd < 0 ? -errno : fd;
}

int mount_api_clone(int dir_fd, const char *path, bool recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	if (recursive)
		flags |= AT_RECURSIVE;
	if (path[0] == '\0')
		flags |= AT_EMPTY_PATH;
	int fd = (int)syscall(SYS_open_tree, dir_fd, path, flags);
	return fd < 0 ? -errno : fd;
}

int mount_api_set(int mount_fd, uint64_t attributes, bool recursive)
{
	struct mount_attr attr = {.attr_set = attributes};
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
	if (syscall(SYS_mount_setattr, mount_fd, "", flags, &attr, sizeof attr) < 0)
		return -errno;
	return 0;
}

int mount_api_attach(int mount_fd, int target_fd)
{
	unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
	if (syscall(SYS_move_mount, mount_fd, "", target_fd, "", flags) < 0)
		return -errno;
	return 0;
}

int mount_api_attach_root(int mount_fd)
{
	if (syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}
