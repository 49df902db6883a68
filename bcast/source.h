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

#include "bcast/bundle.h"
#include "common/err.h"

struct source {
	int fd;                 /* -1: closed */
	/* NULL, or what is read in place of one file; then fd is the file of it that was read last. */
	const struct bundle *bundle;
	const struct bundle_entry *entry;  /* whose file fd is; under a lock of all sources */
	char path[PATH_MAX];
	uint64_t at, size;      /* the part of it that is read, bytes: all of it, when it was opened */
	uint64_t file_size;
	mode_t mode;            /* permission bits */
	struct timespec mtime;
	_Atomic uint64_t read_ns, read_bytes;  /* spent in reads, of all threads; what they brought */
};

/* Opens a regular file.  -ENOENT, -EISDIR, -EINVAL (a pipe, a device) ...; the text names path
 * and cure. */
int source_open(const char *path, struct source *source, struct err *err);
/* The bundle's files are opened when they are read, and must still be as the bundle says (-ESTALE). It stays the
 * caller's, and outlives the source. */
void source_open_bundle(const struct bundle *bundle, struct source *source);
/* It is an image: only its squashfs is read (common/squash_file.h), and counts as the file. */
int source_find_image(struct source *source, struct err *err);
/* No error when it is closed. */
void source_close(struct source *source);

/* Reads the bytes [offset, offset + len) of that part, which has them, to `bytes`.  Any thread.
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
