/*
 * descendants.c - the children of a process, from /proc (descendants.h).
 *
 * /proc/PID/task/TID/children (CONFIG_PROC_CHILDREN) is a list of numbers; a kernel without it has
 * the parent in the fourth field of every /proc/PID/stat.  proc_fd is opened before the root is
 * changed: the plan may leave /proc out of the container.
 */
#include "runtime/descendants.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
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

static int each_by_scan(int proc_fd, pid_t parent, descendants_filter *function, void *context)
{
	int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		int number = errno;
		close_fd(&fd);
		return -number;
	}
	bool more = true;
	for (struct dirent *entry; more && (entry = readdir(dir)) != NULL;) {
		pid_t pid = atoi(entry->d_name);
		if (pid > 0 && parent_of(proc_fd, entry->d_name) == parent)
			more = function(context, pid);
	}
	closedir(dir);
	return 0;
}

/* The children of one thread. -errno when there is no such list. */
static int each_of_thread(int proc_fd, pid_t pid, pid_t tid, descendants_filter *function,
			  void *context, bool *more)
{
	char path[64];
	AUTO_BUF struct buf text = {0};
	snprintf(path, sizeof path, "%d/task/%d/children", (int)pid, (int)tid);
	int rc = read_file(proc_fd, path, &text);
	if (rc < 0)
		return rc;
	for (char *at = text.data;;) {
		char *end;
		long child = strtol(at, &end, 10);
		if (end == at)
			return 0;
		*more = function(context, (pid_t)child);
		if (!*more)
			return 0;
		at = end;
	}
}

int descendants_each(int proc_fd, descendants_filter *function, void *context)
{
	bool more = true;
	if (each_of_thread(proc_fd, getpid(), getpid(), function, context, &more) == 0)
		return 0;
	return each_by_scan(proc_fd, getpid(), function, context);
}

/* ---- the whole tree ---- */

enum { DEPTH_MAX = 64 };

struct killing {
	int proc_fd;
	unsigned depth;
	pid_t parent;  /* whose children are killed now */
};

static bool kill_tree(void *context, pid_t pid);

/* The children of all threads of `pid`. */
static void kill_children(struct killing *killing, pid_t pid)
{
	char path[32];
	bool more = true;
	snprintf(path, sizeof path, "%d/task", (int)pid);
	int fd = openat(killing->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		close_fd(&fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		pid_t tid = atoi(entry->d_name);
		if (tid > 0 && each_of_thread(killing->proc_fd, pid, tid, kill_tree, killing, &more) == -ENOENT) {
			each_by_scan(killing->proc_fd, pid, kill_tree, killing);
			break;
		}
	}
	closedir(dir);
}

/* Only what is a child of `parent`, or was and came to us: between the list and the kill a process may
 * end, and another get its number.  The pidfd is of the one whose parent is read. */
static bool kill_child_of(int proc_fd, pid_t parent, pid_t pid)
{
	char name[16];
	snprintf(name, sizeof name, "%d", (int)pid);
	AUTO_FD int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	pid_t found = fd < 0 ? -1 : parent_of(proc_fd, name);
	return (found == parent || found == getpid()) &&
	       syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
}

/* First the process and then those below: once it is to be killed it forks no more, so the list of its
 * children is whole. */
static bool kill_tree(void *context, pid_t pid)
{
	struct killing *killing = context;
	pid_t parent = killing->parent;
	if (kill_child_of(killing->proc_fd, parent, pid) && killing->depth < DEPTH_MAX) {
		killing->depth++;
		killing->parent = pid;
		kill_children(killing, pid);
		killing->parent = parent;
		killing->depth--;
	}
	return true;
}

void descendants_kill(int proc_fd, pid_t pid)
{
	struct killing killing = {.proc_fd = proc_fd, .parent = getpid()};
	kill_tree(&killing, pid);
}
