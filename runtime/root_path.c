/*
 * root_path.c - openat2(2) inside a root, and making what is missing (root_path.h).
 *
 * Flow: a root's descriptor and a path text in, an O_PATH descriptor out.  root_path_make() opens
 * the whole path; when that fails it makes the parent by itself (recursion, bounded by the path's
 * length), then the last part.  A last part that is there and yet does not open is a dangling link:
 * the walk goes on at "parent/link", which the kernel resolves inside the root like any other path.
 */
#include "runtime/root_path.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

enum { LINKS_MAX = 40, RETRIES_MAX = 16 };

int root_path_open(int root_fd, const char *path, int flags)
{
	struct open_how how = {.flags = (unsigned)flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	for (int i = 0;; i++) {
		long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
		if (fd >= 0)
			return (int)fd;
		/* EAGAIN: something was renamed meanwhile (openat2(2)). */
		if ((errno != EAGAIN && errno != EINTR) || i == RETRIES_MAX)
			return -errno;
	}
}

static int make(int root_fd, const char *path, bool directory, int links, struct err *err);

/* Splits at the last slash; parent is "/" for "/name". */
static int split(const char *path, char **parent, const char **name, struct err *err)
{
	const char *slash = strrchr(path, '/');
	*name = slash ? slash + 1 : path;
	*parent = slash > path ? strndup(path, (size_t)(slash - path)) : strdup("/");
	return *parent ? 0 : err_errno(err, ENOMEM, "path %s", path);
}

static int follow_dangling(int root_fd, int parent_fd, const char *parent, const char *name,
			   bool directory, int links, struct err *err)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(parent_fd, name, target, sizeof target - 1);
	if (len < 0)
		return err_errno(err, errno, "read the link %s/%s of the image", parent, name);
	target[len] = '\0';
	if (links == LINKS_MAX)
		return err_set(err, ELOOP, "%s/%s: more than %d symbolic links", parent, name, LINKS_MAX);
	AUTO_FREE char *next = NULL;
	int rc = target[0] == '/' ? asprintf(&next, "%s", target)
				  : asprintf(&next, "%s/%s", parent, target);
	if (rc < 0) {
		next = NULL;
		return err_errno(err, ENOMEM, "path %s/%s", parent, name);
	}
	/* A slash at the end would make the last part empty. */
	for (size_t end = strlen(next); end > 1 && next[end - 1] == '/'; end--)
		next[end - 1] = '\0';
	return make(root_fd, next, directory, links + 1, err);
}

static int make_last(int root_fd, const char *path, int parent_fd, const char *name, bool directory,
		     struct err *err)
{
	int rc = directory ? mkdirat(parent_fd, name, 0755)
			   : mknodat(parent_fd, name, S_IFREG | 0644, 0);
	if (rc < 0 && errno != EEXIST)
		return err_errno(err, errno, "make the mount point %s", path);
	int fd = root_path_open(root_fd, path, O_PATH);
	return fd < 0 ? err_errno(err, -fd, "open the new mount point %s", path) : fd;
}

static int make(int root_fd, const char *path, bool directory, int links, struct err *err)
{
	int fd = root_path_open(root_fd, path, O_PATH);
	if (fd >= 0)
		return fd;
	if (fd != -ENOENT)
		return err_errno(err, -fd, "mount point %s", path);
	AUTO_FREE char *parent = NULL;
	const char *name;
	int rc = split(path, &parent, &name, err);
	if (rc < 0)
		return rc;
	AUTO_FD int parent_fd = make(root_fd, parent, true, links, err);
	if (parent_fd < 0)
		return parent_fd;
	/* With the parent made, a last part of ".." is there as well. */
	fd = root_path_open(root_fd, path, O_PATH);
	if (fd >= 0)
		return fd;
	struct stat status;
	if (fstatat(parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode))
		return follow_dangling(root_fd, parent_fd, parent, name, directory, links, err);
	return make_last(root_fd, path, parent_fd, name, directory, err);
}

int root_path_make(int root_fd, const char *path, bool directory, struct err *err)
{
	return make(root_fd, path, directory, 0, err);
}

int root_path_link(int root_fd, const char *path, const char *points_to, struct err *err)
{
	AUTO_FREE char *parent = NULL;
	const char *name;
	int rc = split(path, &parent, &name, err);
	if (rc < 0)
		return rc;
	AUTO_FD int parent_fd = make(root_fd, parent, true, 0, err);
	if (parent_fd < 0)
		return parent_fd;
	if (symlinkat(points_to, parent_fd, name) < 0 && errno != EEXIST)
		return err_errno(err, errno, "make the symbolic link %s", path);
	return 0;
}
