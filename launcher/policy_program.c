/*
 * policy_program.c - runs `cmpi image check` on a descriptor of ours (policy_program.h), so that what is
 * checked is the file that is run, whatever its name means meanwhile.
 */
#include "launcher/policy_program.h"

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "image/policy_files.h"

enum { CHECKED_FD = 9 };

extern char **environ;

static int start(const char *path, int image_fd, int out, pid_t *pid, struct err *err)
{
	char program[PATH_MAX], fd[] = "9";
	ssize_t len = readlink("/proc/self/exe", program, sizeof program - sizeof "cmpi");
	if (len < 0)
		return err_errno(err, errno, "/proc/self/exe");
	program[len] = '\0';
	strcpy(strrchr(program, '/') + 1, "cmpi");
	const char *argv[] = {program, "image", "check", "--fd", fd, "--", path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, image_fd, CHECKED_FD);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	int rc = posix_spawn(pid, program, &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc ? err_errno(err, rc, "%s, which checks signatures", program) : 0;
}

int policy_program_run(const char *path, int image_fd, bool *verify, struct err *err)
{
	int ends[2], status = 0;
	char word[16] = "";
	pid_t pid;
	*verify = false;
	if (!policy_files_exist())
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe");
	AUTO_FD int in = ends[0];
	int rc = start(path, image_fd, ends[1], &pid, err);
	close(ends[1]);
	if (rc < 0)
		return rc;
	/* One short line, or nothing. */
	ssize_t got;
	while ((got = read(in, word, sizeof word - 1)) < 0 && errno == EINTR)
		;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		return err_set(err, EKEYREJECTED, "image %s: it may not be run (cmpi image check)", path);
	*verify = got > 0 && strncmp(word, "root", 4) == 0;
	if (!*verify && strncmp(word, "whole", 5) != 0)
		return err_set(err, EPROTO, "image %s: cmpi image check gave no answer", path);
	return 0;
}
