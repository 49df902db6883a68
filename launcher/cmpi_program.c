/*
 * cmpi_program.c - posix_spawn(3), a pipe, and waitpid(2) (cmpi_program.h).
 *
 * All that it prints is read, so that it never waits for us; what is behind the first line is dropped.
 */
#include "launcher/cmpi_program.h"

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

enum { WORDS_MAX = 16 };

extern char **environ;

static int find_program(char *program, size_t size, const char *what_for, struct err *err)
{
	ssize_t len = readlink("/proc/self/exe", program, size - sizeof "cmpi");
	if (len < 0)
		return err_errno(err, errno, "/proc/self/exe");
	program[len] = '\0';
	strcpy(strrchr(program, '/') + 1, "cmpi");
	return access(program, X_OK) == 0 ? 0 : err_errno(err, errno, "%s, %s", program, what_for);
}

static int start(const char *program, const char *const *words, int fd, int out, pid_t *pid,
		 struct err *err)
{
	const char *argv[WORDS_MAX + 2] = {program};
	for (size_t i = 0; i < WORDS_MAX && words[i] != NULL; i++)
		argv[i + 1] = words[i];
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (fd >= 0)
		posix_spawn_file_actions_adddup2(&actions, fd, CMPI_PROGRAM_FD);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	int rc = posix_spawn(pid, program, &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc != 0 ? err_errno(err, rc, "%s", program) : 0;
}

static void read_line(int fd, char *line, size_t size)
{
	char rest[256];
	size_t len = 0;
	for (;;) {
		bool is_full = len == size - 1;
		ssize_t got = is_full ? read(fd, rest, sizeof rest) : read(fd, line + len, size - 1 - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += is_full ? 0 : (size_t)got;
	}
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
}

int cmpi_program_run(const char *const *words, int fd, const char *what_for, char *line, size_t size,
		     int *status, struct err *err)
{
	char program[PATH_MAX];
	int ends[2];
	pid_t pid;
	int rc = find_program(program, sizeof program, what_for, err);
	if (rc < 0)
		return rc;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe");
	AUTO_FD int in = ends[0];
	rc = start(program, words, fd, ends[1], &pid, err);
	close(ends[1]);
	if (rc < 0)
		return rc;
	read_line(in, line, size);
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	return 0;
}
