/*
 * options.h - what the user asked for, before anything is looked at.
 *
 * Pure: argv in, a value out.  Strings point into argv.
 */
#ifndef LAUNCHER_OPTIONS_H
#define LAUNCHER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/log.h"
#include "common/opt.h"

enum mpi_choice { MPI_CONTAINER, MPI_HOST, MPI_FABRIC, MPI_AUTO };
enum mount_choice { MOUNT_CHOICE_AUTO, MOUNT_CHOICE_FUSE, MOUNT_CHOICE_KERNEL };
enum bind_choice { BIND_CHOICE_DEFAULT, BIND_CHOICE_CORE, BIND_CHOICE_NUMA, BIND_CHOICE_NONE };
enum early_choice { EARLY_AUTO, EARLY_OFF };
enum timing_choice { TIMING_NONE, TIMING_TEXT, TIMING_JSON };

/* What to do instead of running something. */
enum options_action { ACTION_RUN, ACTION_HELP, ACTION_VERSION, ACTION_MAN_OPTIONS };

struct options {
	enum options_action action;
	long ranks, per_node;              /* 0: not given */
	const char *hosts, *host_file;     /* NULL: not given */
	const char *image;
	const char *pull;                  /* "always", "missing", "never"; NULL: not given */
	const char *launcher, *work_dir, *mpi_path;
	const char *profile;               /* a file to record what is read */
	const char **volumes, **exports;   /* in the order given; the arrays are ours */
	size_t volume_count, export_count;
	enum mpi_choice mpi;
	enum mount_choice mount;
	enum bind_choice bind;
	enum timing_choice timing;
	enum early_choice early;
	long readers;               /* of the image file; 0: auto */
	enum log_level level;
	long timeout_s;                    /* 0: none */
	long keep_s;                       /* 0: the image is not kept */
	bool oversubscribe, label, dry_run;
	bool verify;                       /* the image's blocks, when they are read */
	bool no_home, no_cwd, no_tmp;
	char **argv;                       /* program and its arguments, NULL-terminated; may be empty */
};

extern const struct opt options_table[];

/* -EINVAL with what is wrong. */
int options_parse(char **argv, struct options *options, struct err *err);
void options_free(struct options *options);

#endif
