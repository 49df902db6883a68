/*
 * pull_program.c - `cmpi image pull`, and the path that it prints (pull_program.h).
 */
#include "launcher/pull_program.h"

#include <limits.h>
#include <string.h>
#include <sys/wait.h>

#include "launcher/cmpi_program.h"

int pull_program_run(const char *reference, const char *when, bool quiet, char **path, struct err *err)
{
	char line[PATH_MAX];
	const char *words[] = {"image", "pull", "--print-path", "--pull", when ? when : "missing",
			       quiet ? "--quiet" : "--", quiet ? "--" : reference,
			       quiet ? reference : NULL, NULL};
	int status = 0;
	int rc = cmpi_program_run(words, -1, "which fetches images", line, sizeof line, &status, err);
	if (rc < 0)
		return rc;
	if (WIFSIGNALED(status))
		return err_set(err, EINTR, "image %s: the pull was ended by signal %d", reference, WTERMSIG(status));
	if (line[0] != '/' || status != 0)
		return err_set(err, EIO, "image %s: it could not be pulled (status %d of cmpi image pull)", reference,
			       WEXITSTATUS(status));
	*path = strdup(line);
	return *path ? 0 : err_errno(err, ENOMEM, "image");
}
