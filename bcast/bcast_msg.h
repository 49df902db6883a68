/*
 * bcast_msg.h - what cmpid and cmpi-bcast say to each other.
 *
 * One message is one frame (common/frame.h; hops, source and target are 0) on a SOCK_STREAM pair.
 *
 *	cmpid → cmpi-bcast    HELLO     once, at the start
	                      CANCEL    at most once, at rank 0: nobody needs the rest of the image any more
 *	cmpi-bcast → cmpid    SESSION   once: as soon as cards, plan and key are exchanged
 *	                      PROGRESS  now and then while the image travels
 *	                      MOUNTABLE at most once: what a mount and the start of the program need is in
 *	                                the image file and in the map of arrived chunks; the rest still comes
 *	                      DONE      once: the image is verified on every node (or there is none)
 *	                      CANCELLED instead of DONE, on every node: after a CANCEL that came in time
	                      FAILED    once, instead of what would have come; always the last
 *
 * The end of the stream from cmpid is an order to end at once.
 */
#ifndef BCAST_BCAST_MSG_H
#define BCAST_BCAST_MSG_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/frame.h"

enum {
	BCAST_KEY_SIZE = 32,
	BCAST_DIGEST_SIZE = 16,
	BCAST_CARD_MAX = 4096,     /* bytes */
	BCAST_PLAN_MAX = 16 << 20, /* bytes */
	BCAST_NODES_MAX = 65536,
	BCAST_READERS_MAX = 16,    /* that of schedule.h */
};

/* The largest payload: a SESSION of that many cards of that size. */
#define BCAST_MSG_PAYLOAD_MAX                                                                      \
	((size_t)BCAST_NODES_MAX * (BCAST_CARD_MAX + 4) + BCAST_PLAN_MAX + 4096)

enum bcast_msg_type {
	BCAST_MSG_HELLO = 1,
	BCAST_MSG_SESSION,
	BCAST_MSG_PROGRESS,
	BCAST_MSG_DONE,
	BCAST_MSG_FAILED,
	BCAST_MSG_MOUNTABLE,
	BCAST_MSG_CANCEL,
	BCAST_MSG_CANCELLED,  /* as DONE: `done`, of which only the durations before the transfer count */
};

struct bcast_blob {
	const char *bytes;
	size_t len;
};

struct bcast_hello {
	struct bcast_blob card;     /* at most BCAST_CARD_MAX */
	struct bcast_blob plan;     /* at most BCAST_PLAN_MAX; only that of rank 0 counts */
	/* Ranks that must be there, 0: not known.  Guards against an MPI that does not understand the
	 * launcher and runs as N singletons. */
	uint32_t node_count;
	char image_path[PATH_MAX];  /* only that of rank 0 counts; "": no image is moved */
	uint32_t readers;           /* likewise; nodes that read the image, 0: as many as suit it */
	uint32_t keep_s;            /* likewise; how long the image is kept after its last use, 0: not */
};

struct bcast_session {
	uint8_t key[BCAST_KEY_SIZE];  /* random, the same on every node; a secret */
	uint32_t rank, size;
	uint64_t image_size;          /* bytes; 0 when there is no image */
	struct bcast_blob plan;       /* rank 0's */
	struct bcast_blob *cards;     /* `size` of them, by rank */
};

struct bcast_progress {
	uint64_t bytes, total;  /* that are in this node's memory; of the image */
};

struct bcast_mountable {
	uint64_t bytes;      /* that are in this node's memory */
	uint64_t after_ns;   /* since the first chunk was asked for */
};

struct bcast_done {
	uint64_t bytes;                     /* the image's size */
	uint8_t digest[BCAST_DIGEST_SIZE];  /* of size and chunks' hashes (bcast/manifest.h) */
	uint32_t kept;  /* 1: it has not moved; this node's holder has it (bcast/keep.h), image_fd nothing */
	/* Durations on this node: MPI_Init; cards, plan and key; allocation of memory; reads of the
	 * file (rank 0, inside transfer); from the first chunk to the last; the rest of the
	 * verification. */
	uint64_t init_ns, exchange_ns, land_ns, read_ns, transfer_ns, verify_ns;
};

struct bcast_failed {
	uint32_t rank;      /* whose failure it was: not always our own */
	int32_t exit_code;  /* common/exitcode.h */
	struct err err;     /* names the node when it is another's */
};

struct bcast_msg {
	enum bcast_msg_type type;
	union {
		struct bcast_hello hello;
		struct bcast_session session;
		struct bcast_progress progress;
		struct bcast_mountable mountable;
		struct bcast_done done;
		struct bcast_failed failed;
	};
};

/* Appends the whole frame. */
void bcast_msg_pack(const struct bcast_msg *msg, struct buf *out);

/* Reads one frame's payload.  -EPROTO for anything malformed or above the bounds.  Blobs point into
 * the payload; on success the caller owns msg->session.cards: bcast_msg_free(). */
int bcast_msg_parse(const struct frame *frame, struct bcast_msg *msg, struct err *err);
void bcast_msg_free(struct bcast_msg *msg);

#endif
