/*
 * bcast_options.h - the command line of cmpi-bcast.  Pure.
 */
#ifndef BCAST_BCAST_OPTIONS_H
#define BCAST_BCAST_OPTIONS_H

#include <stdbool.h>

#include "common/err.h"
#include "common/opt.h"

enum bcast_action { BCAST_ACTION_TOOL, BCAST_ACTION_DAEMON, BCAST_ACTION_HELP,
		    BCAST_ACTION_VERSION };

struct bcast_options {
	enum bcast_action action;
	int daemon_fd, image_fd, arrival_fd; /* -1: not given */
	char *const *sources;     /* inside argv, with `destination` behind them */
	size_t source_count;
	const char *destination;
	bool verify, progress, json;
	int readers;  /* 0: auto */
};

/* For help and man page. */
extern const struct opt bcast_option_table[];

/* argv[0] is the program. -EINVAL with what is wrong with it. */
int bcast_options_parse(char **argv, struct bcast_options *options, struct err *err);

#endif
