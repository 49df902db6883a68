/*
 * source.h - the file of rank 0, read once from front to back.
 */
#ifndef BCAST_SOURCE_H
#define BCAST_SOURCE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "common/err.h"

struct source {
	int fd;                 /* -1: closed */
	char path[PATH_MAX];
	uint64_t size, offset;  /* bytes: of the file when it was opened; read so far */
	mode_t mode;            /* permission bits */
	struct timespec mtime;
	uint64_t read_ns;       /* spent in reads */
};

/* Opens a regular file.  -ENOENT, -EISDIR, -EINVAL (a pipe, a device) ...; the text names path
 * and cure. */
int source_open(const char *path, struct source *source, struct err *err);
/* No error when it is closed. */
void source_close(struct source *source);

/* Reads on, at most `budget` bytes, to `base` + offset.  Returns the number of bytes, 0 at the end.
 * -ENODATA when the file has become shorter. */
ssize_t source_read(struct source *source, char *base, size_t budget, struct err *err);

/* To be called at the end: -ESTALE when size or modification time are no longer those of the
 * start. */
int source_check_unchanged(const struct source *source, struct err *err);

#endif
