/*
 * child.c - clone(2) with CLONE_VM | CLONE_VFORK (child.h).
 *
 * Between clone and exec the child runs on a stack of its own, in our memory, while we
 * are stopped: it makes system calls only, and leaves its verdict in `struct start`.  All signals are
 * blocked meanwhile, so no handler of ours can run in it.
 */
#include "runtime/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK_BYTES = 64 * 1024 };

/* These frames are left by exec or _exit and never returned from, so an address sanitizer would keep
 * their borders poisoned on a stack that the next child uses again. */
#define CHILD_SIDE __attribute__((no_sanitize("address")))

struct start {
	const struct child *child;
	pid_t parent;
	int number;        /* errno of the step that failed, or 0 */
	bool exec_failed;
};

/* First out of the way of every target number, then onto it. */
CHILD_SIDE static int move_fds(const struct child *child)
{
	int from[CHILD_FDS_MAX], above = 2;
	for (size_t i = 0; i < child->fd_count; i++)
		if (child->fds[i].to > above)
			above = child->fds[i].to;
	for (size_t i = 0; i < child->fd_count; i++) {
		from[i] = child->fds[i].from;
		if (from[i] <= above)
			from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, above + 1);
		if (from[i] < 0)
			return errno;
	}
	for (size_t i = 0; i < child->fd_count; i++)
		if (dup2(from[i], child->fds[i].to) < 0)
			return errno;
	return 0;
}

CHILD_SIDE static int prepare(const struct start *start)
{
	const struct child *child = start->child;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return errno;
	/* The parent may have died before that. */
	if (getppid() != start->parent)
		return ESRCH;
	if (child->own_group && setpgid(0, 0) < 0)
		return errno;
	if (child->cpu_bytes > 0 &&
	    syscall(SYS_sched_setaffinity, 0, child->cpu_bytes, child->cpus) < 0)
		return errno;
	return move_fds(child);
}

CHILD_SIDE static int run(void *context)
{
	struct start *start = context;
	const struct child *child = start->child;
	start->number = prepare(start);
	if (start->number != 0)
		_exit(127);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(child->path, child->argv, child->environment);
	start->number = errno;
	start->exec_failed = true;
	_exit(127);
}

pid_t child_spawn(const struct child *child, bool *exec_failed)
{
	*exec_failed = false;
	if (child->fd_count > CHILD_FDS_MAX)
		return -E2BIG;
	_Alignas(16) char stack[STACK_BYTES];
	struct start start = {.child = child, .parent = getpid()};
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid_t pid = clone(run, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &start);
	int number = pid < 0 ? errno : start.number;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (number == 0)
		return pid;
	if (pid > 0)
		waitpid(pid, NULL, 0);
	*exec_failed = start.exec_failed;
	return -number;
}
