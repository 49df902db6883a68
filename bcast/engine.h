/*
 * engine.h - runs a schedule: moves the chunks, in any order, verified.  (Uses MPI.)
 */
#ifndef BCAST_ENGINE_H
#define BCAST_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bcast/chunk.h"
#include "bcast/manifest.h"
#include "bcast/schedule.h"
#include "bcast/session.h"
#include "bcast/source.h"

/* Of a rank and a child of its. */
enum engine_verdict {
	ENGINE_KEEPS_UP,
	ENGINE_CHILD_SLOW,
	ENGINE_SELF_SLOW,  /* the rank that judges */
	ENGINE_CHILD_SUSPECT,
};

struct engine_job {
	const struct schedule *schedule;
	const struct chunk_layout *layout;
	char *base;                 /* of layout->size bytes that are written and sent from */
	struct source *source;      /* a reader's; NULL elsewhere */
	/* Complete at the end, unless chunks were lost.  A hash that a reader's manifest has beforehand is
	 * compared with the file's. */
	struct manifest *manifest;
	int threads;                /* that read and hash; 0: none */
	/* Readers': the chunks that go first, in that order; may name each reader's. */
	const uint64_t *order;
	size_t order_count;
	/* A byte a chunk: not 0 where every rank has it, and its hash in the manifest.  Such a chunk is not
	 * sent.  NULL: nobody has anything. */
	const uint8_t *known;
	/* Events; NULL: nobody is interested.  arrived: the chunk is here and verified; once for each. */
	void (*arrived)(void *context, uint64_t chunk);
	/* Takes a chunk that somebody on this node waits for; false: none. It is asked for ahead of others. */
	bool (*wanted)(void *context, uint64_t *chunk);
	/* Asked each turn: nobody on any node needs the rest any more.  It is enough that one rank says so. */
	bool (*unwanted)(void *context);
	void (*progress)(void *context, uint64_t bytes);  /* some ten times a second, and at the end */
	/* For tests: a chunk's bytes have come from a peer and are not verified yet. */
	void (*received)(void *context, uint64_t chunk, char *bytes, size_t len);
	/* For tests: judges in place of the clock, once a turn and child, to which `sent` chunks have been sent
	 * or are under way.  A suspect is slow when the probe has come back. */
	enum engine_verdict (*judged)(void *context, int child, uint64_t sent);
	void *context;
};

struct engine_result {
	bool lost;                  /* chunks have not come, since a reader or another rank failed */
	bool cancelled;             /* ... or since nobody wanted them; not on every rank if it came late */
	/* What failed on this rank: its read, or a chunk that arrived damaged again and again.  Number 0: nothing. */
	struct err err;
	int suspect;                /* the rank that the damaged chunk came from, or -1 */
	uint32_t repairs;           /* chunks that had to come again */
	uint32_t demotions;         /* streams in which this rank lost its children, being too slow */
};

/* Collective.  0: it came to its end on every rank, good or bad: see *result; nothing is under way any
 * more.  Else the session is broken. */
int engine_run(struct session *session, const struct engine_job *job, struct engine_result *result,
	       struct err *err);

#endif
