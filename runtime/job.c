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
	free(job);
}

static int directory_enter(struct job *job, struct err *err)
{
	const char *cwd = job->value.cwd[0] != '\0' ? job->value.cwd : "/";
	if (chdir(cwd) < 0) {
		int number = errno;
		if (job->value.cwd_required || chdir("/") < 0) {
			err_errno(err, number, "working directory %s in the container", cwd);
			return EXITCODE_USAGE;
		}
		cwd = "/";
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
	if (code == 0)
		*out = take_ptr(&job);
	return code;
}

bool job_is_interactive(const struct job *job)
{
	return job->value.interactive;
}

int job_spawn(struct job *job, const struct init_spawn *spawn, const int fds[4], pid_t *pid,
	      struct err *err)
{
	environment_merge(job->base, job->base_count, spawn->environment, spawn->environment_count,
			  job->merged);
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
