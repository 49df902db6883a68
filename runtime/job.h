/*
 * job.h - the program of a job, made ready to be started many times.
 */
#ifndef RUNTIME_JOB_H
#define RUNTIME_JOB_H

#include <sys/types.h>

#include "common/err.h"
#include "runtime/init_msg.h"

struct job;

/* Parses the packed init_job, changes into its working directory, finds the program.  The process's
 * root must be the container's.  The first pages of the program, its loader and its C library are asked for, so that
 * they come while others still get ready.  0, or the exit status (common/exitcode.h) and *err. */
int job_new(const void *bytes, size_t len, struct job **job, struct err *err);
void job_free(struct job **job);

/* Adds "NAME=VALUE\0"... to what all ranks start with; a name that is there gets the new value. */
int job_add_environment(struct job *job, const void *bytes, size_t len, struct err *err);

bool job_is_interactive(const struct job *job);

/* Starts one rank; fds are stdin, stdout, stderr and, if spawn has one, PMI; they stay the
 * caller's.  0 and *pid, or the exit status and *err. */
int job_spawn(struct job *job, const struct init_spawn *spawn, const int fds[4], pid_t *pid,
	      struct err *err);

#endif
