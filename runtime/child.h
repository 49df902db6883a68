/*
 * child.h - starts a process, as posix_spawn(3) but with what a rank needs.
 *
 * posix_spawn(3) has neither PR_SET_PDEATHSIG nor a CPU mask.  The child shares our memory until it
 * has executed its program (clone(2), CLONE_VM | CLONE_VFORK): nothing is copied, whatever our
 * size, and the parent knows at once whether the program runs.
 */
#ifndef RUNTIME_CHILD_H
#define RUNTIME_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child_fd {
	int from, to;
};

struct child {
	const char *path;               /* no PATH search */
	char *const *argv, *const *environment;
	const struct child_fd *fds;     /* moved all at once: from and to may overlap */
	size_t fd_count;
	const uint8_t *cpus;            /* sched_setaffinity(2) mask */
	size_t cpu_bytes;               /* 0: as the parent */
	bool own_group;                 /* leader of a process group of its own */
};

enum { CHILD_FDS_MAX = 8 };

/* Descriptors that are not named are closed if they are close-on-exec.  No signal is blocked in the
 * child; it is killed when this thread dies.  The pid, or -errno; *exec_failed tells whether the
 * errno is that of execve(2). */
pid_t child_spawn(const struct child *child, bool *exec_failed);

#endif
