/*
 * crew.h - threads that read chunks of the file and hash them, so that the loop that serves MPI
 * never waits for a disk and a link is not slowed to the speed of one core's hashing.
 *
 * With no threads the work is done by crew_take(): nothing depends on their being there.
 */
#ifndef BCAST_CREW_H
#define BCAST_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bcast/manifest.h"
#include "bcast/source.h"
#include "common/err.h"

struct crew;

struct crew_task {
	bool read;        /* first read the bytes; else they are there */
	uint64_t chunk;   /* for the caller */
	uint64_t offset;  /* in the file */
	char *bytes;
	size_t len;
	/* Filled in: */
	uint8_t hash[MANIFEST_HASH_SIZE];
	struct err err;   /* of the read */
};

/* source: of the tasks that read, or NULL; it outlives the crew. */
int crew_new(int threads, struct source *source, struct crew **crew, struct err *err);
/* Waits for the tasks under way, and drops the others. */
void crew_free(struct crew **crew);

int crew_submit(struct crew *crew, const struct crew_task *task, struct err *err);
/* One that is done; false: none yet. */
bool crew_take(struct crew *crew, struct crew_task *task);
/* Tasks that have been submitted and not been taken. */
size_t crew_load(const struct crew *crew);

#endif
