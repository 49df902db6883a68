/*
 * transfer.h - one file from its readers into an open file of every rank, verified.  (Uses MPI.)
 */
#ifndef BCAST_TRANSFER_H
#define BCAST_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bcast/bcast_msg.h"
#include "bcast/engine.h"
#include "bcast/landing.h"
#include "bcast/manifest.h"
#include "bcast/schedule.h"
#include "bcast/session.h"
#include "bcast/source.h"

struct transfer {
	/* The same on all ranks. */
	enum schedule_kind kind;
	int readers;              /* 0 is 1 */
	uint64_t size;            /* bytes */
	uint32_t chunk_size;      /* bytes; chunk_size_for(size) */
	/* NULL, or a byte a chunk: not 0 where the landing file of every rank has that chunk. */
	const uint8_t *known;

	/* This rank's. */
	struct source *source;    /* of the readers (transfer_reads()), open unless `earlier` says why
				     not; NULL elsewhere */
	int fd;                   /* where it lands; -1: nowhere, an error if size > 0 */
	struct landing *landing;  /* NULL, or where it lands in place of fd; the caller's, who closes it */
	/* MANIFEST_HASH_SIZE bytes a chunk: what the file must be.  NULL: not known.  Needed at the readers, and
	 * everywhere with `known`. */
	const uint8_t *hashes;
	/* Readers': the chunks that go first, in that order; may name all readers'. */
	const uint64_t *order;
	size_t order_count;
	/* What failed on this rank before, if anything: all ranks fail with it. */
	struct err earlier;
	int earlier_exit_code;
	bool no_threads;          /* reading and hashing stop the network */
	bool seal;                /* nobody can write to the landing file afterwards */
	struct engine_result *result;  /* NULL, or kept up to date: what came damaged, who was slow */
	struct manifest **manifest;  /* NULL, or what gets it after a success; the caller frees it */
	/* Events, as in engine.h; landed: the file is mapped at `base` until the end. */
	void (*landed)(void *context, const char *base);
	void (*arrived)(void *context, uint64_t chunk);
	bool (*wanted)(void *context, uint64_t *chunk);
	bool (*unwanted)(void *context);
	void (*progress)(void *context, uint64_t bytes);
	void (*received)(void *context, uint64_t chunk, char *bytes, size_t len);
	enum engine_verdict (*judged)(void *context, int child, uint64_t sent);
	void *context;
};

/* Pure: the tree and the chunk size for a file of that size, for so many nodes and readers. */
void transfer_choose(uint64_t size, int nodes, int readers, enum schedule_kind *kind,
		     uint32_t *chunk_size);

/* Is this rank a reader? */
bool transfer_reads(const struct session *session, enum schedule_kind kind, int readers);

/* Collective.  0: every rank has it; fills in done->bytes, digest and the durations from land_ns
 * on.  Else -errno and *failed, the same on all ranks unless the session is broken.  -ECANCELED: a rank has
 * found the rest unwanted. */
int transfer_run(struct session *session, const struct transfer *transfer,
		 struct bcast_done *done, struct bcast_failed *failed);

#endif
