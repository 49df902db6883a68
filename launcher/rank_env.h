/*
 * rank_env.h - the environment that ranks start with, from the caller's.
 *
 * The caller's environment is the base (srun, Apptainer and Charliecloud do the
 * same), without what would mislead in the container or belongs to the step that
 * we run in: a const table with the reason of each.  What the image's config sets comes over it,
 * and what the user exports over that.
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

/* What the ranks' environment is made of, the later over the earlier. */
struct rank_env_parts {
	char *const *caller;         /* NULL-terminated; without what is dropped */
	char *const *image;          /* NULL-terminated, "NAME=VALUE" each: what its config sets, without what
	                              * belongs to the process management; NULL: nothing */
	const char *const *exports;  /* "NAME" (the caller's value even if it were dropped) or "NAME=VALUE" */
	size_t export_count;
};

/* A NULL-terminated array, the caller's.  -EINVAL for a bad name. */
int rank_env_new(const struct rank_env_parts *parts, char ***env, struct err *err);

#endif
