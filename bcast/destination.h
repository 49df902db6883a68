/*
 * destination.h - a file, or a directory, that appears under its name complete or not at all.
 */
#ifndef BCAST_DESTINATION_H
#define BCAST_DESTINATION_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "common/err.h"

struct destination {
	int dir_fd, fd;           /* -1: closed.  fd is for the file's bytes, read-write */
	bool tree;
	char path[PATH_MAX];      /* as a person would write it */
	char name[NAME_MAX + 1];  /* inside the directory */
	char temp[NAME_MAX + 1];  /* "": the file has no name yet */
};

/* path: a file, or a directory that is there (then the file gets source_name in it).  An existing
 * regular file is left alone until destination_commit().  On failure nothing is open. */
int destination_open(const char *path, const char *source_name, struct destination *destination,
		     struct err *err);

/* The same for a directory: fd is an empty one for what belongs into it.  -EEXIST when the name is taken:
 * a tree never replaces anything. */
int destination_open_tree(const char *path, const char *source_name, struct destination *destination,
			  struct err *err);

/* Gives it mode (the permission bits of 0777), modification time and its name, replacing what had
 * it. */
int destination_commit(struct destination *destination, mode_t mode, const struct timespec *mtime,
		       struct err *err);

/* Closes; removes what was not committed. Idempotent. */
void destination_close(struct destination *destination);

/* Pure: the part of a path behind the last slash; "" when it ends with one. */
const char *destination_base(const char *path);

#endif
