/*
 * keep_session.h - what the nodes' holders (keep.h) still have of the image that is about to travel.  (Uses
 * MPI.)
 *
 * Collective functions; a holder that does not answer is one that has nothing.
 */
#ifndef BCAST_KEEP_SESSION_H
#define BCAST_KEEP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "bcast/chunk.h"
#include "bcast/manifest.h"
#include "bcast/session.h"
#include "common/err.h"

/* Has every node's holder the image of this digest?  One reduction. */
int keep_session_ask(struct session *session, const uint8_t digest[MANIFEST_HASH_SIZE],
		     bool *everywhere, struct err *err);

/* What changed since: chunks of kept images that are at the same place in the image with these hashes
 * (rank 0's, which all get: *hashes, the caller frees it) are copied to image_fd and verified.  *known
 * (the caller frees it): a byte a chunk, 1 where that was so on every rank. */
int keep_session_delta(struct session *session, const struct chunk_layout *layout,
		       const uint8_t *root_hashes, int image_fd, uint8_t **hashes, uint8_t **known,
		       struct err *err);

#endif
