/*
 * cmpirun_main.c - the command: options → plan → the daemons.
 *
 * On several nodes this process becomes the launcher of the place (srun), or the parent of one
 * that loses the daemons' words (mpiexec; supervisor.h); the launcher's stdin, stdout and stderr are
 * the user's, and the plan travels in the environment.  On this one node alone it becomes the
 * node daemon itself: no launcher and no MPI in the way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "launcher/daemon.h"
#include "launcher/helpers.h"
#include "launcher/make_plan.h"
#include "launcher/options.h"
#include "launcher/starter.h"
#include "launcher/supervisor.h"
#include "version.h"

extern char **environ;

static int fail(int exit_code, const struct err *err)
{
	log_error("%s", err->text);
	return exit_code;
}

static int print(struct buf *text)
{
	if (text->failed || fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout) != 0)
		return EXITCODE_INTERNAL;
	return EXITCODE_OK;
}

static int print_help(void)
{
	AUTO_BUF struct buf out = {0};
	buf_printf(&out, "Usage: cmpirun [options] --image FILE PROGRAM [ARGS]\n\n"
			 "Starts PROGRAM in parallel inside a container image. The image is read once, sent to\n"
			 "the memory of every node over the fast network, and mounted there without privilege.\n");
	opt_help(options_table, &out);
	buf_printf(&out, "\nExit status: that of the first failing rank (128 + N: ended by signal N), or\n");
	for (const struct exitcode_text *text = exitcode_texts; text->text != NULL; text++)
		if (text->code >= EXITCODE_USAGE && text->code < EXITCODE_SIGNAL)
			buf_printf(&out, "  %d  %s\n", text->code, text->text);
	return print(&out);
}

/* The generated part of docs/man/cmpirun.1; tests/man_page.sh compares. */
static int print_man_options(void)
{
	AUTO_BUF struct buf out = {0};
	buf_printf(&out, ".SH OPTIONS\n");
	opt_man(options_table, &out);
	buf_printf(&out, ".SH EXIT STATUS\n");
	for (const struct exitcode_text *text = exitcode_texts; text->text != NULL; text++)
		buf_printf(&out, ".TP\n.B %d\n%s.\n", text->code, text->text);
	return print(&out);
}

/* A host file without a name: it lives as long as the launcher that we become. */
static int make_hostfile(const struct hostlist *nodes, char *path, size_t size, struct err *err)
{
	AUTO_BUF struct buf text = {0};
	for (size_t i = 0; i < nodes->count; i++)
		buf_printf(&text, "%s\n", nodes->names[i]);
	int fd = memfd_create("hostfile", 0);  /* inherited on purpose */
	if (fd < 0 || text.failed || write(fd, text.data, text.len) != (ssize_t)text.len)
		return err_set(err, EIO, "host file in memory");
	snprintf(path, size, "/proc/self/fd/%d", fd);
	lseek(fd, 0, SEEK_SET);
	return 0;
}

/* Everything about how the daemons are started. */
struct launch {
	const struct starter *starter;
	char helpers[4096], hostfile[64];
	char *command, **argv;
	struct supervisor *supervisor;  /* NULL: the launcher needs none */
};

static int prepare(const struct making *making, struct plan *plan, struct launch *launch,
		   struct err *err)
{
	char daemon[4200];
	const char *path = getenv("PATH");
	int rc = helpers_find(launch->helpers, sizeof launch->helpers, err);
	if (rc == 0)
		rc = starter_choose(making->options, &making->hosts, plan, launch->helpers,
				    path ? path : "", &launch->starter, &launch->command, err);
	if (rc < 0 || launch->starter == &starters[0])
		return rc;
	if (launch->starter->supervised && !making->options->dry_run)
		rc = supervisor_new(plan, &launch->supervisor, err);
	if (rc == 0)
		rc = make_hostfile(&plan->nodes, launch->hostfile, sizeof launch->hostfile, err);
	if (rc == 0)
		rc = plan_export(plan, err);
	if (rc < 0)
		return rc;
	snprintf(daemon, sizeof daemon, "%s/cmpid", launch->helpers);
	struct starter_values values = {.nodes = &plan->nodes,
					.hostfile = launch->hostfile,
					.daemon = daemon,
					.cpus = making->hosts.cpus,
					.environment = environ,
					.is_root = geteuid() == 0};
	const char *words = launch->starter->template ? launch->starter->template
						      : making->options->launcher;
	return starter_expand(launch->command, words, &values, &launch->argv, err);
}

static int run_here(struct making *making, struct plan *plan, const struct launch *launch)
{
	struct daemon_options options = {
		.plan = plan, .helpers = launch->helpers, .image_fd = making->image.fd};
	if (making->oversubscribed)
		log_note("%u ranks share %u cores of this node: they run unbound", plan->ranks,
			 making->hosts.slots[0]);
	fingerprints_free(&plan->host_files);  /* we have just looked */
	return daemon_run(&options);
}

static int run(struct making *making, struct plan *plan, struct launch *launch)
{
	struct err err;
	if (launch->argv == NULL)
		return run_here(making, plan, launch);
	for (size_t i = 0; launch->argv[i] != NULL; i++)
		log_debug("launcher word %zu: %s", i, launch->argv[i]);
	if (launch->supervisor != NULL) {
		image_file_close(&making->image);  /* cmpi-bcast reads it, and has its own */
		int status = supervisor_run(launch->supervisor, launch->argv, &err);
		return status < 0 ? fail(EXITCODE_NODE, &err) : status;
	}
	execvp(launch->argv[0], launch->argv);
	err_errno(&err, errno, "start the daemons: %s", launch->argv[0]);
	return fail(EXITCODE_NODE, &err);
}

static int plan_and_run(const struct options *options, uint64_t started_ns)
{
	AUTO_PLAN struct plan plan = {0};
	struct making making = {
		.options = options, .environment = environ, .started_ns = started_ns};
	struct launch launch = {0};
	struct err err;
	AUTO_BUF struct buf text = {0};
	int status;
	if (make_plan(&making, &plan, &err) < 0) {
		status = fail(making.exit_code, &err);
	} else if (prepare(&making, &plan, &launch, &err) < 0) {
		status = fail(EXITCODE_USAGE, &err);
	} else if (options->dry_run) {
		make_plan_print(&making, &plan,
				launch.starter->name, launch.argv, &text);
		status = print(&text);
	} else {
		status = run(&making, &plan, &launch);
	}
	making_free(&making);
	supervisor_free(&launch.supervisor);
	free(launch.command);
	starter_argv_free(launch.argv);
	return status;
}

int main(int argc, char **argv)
{
	struct timespec now;
	struct options options;
	struct err err;
	(void)argc;
	clock_gettime(CLOCK_REALTIME, &now);
	if (options_parse(argv, &options, &err) < 0)
		return fail(EXITCODE_USAGE, &err);
	log_open("cmpirun", NULL, options.level);
	int status;
	switch (options.action) {
	case ACTION_HELP: status = print_help(); break;
	case ACTION_MAN_OPTIONS: status = print_man_options(); break;
	case ACTION_VERSION: status = puts("cmpirun " CMPIRUN_VERSION) < 0; break;
	default:
		status = plan_and_run(&options,
				      (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
	}
	options_free(&options);
	return status;
}
