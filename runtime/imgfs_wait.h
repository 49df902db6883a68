/*
 * imgfs_wait.h - an image that has not all arrived: what is here, and waiting for the rest.
 *
 * A wait ends with the bytes or with -EIO: when the arrival has failed, or when the daemon that
 * would say so has died.
 */
#ifndef RUNTIME_IMGFS_WAIT_H
#define RUNTIME_IMGFS_WAIT_H

#include <stdint.h>

#include "common/arrival.h"

struct imgfs_source {
	struct arrival *arrival;  /* NULL: everything is here */
	int owner_fd;             /* a pidfd of the daemon, or -1 */
};

/* Are [at, at + len) here?  0; -EAGAIN: not yet, they are asked for; -EIO: they will not come. */
int imgfs_source_check(const struct imgfs_source *source, uint64_t at, uint64_t len);
/* The same, and waits. */
int imgfs_source_wait(const struct imgfs_source *source, uint64_t at, uint64_t len);

/* Waits until something more has arrived since arrival_marks() was `seen`, for some time at most. */
void imgfs_source_sleep(const struct imgfs_source *source, uint32_t seen);

#endif
