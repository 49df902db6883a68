/*
 * auth_helper.c - runs credential helpers (auth_helper.h).
 *
 * The protocol is that of github.com/docker/docker-credential-helpers: a word as the argument (get,
 * store, erase), the server's name or JSON on stdin, JSON or words on stdout.
 */
#include "image/auth_helper.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"

enum { ANSWER_MAX = 64 << 10, ANSWER_TIMEOUT_S = 60 };

extern char **environ;

/* Reads to the end, at most ANSWER_MAX bytes and until the time is over. */
static int read_answer(int fd, struct buf *answer)
{
	uint64_t end = clock_now_ns() + ANSWER_TIMEOUT_S * NS_PER_S;
	for (;;) {
		uint64_t now = clock_now_ns();
		struct pollfd waiting = {.fd = fd, .events = POLLIN};
		if (now >= end || poll(&waiting, 1, (int)((end - now) / NS_PER_MS) + 1) < 0)
			return -ETIMEDOUT;
		if (waiting.revents == 0)
			continue;
		char *room = buf_reserve(answer, 4096);
		ssize_t got = room ? read(fd, room, 4096) : -1;
		if (got <= 0)
			return got < 0 ? -EIO : 0;
		answer->len += (size_t)got;
		if (answer->len > ANSWER_MAX)
			return -EFBIG;
	}
}

static int start(const char *program, const char *verb, int in, int out, pid_t *pid)
{
	char *const argv[] = {(char *)program, (char *)verb, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	int rc = posix_spawnp(pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* Returns the helper's exit status, or -errno. */
static int run(const char *helper, const char *verb, const char *question, struct buf *answer,
	       struct err *err)
{
	AUTO_FREE char *program = NULL;
	if (asprintf(&program, "docker-credential-%s", helper) < 0) {
		program = NULL;
		return err_errno(err, ENOMEM, "credential helper");
	}
	int pipe_out[2];
	/* The question fits into a memory file: no pipe that both sides could wait on. */
	AUTO_FD int in = memfd_create("question", MFD_CLOEXEC);
	if (in < 0 || pipe2(pipe_out, O_CLOEXEC) < 0)
		return err_errno(err, errno, "%s", program);
	AUTO_FD int out = pipe_out[0];
	size_t len = strlen(question);
	pid_t pid;
	int rc = write(in, question, len) == (ssize_t)len && lseek(in, 0, SEEK_SET) == 0
			 ? start(program, verb, in, pipe_out[1], &pid) : EIO;
	close(pipe_out[1]);
	if (rc != 0)
		return err_errno(err, rc, "%s, which keeps the credentials, cannot be started", program);
	rc = read_answer(out, answer);
	if (rc < 0)
		kill(pid, SIGKILL);
	int status = 0;
	waitpid(pid, &status, 0);
	if (rc < 0)
		return err_errno(err, -rc, "%s gave no answer", program);
	buf_add_u8(answer, 0);
	if (answer->failed)
		return err_errno(err, ENOMEM, "%s", program);
	answer->len--;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* What helpers call Docker Hub. */
static const char *server_of(const char *registry)
{
	return strcmp(registry, "docker.io") == 0 ? "https://index.docker.io/v1/" : registry;
}

int auth_helper_get(const char *registry, struct auth_credentials *found, struct err *err)
{
	AUTO_BUF struct buf answer = {0};
	AUTO_FREE char *helper = take_ptr(&found->helper);
	int rc = run(helper, "get", server_of(registry), &answer, err);
	if (rc < 0)
		return rc;
	if (rc > 0 && strstr(answer.data, "credentials not found") != NULL)
		return 0;
	if (rc > 0)
		return err_set(err, EIO, "docker-credential-%s failed with status %d: %.200s", helper, rc,
			       answer.data);
	rc = auth_helper_parse(answer.data, answer.len, found, err);
	return rc < 0 ? err_prefix(err, "docker-credential-%s", helper) : 0;
}

int auth_helper_store(const char *helper, const char *registry, const char *user,
		      const char *password, struct err *err)
{
	AUTO_BUF struct buf answer = {0};
	json_t *question = user ? json_pack("{s:s,s:s,s:s}", "ServerURL", server_of(registry), "Username",
					    user, "Secret", password) : NULL;
	AUTO_FREE char *text = user ? json_dumps(question, 0) : strdup(server_of(registry));
	json_decref(question);
	if (text == NULL)
		return err_errno(err, ENOMEM, "credential helper");
	int rc = run(helper, user ? "store" : "erase", text, &answer, err);
	if (rc > 0)
		return err_set(err, EIO, "docker-credential-%s failed with status %d: %.200s", helper, rc,
			       answer.data);
	return rc;
}
