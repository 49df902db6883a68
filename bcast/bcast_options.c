/*
 * bcast_options.c - a table and what its entries mean (bcast_options.h).  Pure: argv in, a value
 * out.
 */
#include "bcast/bcast_options.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "bcast/bcast_msg.h"

enum { OPTION_VERIFY = 1, OPTION_PROGRESS, OPTION_JSON, OPTION_READERS, OPTION_HELP, OPTION_VERSION,
       OPTION_DAEMON_FD, OPTION_IMAGE_FD, OPTION_ARRIVAL_FD };

const struct opt bcast_option_table[] = {
	{OPTION_VERIFY, OPT_FLAG, "--verify", NULL,
	 "Read every copy back from its file system and compare again. (What came over the network is "
	 "always verified.)"},
	{OPTION_PROGRESS, OPT_FLAG, "--progress", NULL, "Tell on stderr how much has been copied, and how fast."},
	{OPTION_JSON, OPT_FLAG, "--json", NULL,
	 "Print one line of JSON at the end: what was copied, how, digest, durations."},
	{OPTION_READERS, OPT_VALUE, "--readers", "auto|K",
	 "So many nodes read SRC, each another part; auto: as many as suit its file system. Default: 1, the "
	 "first."},
	{OPTION_HELP, OPT_FLAG, "--help -h", NULL, "Print this and end."},
	{OPTION_VERSION, OPT_FLAG, "--version", NULL, "Print the version and end."},
	/* Between cmpid and cmpi-bcast alone: not shown. */
	{OPTION_DAEMON_FD, OPT_VALUE, "--daemon-fd", "N", NULL},
	{OPTION_IMAGE_FD, OPT_VALUE, "--image-fd", "N", NULL},
	{OPTION_ARRIVAL_FD, OPT_VALUE, "--arrival-fd", "N", NULL},
	{0, OPT_FLAG, NULL, NULL, NULL},
};

static int take_fd_number(const struct opt *option, const char *value, int *fd, struct err *err)
{
	long number;
	int rc = opt_number(option, value, 0, INT_MAX, &number, err);
	if (rc == 0)
		*fd = (int)number;
	return rc;
}

static int take_readers(const struct opt *option, const char *value, int *readers, struct err *err)
{
	long number = 0;
	int rc = strcmp(value, "auto") == 0
			 ? 0
			 : opt_number(option, value, 1, BCAST_READERS_MAX, &number, err);
	if (rc == 0)
		*readers = (int)number;
	return rc;
}

static int take_option(struct bcast_options *options, const struct opt *option, const char *value,
		       struct err *err)
{
	switch (option->id) {
	case OPTION_VERIFY:
		options->verify = true;
		return 0;
	case OPTION_PROGRESS:
		options->progress = true;
		return 0;
	case OPTION_JSON:
		options->json = true;
		return 0;
	case OPTION_READERS:
		return take_readers(option, value, &options->readers, err);
	case OPTION_HELP:
		options->action = BCAST_ACTION_HELP;
		return 0;
	case OPTION_VERSION:
		options->action = BCAST_ACTION_VERSION;
		return 0;
	case OPTION_DAEMON_FD:
		options->action = BCAST_ACTION_DAEMON;
		return take_fd_number(option, value, &options->daemon_fd, err);
	case OPTION_IMAGE_FD:
		return take_fd_number(option, value, &options->image_fd, err);
	case OPTION_ARRIVAL_FD:
		return take_fd_number(option, value, &options->arrival_fd, err);
	}
	return 0;
}

/* SRC... and DST, as the action wants them. */
static int take_arguments(struct bcast_options *options, char **arguments, struct err *err)
{
	size_t count = 0;
	while (arguments[count] != NULL)
		count++;
	if (options->action == BCAST_ACTION_DAEMON && count > 0)
		return err_set(err, EINVAL, "--daemon-fd takes no arguments");
	if (options->action != BCAST_ACTION_TOOL)
		return 0;
	if (options->image_fd >= 0 || options->arrival_fd >= 0)
		return err_set(err, EINVAL, "--%s goes with --daemon-fd only",
			       options->image_fd >= 0 ? "image-fd" : "arrival-fd");
	if (count < 2)
		return err_set(err, EINVAL, "%zu argument%s; wanted: cmpi-bcast [options] SRC... DST",
			       count, count == 1 ? "" : "s");
	for (size_t i = 0; i < count; i++)
		if (arguments[i][0] == '\0')
			return err_set(err, EINVAL, "argument %zu is empty; wanted: cmpi-bcast [options] SRC... DST",
				       i + 1);
	options->sources = arguments;
	options->source_count = count - 1;
	options->destination = arguments[count - 1];
	return 0;
}

int bcast_options_parse(char **argv, struct bcast_options *options, struct err *err)
{
	struct opt_parser parser = {.table = bcast_option_table, .argv = argv, .index = 1};
	const struct opt *option;
	const char *value;
	int rc;
	*options = (struct bcast_options){.daemon_fd = -1, .image_fd = -1, .arrival_fd = -1,
					 .readers = 1};
	while ((rc = opt_next(&parser, &option, &value, err)) > 0)
		if ((rc = take_option(options, option, value, err)) < 0)
			return rc;
	return rc < 0 ? rc : take_arguments(options, argv + parser.index, err);
}
