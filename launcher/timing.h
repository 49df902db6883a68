/*
 * timing.h - where the time of a launch went.  Pure.
 *
 * Durations in ns; UINT64_MAX: this run had no such phase.  Each node has its
 * own; on the way to node 0 they are merged: the slowest node's value stays, and
 * the name of the node whose sum is largest.
 */
#ifndef LAUNCHER_TIMING_H
#define LAUNCHER_TIMING_H

#include <stdint.h>

#include "common/buf.h"
#include "common/hostlist.h"
#include "launcher/transport.h"

enum timing_phase {
	TIMING_START,      /* cmpirun's start to cmpid's, on node 0: options, plan, launcher */
	TIMING_EXCHANGE,   /* MPI_Init and the exchange of cards, plan and key */
	TIMING_READ,       /* the image file, on node 0, inside of the broadcast */
	TIMING_MOUNTABLE,  /* first chunk asked for to enough for a mount, inside of the broadcast */
	TIMING_BROADCAST,  /* allocation of memory, first chunk to last, the rest of the verification */
	TIMING_TREE,       /* connections of the control tree, beside the broadcast */
	TIMING_MOUNT,      /* request to mounted root */
	TIMING_PMI,        /* start of the PMI servers, beside the mount */
	TIMING_READY,      /* cmpid's start to this node's readiness */
	TIMING_EXEC,       /* the ranks' start to the last exec */
	TIMING_WIRE_UP,    /* the ranks' start to their first fence, if they have one */
	TIMING_PHASES,
};

struct timing {
	uint64_t ns[TIMING_PHASES];
	uint64_t slowest_ns;  /* READY + EXEC of the slowest node */
	char slowest[HOSTLIST_NAME_MAX];
	struct transport transport;  /* of the ranks, on the node where it deserves attention */
};

void timing_init(struct timing *timing, const char *node);
/* After this node's own values are in. */
void timing_close(struct timing *timing);
void timing_merge(struct timing *timing, const struct timing *other);

void timing_pack(const struct timing *timing, struct buf *out);
void timing_parse(struct cursor *in, struct timing *timing);  /* sets in->bad */

/* The launch line, without newline: "launched 8 ranks on 2 nodes in 41.0 ms: start 1.2, ..." */
void timing_print(const struct timing *timing, uint32_t ranks, uint32_t nodes, uint64_t total_ns,
		  struct buf *out);
/* One JSON object (RFC 8259) in one line; durations in seconds. */
void timing_print_json(const struct timing *timing, uint32_t ranks, uint32_t nodes,
		       uint64_t total_ns, uint64_t image_bytes, struct buf *out);

#endif
