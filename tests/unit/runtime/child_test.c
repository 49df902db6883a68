/* child_test.c - starting processes: descriptors that overlap, failures, and who dies with whom. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "runtime/child.h"
#include "runtime/descendants.h"

static pid_t run(const char *script, const struct child_fd *fds, size_t count)
{
	char sh[] = "sh", c[] = "-c", *argv[] = {sh, c, (char *)script, NULL}, *none[] = {NULL};
	const struct child child = {
		.path = "/bin/sh", .argv = argv, .environment = none, .fds = fds, .fd_count = count};
	bool exec_failed;
	return child_spawn(&child, &exec_failed);
}

static int status_of(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_exit(void **state)
{
	(void)state;
	assert_int_equal(status_of(run("exit 7", NULL, 0)), 7);
}

static void test_descriptors_swap(void **state)
{
	(void)state;
	int a[2], b[2];
	char text[8] = "";
	assert_int_equal(pipe2(a, O_CLOEXEC), 0);
	assert_int_equal(pipe2(b, O_CLOEXEC), 0);
	/* Each goes where the other is. */
	const struct child_fd fds[] = {{a[1], b[1]}, {b[1], a[1]}};
	char script[64];
	snprintf(script, sizeof script, "echo b >&%d; echo a >&%d", a[1], b[1]);
	if (a[1] > 9 || b[1] > 9)
		skip();  /* a shell knows one digit */
	assert_int_equal(status_of(run(script, fds, 2)), 0);
	assert_int_equal(read(a[0], text, 7), 2);
	assert_string_equal(text, "a\n");
	assert_int_equal(read(b[0], text, 7), 2);
	assert_string_equal(text, "b\n");
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

static void test_failures(void **state)
{
	(void)state;
	char *none[] = {NULL};
	bool exec_failed;
	struct child child = {.path = "/no/such", .argv = none, .environment = none};
	assert_int_equal(child_spawn(&child, &exec_failed), -ENOENT);
	assert_true(exec_failed);
	const struct child_fd closed = {1000, 0};
	child.fds = &closed;
	child.fd_count = 1;
	assert_int_equal(child_spawn(&child, &exec_failed), -EBADF);
	assert_false(exec_failed);
	child.fd_count = CHILD_FDS_MAX + 1;
	assert_int_equal(child_spawn(&child, &exec_failed), -E2BIG);
	/* No zombie is left. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_signal_mask_is_empty(void **state)
{
	(void)state;
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = run("kill -TERM $$; exit 1", NULL, 0);
	sigset_t now;
	sigprocmask(SIG_SETMASK, &before, &now);
	assert_true(sigismember(&now, SIGTERM));
	assert_int_equal(status_of(pid), 128 + SIGTERM);
}

static bool count(void *context, pid_t pid)
{
	pid_t *pids = context;
	pids[0] = pids[1];
	pids[1] = pid;
	return true;
}

static void test_children(void **state)
{
	(void)state;
	AUTO_FD int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	pid_t found[2] = {0}, first = run("exec sleep 5", NULL, 0), second = run("exec sleep 5", NULL, 0);
	assert_int_equal(descendants_each(proc_fd, count, found), 0);
	assert_int_equal(found[0] + found[1], first + second);
	kill(first, SIGKILL);
	kill(second, SIGKILL);
	status_of(first);
	status_of(second);
	found[1] = 0;
	assert_int_equal(descendants_each(proc_fd, count, found), 0);
	assert_int_equal(found[1], 0);
}

static bool kill_each(void *context, pid_t pid)
{
	descendants_kill(*(int *)context, pid);
	return true;
}

/* A tree with a session of its own in it; what is orphaned comes to us and is killed next. */
static void test_kill_takes_the_tree(void **state)
{
	(void)state;
	AUTO_FD int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ends[2];
	char byte;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	const struct child_fd fds[] = {{ends[1], 1}};
	run("(setsid sh -c 'sleep 100 & sleep 100') & sh -c 'sleep 100; true' & echo ready; wait", fds, 1);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	do {
		assert_int_equal(descendants_each(proc_fd, kill_each, &proc_fd), 0);
	} while (wait(NULL) > 0);
	/* Who could write has ended: nobody was missed. */
	while (read(ends[0], &byte, 1) > 0)
		continue;
	close(ends[0]);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit), cmocka_unit_test(test_descriptors_swap),
		cmocka_unit_test(test_failures), cmocka_unit_test(test_signal_mask_is_empty),
		cmocka_unit_test(test_children), cmocka_unit_test(test_kill_takes_the_tree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
