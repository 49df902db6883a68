/*
 * bcast_main.c - cmpi-bcast: the only MPI program here.
 *
 * Under cmpid (--daemon-fd) the carrier of image and cards; alone, a tool that copies files to all
 * nodes.  It is linked once for each MPI.
 */
#include <stdio.h>
#include <unistd.h>

#include "bcast/bcast_options.h"
#include "bcast/daemon_mode.h"
#include "bcast/tool_mode.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "version.h"

static int print_help(void)
{
	AUTO_BUF struct buf text = {0};
	buf_printf(&text, "Usage: mpiexec -ppn 1 cmpi-bcast [options] SRC... DST\n\n"
		   "Copies files and directories of the first node to DST on every node, by MPI.  DST is\n"
		   "a new name, a file that is replaced, or a directory that is there.\n\nOptions:\n");
	opt_help(bcast_option_table, &text);
	if (text.failed || fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout) != 0)
		return EXITCODE_INTERNAL;
	return EXITCODE_OK;
}

static int run_tool(const struct bcast_options *options, const struct err *usage)
{
	struct tool_options tool = {
		.sources = options->sources,
		.source_count = options->source_count,
		.destination = options->destination,
		.verify = options->verify,
		.progress = options->progress,
		.json = options->json,
		.readers = options->readers,
	};
	return tool_mode_run(&tool, usage);
}

int main(int argc, char **argv)
{
	struct bcast_options options;
	struct err usage = ERR_NONE;
	(void)argc;
	log_open("cmpi-bcast", NULL, LOG_LEVEL_NORMAL);
	/* An error is told by rank 0 alone, so MPI comes first. */
	if (bcast_options_parse(argv, &options, &usage) < 0)
		return run_tool(&options, &usage);
	switch (options.action) {
	case BCAST_ACTION_TOOL:
		return run_tool(&options, &usage);
	case BCAST_ACTION_DAEMON:
		_exit(daemon_mode_run(options.daemon_fd, options.image_fd, options.arrival_fd));
	case BCAST_ACTION_HELP:
		return print_help();
	case BCAST_ACTION_VERSION:
		printf("cmpi-bcast (cmpirun) %s\n", CMPIRUN_VERSION);
		return EXITCODE_OK;
	}
	return EXITCODE_INTERNAL;
}
