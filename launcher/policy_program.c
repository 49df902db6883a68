/*
 * policy_program.c - runs `cmpi image check` on a descriptor of ours (policy_program.h), so that what is
 * checked is the file that is run, whatever its name means meanwhile.
 */
#include "launcher/policy_program.h"

#include <stdio.h>
#include <string.h>

#include "image/policy_files.h"
#include "launcher/cmpi_program.h"

int policy_program_run(const char *path, int image_fd, bool *verify, struct err *err)
{
	char fd[16], word[16];
	const char *words[] = {"image", "check", "--fd", fd, "--", path, NULL};
	int status = 0;
	*verify = false;
	if (!policy_files_exist())
		return 0;
	snprintf(fd, sizeof fd, "%d", CMPI_PROGRAM_FD);
	int rc = cmpi_program_run(words, image_fd, "which checks signatures", word, sizeof word, &status, err);
	if (rc < 0)
		return rc;
	if (status != 0)
		return err_set(err, EKEYREJECTED, "image %s: it may not be run (cmpi image check)", path);
	*verify = strncmp(word, "root", 4) == 0;
	if (!*verify && strncmp(word, "whole", 5) != 0)
		return err_set(err, EPROTO, "image %s: cmpi image check gave no answer", path);
	return 0;
}
