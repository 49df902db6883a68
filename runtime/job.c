/*
 * job.c - what all ranks have in common is done once, here (job.h).
 *
 * The working directory is cmpi-init's own, which the ranks inherit; the program is found once; the
 * base environment is merged once, and a rank's few variables are put in for each start.
 */
#include "runtime/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/exitcode.h"
#include "runtime/child.h"
#include "runtime/environment.h"
#include "runtime/program.h"

struct job {
	struct init_job value;
	char *program;
	char **base;         /* the job's environment and PWD, each name once */
	size_t base_count;
	char **merged;       /* room for one rank's */
	char *pwd;           /* "PWD=..." */
	char *added;         /* what came by job_add_environment; base points into it */
};

void job_free(struct job **where)
{
	struct job *job = take_ptr(where);
	if (job == NULL)
		return;
	init_job_free(&job->value);
	free(job->program);
	free(job->base);
	free(job->merged);
	free(job->pwd);
	free(job->added);
	free(job);
}

static int directory_enter(struct job *job, struct err *err)
{
	const char *cwd = job->value.cwd[0] != '\0' ? job->value.cwd : "/";
	if (chdir(cwd) < 0) {
		int number = errno;
		const char *second = job->value.cwd_else;
		if (second == NULL || second[0] != '/' || job->value.cwd_required || chdir(second) < 0)
			second = "/";
		if (job->value.cwd_required || chdir(second) < 0) {
			err_errno(err, number, "working directory %s in the container", cwd);
			return EXITCODE_USAGE;
		}
		cwd = second;
	}
	if (asprintf(&job->pwd, "PWD=%s", cwd) >= 0)
		return 0;
	job->pwd = NULL;
	err_errno(err, ENOMEM, "job");
	return EXITCODE_INTERNAL;
}

static int environment_prepare(struct job *job, struct err *err)
{
	size_t count = 0;
	while (job->value.environment[count] != NULL)
		count++;
	const char *const extra[] = {job->pwd};
	job->base = calloc(count + 2, sizeof *job->base);
	job->merged = calloc(count + 2 + INIT_ENV_MAX, sizeof *job->merged);
	if (job->base == NULL || job->merged == NULL) {
		err_errno(err, ENOMEM, "job");
		return EXITCODE_INTERNAL;
	}
	job->base_count = environment_merge(job->value.environment, count, extra, 1, job->base);
	return 0;
}

int job_new(const void *bytes, size_t len, struct job **out, struct err *err)
{
	AUTO_CALL(job_free) struct job *job = calloc(1, sizeof *job);
	if (job == NULL || init_job_parse(bytes, len, &job->value, err) < 0) {
		if (job == NULL)
			err_errno(err, ENOMEM, "job");
		return EXITCODE_INTERNAL;
	}
	int code = directory_enter(job, err);
	if (code == 0)
		code = environment_prepare(job, err);
	if (code == 0)
		code = program_find(job->value.argv[0], job->base, &job->program, err);
	if (code != 0)
		return code;
	program_prefetch(job->program);
	*out = take_ptr(&job);
	return 0;
}

int job_add_environment(struct job *job, const void *bytes, size_t len, struct err *err)
{
	const char *strings[INIT_ENV_MAX];
	size_t count = 0;
	AUTO_FREE char *added = malloc(len + 1);
	char **base = realloc(job->base, (job->base_count + INIT_ENV_MAX + 1) * sizeof *base);
	char **merged = realloc(job->merged,
				(job->base_count + 2 * INIT_ENV_MAX + 1) * sizeof *merged);
	job->base = base != NULL ? base : job->base;
	job->merged = merged != NULL ? merged : job->merged;
	if (added == NULL || base == NULL || merged == NULL || job->added != NULL)
		return err_errno(err, job->added != NULL ? EALREADY : ENOMEM, "the job's environment");
	memcpy(added, bytes, len);
	added[len] = '\0';
	for (size_t at = 0; at < len && count < INIT_ENV_MAX; at += strlen(added + at) + 1)
		strings[count++] = added + at;
	job->base_count = environment_add(base, job->base_count, strings, count);
	job->added = take_ptr(&added);
	return 0;
}

bool job_is_interactive(const struct job *job)
{
	return job->value.interactive;
}

int job_spawn(struct job *job, const struct init_spawn *spawn, const int fds[4], pid_t *pid,
	      struct err *err)
{
	memcpy(job->merged, job->base, job->base_count * sizeof *job->base);
	environment_add(job->merged, job->base_count, spawn->environment, spawn->environment_count);
	const struct child_fd moves[] = {
		{fds[0], 0}, {fds[1], 1}, {fds[2], 2}, {fds[3], spawn->pmi_fd}};
	const struct child child = {
		.path = job->program,
		.argv = job->value.argv,
		.environment = job->merged,
		.fds = moves,
		.fd_count = spawn->pmi_fd == INIT_PMI_NONE ? 3 : 4,
		.cpus = spawn->cpus,
		.cpu_bytes = spawn->cpu_bytes,
	};
	bool exec_failed;
	*pid = child_spawn(&child, &exec_failed);
	if (*pid > 0)
		return 0;
	if (exec_failed)
		return program_explain(job->program, -*pid, err);
	err_errno(err, -*pid, "start rank %u (process, CPU mask, descriptors)", spawn->rank);
	return EXITCODE_SETUP;
}
