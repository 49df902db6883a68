/*
 * policy_files.c - paths of policies (policy_files.h).
 */
#include "image/policy_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

char *policy_user_file_new(void)
{
	const char *set = getenv("CMPIRUN_POLICY"), *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int len = 0;
	if (set && *set)
		return strdup(set);
	if (config && *config == '/')
		len = asprintf(&path, "%s/cmpirun/policy.json", config);
	else
		len = asprintf(&path, "%s/.config/cmpirun/policy.json", home && *home == '/' ? home : "/");
	return len < 0 ? NULL : path;
}

static bool may_exist(const char *path)
{
	return !path || access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool policy_files_exist(void)
{
	AUTO_FREE char *user = policy_user_file_new();
	return may_exist(POLICY_SITE_FILE) || may_exist(user);
}
