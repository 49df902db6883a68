/*
 * exchange.h - cards, plan and key: what the daemons learn from each other.  (Uses MPI.)
 */
#ifndef BCAST_EXCHANGE_H
#define BCAST_EXCHANGE_H

#include "bcast/bcast_msg.h"
#include "bcast/keep_msg.h"
#include "bcast/session.h"

/* What rank 0 tells of the image. */
struct exchange_image {
	uint64_t size;        /* bytes; 0: there is none */
	uint32_t chunk_size;  /* bytes */
	int32_t readers;
	uint32_t keep_s;      /* as in HELLO */
	uint32_t has_digest;  /* rank 0 knows it beforehand: */
	uint8_t digest[BCAST_DIGEST_SIZE];
	char name[KEEP_NAME_MAX];  /* for whoever keeps it: the path on rank 0 */
};

struct exchange {
	struct exchange_image image;
	struct bcast_session session;  /* its blobs point into the following */
	char *plan, *cards;
};

/* Collective.  Each rank gives its HELLO; what is said of the image counts on rank 0 alone.  A failure is the
 * same on all ranks, unless the session is broken; then and always exchange_free() is due. */
int exchange_run(struct session *session, const struct bcast_hello *hello,
		 const struct exchange_image *image, struct exchange *exchange,
		 struct bcast_failed *failed);
/* Also wipes the key. */
void exchange_free(struct exchange *exchange);

#endif
