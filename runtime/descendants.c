/*
 * descendants.c - the children of this process, from /proc (descendants.h).
 *
 * /proc/self/task/TID/children (CONFIG_PROC_CHILDREN) is a list of numbers; a kernel without it has
 * the parent in the fourth field of every /proc/PID/stat.  proc_fd is opened before the root is
 * changed: the plan may leave /proc out of the container.
 */
#include "runtime/descendants.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"

static int read_file(int dir_fd, const char *path, struct buf *out)
{
	AUTO_FD int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (;;) {
		char *room = buf_reserve(out, 4096);
		ssize_t len = room ? read(fd, room, 4095) : -1;
		if (len < 0)
			return room ? -errno : -ENOMEM;
		out->len += (size_t)len;
		out->data[out->len] = '\0';
		if (len == 0)
			return 0;
	}
}

static bool read_stat(int proc_fd, const char *name, char *state, int *parent)
{
	char path[300];
	AUTO_BUF struct buf text = {0};
	snprintf(path, sizeof path, "%s/stat", name);
	if (read_file(proc_fd, path, &text) < 0)
		return false;
	/* "pid (any name, even with parentheses) state ppid ..." */
	const char *after = strrchr(text.data, ')');
	return after != NULL && sscanf(after, ") %c %d", state, parent) == 2;
}

static int parent_of(int proc_fd, const char *name)
{
	char state;
	int parent;
	return read_stat(proc_fd, name, &state, &parent) ? parent : -1;
}

char descendants_state(int proc_fd, pid_t pid)
{
	char name[16], state;
	int parent;
	snprintf(name, sizeof name, "%d", (int)pid);
	return read_stat(proc_fd, name, &state, &parent) ? state : '\0';
}

static int each_by_scan(int proc_fd, descendants_filter *function, void *context)
{
	int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		int number = errno;
		close_fd(&fd);
		return -number;
	}
	pid_t self = getpid();
	bool more = true;
	for (struct dirent *entry; more && (entry = readdir(dir)) != NULL;) {
		pid_t pid = atoi(entry->d_name);
		if (pid > 0 && parent_of(proc_fd, entry->d_name) == self)
			more = function(context, pid);
	}
	closedir(dir);
	return 0;
}

int descendants_each(int proc_fd, descendants_filter *function, void *context)
{
	char path[64];
	AUTO_BUF struct buf text = {0};
	snprintf(path, sizeof path, "self/task/%d/children", (int)getpid());
	if (read_file(proc_fd, path, &text) < 0)
		return each_by_scan(proc_fd, function, context);
	char *at = text.data;
	for (;;) {
		char *end;
		long pid = strtol(at, &end, 10);
		if (end == at || !function(context, (pid_t)pid))
			return 0;
		at = end;
	}
}
