/*
 * rank_env.c - filters and completes the ranks' environment (rank_env.h).  Pure.
 */
#include "launcher/rank_env.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIRED "belongs to the process management of the step that cmpirun runs in"
static const char host_paths[] = "names places of the host that the container does not have";

const struct rank_env_rule rank_env_dropped[] = {
	{"PATH", host_paths},
	{"LD_LIBRARY_PATH", host_paths},
	{"LD_PRELOAD", host_paths},
	{"LD_AUDIT", host_paths},
	{"TMPDIR", host_paths},
	{"XDG_RUNTIME_DIR", host_paths},
	{"CMPIRUN_PLAN*", "is the plan itself"},
	{"PMI_*", WIRED},
	{"PMIX_*", WIRED},
	{"PALS_*", WIRED},
	{"HYDI_*", WIRED},
	{"HYDRA_*", WIRED},
	{"MPI_LOCALNRANKS", WIRED},
	{"MPI_LOCALRANKID", WIRED},
	{"OMPI_COMM_WORLD_*", WIRED},
	{"OMPI_UNIVERSE_SIZE", WIRED},
	{"OMPI_MCA_ess*", WIRED},
	{"OMPI_MCA_orte_*", WIRED},
	{"OMPI_MCA_pmix*", WIRED},
	{"PRTE_*", WIRED},
	{"SLURM_PROCID", WIRED},
	{"SLURM_LOCALID", WIRED},
	{"SLURM_NODEID", WIRED},
	{"SLURM_GTIDS", WIRED},
	{"SLURM_TASK_PID", WIRED},
	{"SLURM_STEP*", WIRED},
	{"SLURM_PMI*", WIRED},
	{"SLURM_MPI_TYPE", WIRED},
	{NULL, NULL},
};

const char *rank_env_get(char *const *environment, const char *name)
{
	size_t len = strlen(name);
	for (; *environment != NULL; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return *environment + len + 1;
	return NULL;
}

static bool matches(const char *rule, const char *name, size_t len)
{
	size_t rule_len = strlen(rule);
	if (rule[rule_len - 1] == '*')
		return len >= rule_len - 1 && strncmp(rule, name, rule_len - 1) == 0;
	return len == rule_len && memcmp(rule, name, len) == 0;
}

/* The reason why a name is left out; NULL: it is not. */
static const char *drop_reason(const char *entry)
{
	size_t len = strcspn(entry, "=");
	for (const struct rank_env_rule *rule = rank_env_dropped; rule->name != NULL; rule++)
		if (matches(rule->name, entry, len))
			return rule->reason;
	return NULL;
}

/* Paths are the image's own to set; it knows where its things are. */
static bool may_image_set(const char *entry)
{
	const char *reason = drop_reason(entry);
	return strchr(entry, '=') != NULL && (reason == NULL || reason == host_paths);
}

/* The entry "NAME=VALUE" whose name is the first `len` bytes of `name`. */
static char **find(char **env, size_t count, const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(env[i], name, len) == 0 && env[i][len] == '=')
			return &env[i];
	return NULL;
}

static int put(char **env, size_t *count, const char *entry, struct err *err)
{
	char **place = find(env, *count, entry, strcspn(entry, "="));
	char *copy = strdup(entry);
	if (copy == NULL)
		return err_errno(err, ENOMEM, "environment");
	if (place == NULL)
		place = &env[(*count)++];
	else
		free(*place);
	*place = copy;
	return 0;
}

static int put_export(char **env, size_t *count, char *const *caller, const char *export,
		      struct err *err)
{
	size_t len = strcspn(export, "=");
	if (len == 0)
		return err_set(err, EINVAL, "-x %s: the name is missing", export);
	if (export[len] == '=')
		return put(env, count, export, err);
	for (; *caller != NULL; caller++)
		if (strncmp(*caller, export, len) == 0 && (*caller)[len] == '=')
			return put(env, count, *caller, err);
	return err_set(err, EINVAL, "-x %s: it is not set here; -x %s=VALUE gives one", export, export);
}

static size_t count_of(char *const *entries)
{
	size_t count = 0;
	while (entries != NULL && entries[count] != NULL)
		count++;
	return count;
}

int rank_env_new(const struct rank_env_parts *parts, char ***out, struct err *err)
{
	char *const *caller = parts->caller, *const *image = parts->image;
	size_t count = 0;
	char **env = calloc(parts->export_count + 2 + count_of(caller) + count_of(image), sizeof *env);
	if (env == NULL)
		return err_errno(err, ENOMEM, "environment");
	int rc = put(env, &count, "PATH=" RANK_ENV_PATH, err);
	for (size_t i = 0; rc == 0 && caller[i] != NULL; i++)
		if (strchr(caller[i], '=') != NULL && drop_reason(caller[i]) == NULL)
			rc = put(env, &count, caller[i], err);
	for (size_t i = 0; rc == 0 && image != NULL && image[i] != NULL; i++)
		if (may_image_set(image[i]))
			rc = put(env, &count, image[i], err);
	for (size_t i = 0; rc == 0 && i < parts->export_count; i++)
		rc = put_export(env, &count, caller, parts->exports[i], err);
	if (rc == 0) {
		*out = env;
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		free(env[i]);
	free(env);
	return rc;
}
