/*
 * pull_program.c - runs cmpi, which stands beside cmpirun, and reads the path that it prints
 * (pull_program.h).
 */
#include "launcher/pull_program.h"

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

extern char **environ;

static int find_program(char *program, size_t size, struct err *err)
{
	ssize_t len = readlink("/proc/self/exe", program, size - sizeof "cmpi");
	if (len < 0)
		return err_errno(err, errno, "/proc/self/exe");
	program[len] = '\0';
	strcpy(strrchr(program, '/') + 1, "cmpi");
	return access(program, X_OK) == 0 ? 0 : err_errno(err, errno, "%s, which fetches images", program);
}

static int read_path(int fd, char *path, size_t size)
{
	size_t len = 0;
	for (;;) {
		ssize_t got = read(fd, path + len, size - 1 - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	path[len] = '\0';
	path[strcspn(path, "\n")] = '\0';
	return path[0] == '/' ? 0 : -EPROTO;
}

int pull_program_run(const char *reference, const char *when, bool quiet, char **path, struct err *err)
{
	char program[PATH_MAX], line[PATH_MAX];
	const char *argv[] = {program, "image", "pull", "--print-path", "--pull", when ? when : "missing",
			      quiet ? "--quiet" : "--", quiet ? "--" : reference,
			      quiet ? reference : NULL, NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], status = 0;
	pid_t pid;
	int rc = find_program(program, sizeof program, err);
	if (rc < 0)
		return rc;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	/* The job's stdin is the job's. */
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	rc = posix_spawn(&pid, program, &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	AUTO_FD int out = ends[0];
	if (rc != 0)
		return err_errno(err, rc, "%s", program);
	rc = read_path(out, line, sizeof line);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		return err_set(err, EINTR, "image %s: the pull was ended by signal %d", reference, WTERMSIG(status));
	if (rc < 0 || status != 0)
		return err_set(err, EIO, "image %s: it could not be pulled (status %d of cmpi image pull)", reference,
			       WEXITSTATUS(status));
	*path = strdup(line);
	return *path ? 0 : err_errno(err, ENOMEM, "image");
}
