/*
 * keep_msg.h - what is said to the holder of kept images, and its answers.  Pure.
 *
 * One packet (common/fdpass.h) asks, one answers, then the connection ends.
 *
 *	request    descriptors                        answer
 *	LIST       -                                  IMAGES
 *	GET        -                                  GOT +2: the image, its sidecar (sidecar_pack); or MISSING
 *	PUT        the image, its sidecar             DONE, or REFUSED
 *	REMOVE     -                                  DONE; `removed` says how many
 */
#ifndef BCAST_KEEP_MSG_H
#define BCAST_KEEP_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum { KEEP_DIGEST_SIZE = 16, KEEP_IMAGES_MAX = 16, KEEP_NAME_MAX = 1024 };

enum keep_msg_type {
	KEEP_MSG_LIST = 1,
	KEEP_MSG_GET,
	KEEP_MSG_PUT,
	KEEP_MSG_REMOVE,
	KEEP_MSG_IMAGES = 32,
	KEEP_MSG_GOT,
	KEEP_MSG_MISSING,
	KEEP_MSG_DONE,
	KEEP_MSG_REFUSED,
};

struct keep_image {
	uint8_t digest[KEEP_DIGEST_SIZE];
	uint64_t size;         /* bytes */
	uint32_t age_s;        /* kept for so long after its last use; in IMAGES: what is left of it */
	char name[KEEP_NAME_MAX];  /* the path that it was read from, for people */
};

struct keep_msg {
	enum keep_msg_type type;
	struct keep_image image;    /* GET and REMOVE: the digest; all zero: REMOVE all.  PUT: all */
	uint32_t count;             /* IMAGES: of images; DONE: removed */
	struct keep_image *images;  /* IMAGES; of a parsed one: keep_msg_free() */
};

void keep_msg_pack(const struct keep_msg *msg, struct buf *out);
/* -EPROTO for anything that pack did not write. */
int keep_msg_parse(const void *bytes, size_t len, struct keep_msg *msg, struct err *err);
void keep_msg_free(struct keep_msg *msg);

#endif
