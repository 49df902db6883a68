/*
 * tool_mode.h - cmpi-bcast alone: copies files and trees to every node.  (Uses MPI.)
 */
#ifndef BCAST_TOOL_MODE_H
#define BCAST_TOOL_MODE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct tool_options {
	char *const *sources;
	size_t source_count;
	const char *destination;
	bool verify, progress, json;
	int readers;  /* 0: as many as suit a file; one for several and for trees */
};

/* Copies; or, when `usage` is an error of the command line, tells that.  Prints as rank 0 only.
 * Returns the exit status of the process, the same on all ranks, which is to end by exit(3). */
int tool_mode_run(const struct tool_options *options, const struct err *usage);

#endif
