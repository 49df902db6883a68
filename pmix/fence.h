/*
 * fence.h - collectives of the node daemons over their tree, as values.
 *
 * A fence: each participating node contributes bytes, each gets the
 * concatenation of all (in no particular order).  It is known by (kind,
 * signature, sequence): the signature is a digest of the participants, and a
 * node counts its fences of one kind and signature, which happen in the same
 * order on all of them.
 *
 * Contributions go up the k-ary tree (parent of i: (i - 1) / k) to the lowest
 * node below which all participants are, and the result goes down the same
 * edges.  A node between them that takes no part combines and forwards: the
 * set of nodes travels in the frame.  A fence of one node sends nothing.
 *
 * Nothing is sent here: each call gives one `struct fence_step` at most.
 */
#ifndef PMIX_FENCE_H
#define PMIX_FENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct fence_engine;

enum fence_kind {
	FENCE_KIND_PMI1,  /* barrier of all ranks */
	FENCE_KIND_PMIX,  /* PMIx_Fence */
	FENCE_KIND_CONNECT,
	FENCE_KIND_DISCONNECT,
	FENCE_KIND_COUNT,
};

struct fence_tree {
	uint32_t node, node_count, fanout;
};

/* Nodes first .. last. A set is an array of these, ascending, with gaps between. */
struct fence_range {
	uint32_t first, last;
};

struct fence_id {
	uint32_t kind, sequence;
	uint64_t signature[2];
};

/* What the caller is to do now; all zero: nothing. */
struct fence_step {
	bool send_up;           /* `frame` to the parent ... */
	uint32_t *children;     /* ... or to these child nodes */
	size_t child_count;
	bool complete;          /* this node's part is over, with `data` */
	struct fence_id id;
	int status;             /* 0 or -errno: the fence failed for all alike */
	struct buf frame;       /* payload of the message(s) */
	size_t data_offset;     /* `data` is frame.data + this, to the end */
};

void fence_step_free(struct fence_step *step);
#define AUTO_FENCE_STEP __attribute__((cleanup(fence_step_free)))

/* `payload_max` bounds what one frame may hold. NULL: no memory. */
struct fence_engine *fence_engine_new(const struct fence_tree *tree, size_t payload_max);
void fence_engine_free(struct fence_engine **engine);

/* This node's part of its next fence of this kind and signature; `nodes` is a
 * set with this node in it.  *id says which one it became. */
int fence_contribute(struct fence_engine *engine, enum fence_kind kind, const uint64_t signature[2],
		     const struct fence_range *nodes, size_t range_count, const void *data,
		     size_t len, struct fence_id *id, struct fence_step *step, struct err *err);

/* A frame from a child (going up) or the parent (going down).  Foreign bytes:
 * -EPROTO when they make no sense or come twice. */
int fence_receive(struct fence_engine *engine, bool going_up, uint32_t source, const void *payload,
		  size_t len, struct fence_step *step, struct err *err);

/* How many fences are under way at this node (own or forwarded). */
size_t fence_pending_count(const struct fence_engine *engine);

#endif
