/*
 * rank_env.h - the environment that ranks start with, from the caller's.
 *
 * The caller's environment is the base (srun, Apptainer and Charliecloud do the
 * same), without what would mislead in the container or belongs to the step that
 * we run in: a const table with the reason of each.
 */
#ifndef LAUNCHER_RANK_ENV_H
#define LAUNCHER_RANK_ENV_H

#include <stddef.h>

#include "common/err.h"

struct rank_env_rule {
	const char *name;    /* a trailing '*': every name with this beginning */
	const char *reason;
};

/* Ends with a name of NULL. */
extern const struct rank_env_rule rank_env_dropped[];

/* The container's PATH when the user sets none. */
#define RANK_ENV_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The value of `name` in an environment (environ(7)), inside of it; NULL when it is not set. */
const char *rank_env_get(char *const *environment, const char *name);

/* A NULL-terminated array, the caller's.  exports: "NAME" (the caller's value
 * even if it were dropped) or "NAME=VALUE".  -EINVAL for a bad name. */
int rank_env_new(char *const *caller, const char *const *exports, size_t export_count, char ***env,
		 struct err *err);

#endif
