/*
 * keep.h - asks this node's holder of kept images.
 *
 * A holder is one process a node, user and allocation (keep_holder.h): it has the images' memory
 * files open, and nothing else.  It is found by an abstract socket (unix(7)) named by user and allocation,
 * so nothing is left in any directory; both ends check that the other is the same user's.
 */
#ifndef BCAST_KEEP_H
#define BCAST_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "bcast/keep_msg.h"
#include "bcast/sidecar.h"
#include "common/err.h"

/* The socket that a holder listens on, bound.  -EADDRINUSE: this node has a holder. */
int keep_listen(struct err *err);

/* All that is kept: the caller frees *images (free(3)).  Without a holder: none, and no error. */
int keep_list(struct keep_image **images, uint32_t *count, struct err *err);

/* The image with that digest: *image_fd is the caller's, read-only.  *sidecar (may be NULL) is filled in.
 * -ENOENT: it is not kept here. */
int keep_get(const uint8_t digest[KEEP_DIGEST_SIZE], int *image_fd, struct sidecar *sidecar,
	     struct err *err);

/* Hands a verified image over; image_fd stays the caller's.  Replaces an older one of that name.
 * Waits up to wait_ms for a holder that is just being started.  -ENOENT: there is none. */
int keep_put(const char *name, int image_fd, const struct sidecar *sidecar, uint32_t age_s,
	     unsigned wait_ms, struct err *err);

/* NULL: all.  *removed: how many. */
int keep_remove(const uint8_t *digest, uint32_t *removed, struct err *err);

#endif
