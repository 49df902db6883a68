/*
 * program.c - PATH search and the reasons of a failed execve(2) (program.h).
 *
 * The search is done once a job and not once a rank: the root is read-only, so its answer holds.
 */
#include "runtime/program.h"

#include <fcntl.h>
#include <limits.h>
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

/* Returns how many bytes of `head` are there. */
static size_t prefetch_file(const char *path, void *head, size_t size)
{
	enum { PREFETCH_MAX = 4 << 20 };
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	readahead(fd, 0, PREFETCH_MAX);
	ssize_t len = size > 0 ? pread(fd, head, size, 0) : 0;
	return len > 0 ? (size_t)len : 0;
}

static void prefetch_libc(const char *interpreter)
{
	char path[PATH_MAX + 16];
	if (realpath(interpreter, path) == NULL)
		return;
	strcpy(strrchr(path, '/'), "/libc.so.6");
	prefetch_file(path, NULL, 0);
}

void program_prefetch(const char *path)
{
	enum { DEPTH = 3 };  /* a script, its interpreter, and that one's loader */
	char head[EXEC_FORMAT_BYTES];
	struct exec_format format = {0};
	snprintf(format.interpreter, sizeof format.interpreter, "%s", path);
	for (int i = 0; i < DEPTH && format.interpreter[0] == '/'; i++) {
		char file[sizeof format.interpreter];
		memcpy(file, format.interpreter, sizeof file);
		size_t len = prefetch_file(file, head, sizeof head);
		exec_format_read(head, len, &format);
		if (format.kind == EXEC_ELF && format.interpreter[0] != '\0')
			prefetch_libc(format.interpreter);
		if (format.kind == EXEC_UNKNOWN)
			return;
	}
}
