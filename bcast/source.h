/*
 * source.h - the file that all nodes get, as a reader sees it; each byte is read once.
 */
#ifndef BCAST_SOURCE_H
#define BCAST_SOURCE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "common/err.h"

struct source {
	int fd;                 /* -1: closed */
	char path[PATH_MAX];
	uint64_t size;          /* bytes, when it was opened */
	mode_t mode;            /* permission bits */
	struct timespec mtime;
	_Atomic uint64_t read_ns, read_bytes;  /* spent in reads, of all threads; what they brought */
};

/* Opens a regular file.  -ENOENT, -EISDIR, -EINVAL (a pipe, a device) ...; the text names path
 * and cure. */
int source_open(const char *path, struct source *source, struct err *err);
/* No error when it is closed. */
void source_close(struct source *source);

/* Reads the bytes [offset, offset + len) of the file, which has them, to `bytes`.  Any thread.
 * -ENODATA when the file has become shorter. */
int source_read(struct source *source, uint64_t offset, void *bytes, size_t len, struct err *err);

/* To be called at the end: -ESTALE when size or modification time are no longer those of the
 * start. */
int source_check_unchanged(const struct source *source, struct err *err);

/* What a file system can do for several readers. */
struct source_place {
	uint64_t fs_type;   /* statfs(2) f_type */
	int stripe_count;   /* of the file, on Lustre; 0: not known */
};

void source_look(const struct source *source, struct source_place *place);

/* Pure: how many of `nodes` nodes should read a file of `size` bytes there.  *advice: what the user
 * could do about it, or NULL. */
int source_readers(const struct source_place *place, int nodes, uint64_t size, const char **advice);

#endif
