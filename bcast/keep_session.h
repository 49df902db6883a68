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

/* Has this node's holder the image of this digest, and has every node's?  One reduction. */
int keep_session_ask(struct session *session, const uint8_t digest[MANIFEST_HASH_SIZE], bool *here,
		     bool *everywhere, struct err *err);

/* *movers: a session of rank 0 and of those that lack the image, in the same order.  Of size 0 on the others.
 * keep_session_free(). */
int keep_session_movers(struct session *session, bool here, struct session *movers, struct err *err);
void keep_session_free(struct session *movers);

/* What changed since: chunks of kept images that are at the same place in the image with these hashes
 * (rank 0's, which all get: *hashes, the caller frees it) are copied to image_fd and verified.  *known
 * (the caller frees it): a byte a chunk, 1 where that was so on every rank. */
int keep_session_delta(struct session *session, const struct chunk_layout *layout,
		       const uint8_t *root_hashes, int image_fd, uint8_t **hashes, uint8_t **known,
		       struct err *err);

#endif
