/*
 * pmi1.h - the PMI-1 wire protocol, server side, without I/O.
 *
 * Lines of text, "cmd=X key=value ...\n", as MPICH's client of version 1.1
 * speaks them (mpich src/pmi: maint/pmi-1.1.txt describes them).  Bytes of a
 * rank go in, bytes for it come out, and what concerns others comes out as an
 * event.  The only reply that is not given at once is that of a barrier.
 */
#ifndef PMIX_PMI1_H
#define PMIX_PMI1_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "pmix/kvs.h"

enum {
	PMI1_LINE_MAX = 4096,  /* clients write at most 1024 */
	PMI1_TEXT_MAX = 256,
};

/* What all ranks of the node share. */
struct pmi1_space {
	const char *name;     /* of the only key-value space */
	uint32_t rank_count;  /* the universe */
	struct kvs *kvs;
	uint32_t in_barrier;  /* how many clients wait for a barrier's end */
};

/* One rank's connection. All zero at first. */
struct pmi1_client {
	struct buf in;           /* bytes without their newline yet */
	bool initialized, in_barrier, finalized;
	bool in_spawn;           /* between mcmd=spawn and its last endcmd */
	uint32_t spawn_total, spawn_seen;
};

enum pmi1_event_type {
	PMI1_EVENT_NONE,
	PMI1_EVENT_INIT,
	PMI1_EVENT_BARRIER,   /* answer with pmi1_barrier_done() when all are in */
	PMI1_EVENT_FINALIZE,
	PMI1_EVENT_ABORT,     /* with status and text */
};

struct pmi1_event {
	enum pmi1_event_type type;
	int status;
	char text[PMI1_TEXT_MAX];
};

/* Bytes came from the rank: kept until pmi1_step() takes them. -ENOMEM. */
int pmi1_feed(struct pmi1_client *client, const char *bytes, size_t len, struct err *err);

/* Handles the next whole line: appends the reply to `out`, fills in *event.
 * Returns 1 when there was one, 0 when more bytes are needed, -EPROTO when it is no
 * PMI-1 (the connection is of no use any more). */
int pmi1_step(struct pmi1_client *client, struct pmi1_space *space, struct buf *out,
	      struct pmi1_event *event, struct err *err);

/* Lets the rank out of its barrier; `failed`: with an error. */
void pmi1_barrier_done(struct pmi1_client *client, struct pmi1_space *space, bool failed,
		       struct buf *out);

/* Also takes it out of a barrier; the client is all zero again. */
void pmi1_client_free(struct pmi1_client *client, struct pmi1_space *space);

#endif
