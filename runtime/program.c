/*
 * program.c - PATH search and the reasons of a failed execve(2) (program.h).
 *
 * The search is done once a job and not once a rank: the root is read-only, so its answer holds.
 */
#include "runtime/program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/exitcode.h"
#include "runtime/exec_format.h"

static const char default_path[] =
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static const char *environment_get(char *const *environment, const char *name)
{
	size_t len = strlen(name);
	const char *found = NULL;
	for (; *environment != NULL; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			found = *environment + len + 1;
	return found;
}

/* 0, or why it cannot be executed.  By its mode and not by access(2): a FUSE server without
 * permission checks says yes to everything there. */
static int check(const char *path)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return errno;
	return S_ISREG(status.st_mode) && (status.st_mode & 0111) != 0 ? 0 : EACCES;
}

static int search(const char *name, const char *path, char **out, struct err *err)
{
	int refusal = 0;
	for (const char *at = path; at != NULL;) {
		size_t len = strcspn(at, ":");
		AUTO_FREE char *candidate = NULL;
		/* An empty part is the working directory (environ(7)). */
		if (asprintf(&candidate, "%.*s%s%s", (int)len, at, len > 0 ? "/" : "./", name) < 0) {
			candidate = NULL;
			err_errno(err, ENOMEM, "look for %s", name);
			return EXITCODE_INTERNAL;
		}
		int number = check(candidate);
		if (number == 0) {
			*out = take_ptr(&candidate);
			return 0;
		}
		if (number == EACCES && refusal == 0)
			refusal = number;
		at = at[len] == ':' ? at + len + 1 : NULL;
	}
	if (refusal != 0)
		return exec_format_explain(name, refusal, NULL, err);
	err_set(err, ENOENT, "there is no program %s in the image (PATH is %s)", name, path);
	return EXITCODE_NOPROGRAM;
}

int program_find(const char *name, char *const *environment, char **path, struct err *err)
{
	if (strchr(name, '/') == NULL && name[0] != '\0') {
		const char *value = environment_get(environment, "PATH");
		return search(name, value != NULL && value[0] != '\0' ? value : default_path, path, err);
	}
	int number = name[0] == '\0' ? ENOENT : check(name);
	if (number != 0)
		return exec_format_explain(name, number, NULL, err);
	*path = strdup(name);
	if (*path != NULL)
		return 0;
	err_errno(err, ENOMEM, "look for %s", name);
	return EXITCODE_INTERNAL;
}

int program_explain(const char *path, int number, struct err *err)
{
	char head[EXEC_FORMAT_BYTES];
	struct exec_format format;
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t len = fd < 0 ? -1 : read(fd, head, sizeof head);
	if (len < 0)
		return exec_format_explain(path, number, NULL, err);
	exec_format_read(head, (size_t)len, &format);
	return exec_format_explain(path, number, &format, err);
}
