/*
 * daemon.h - the node daemon: from the plan to the job's exit status.
 *
 * Runs as cmpid on each node of a job, and inside of cmpirun itself when the job is on
 * this one node alone.
 */
#ifndef LAUNCHER_DAEMON_H
#define LAUNCHER_DAEMON_H

#include "common/err.h"
#include "launcher/plan.h"

struct daemon_options {
	struct plan *plan;    /* NULL: it comes from node 0 by MPI */
	const char *helpers;  /* directory of cmpi-init, cmpi-imgfs, cmpi-bcast.* */
	int image_fd;         /* the image, opened and checked, on a job of one node; else -1 */
};

/* Returns the exit status of this process: on node 0 the job's (common/exitcode.h).
 * Prints what went wrong. */
int daemon_run(const struct daemon_options *options);

#endif
