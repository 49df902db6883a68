/*
 * transfer.h - one file from rank 0 into an open file of every rank, verified.  (Uses MPI.)
 */
#ifndef BCAST_TRANSFER_H
#define BCAST_TRANSFER_H

#include <stdint.h>

#include "bcast/bcast_msg.h"
#include "bcast/schedule.h"
#include "bcast/session.h"
#include "bcast/source.h"

struct transfer {
	enum schedule_kind kind;  /* kind, size and chunk_size: the same on all ranks */
	uint64_t size;            /* bytes */
	uint32_t chunk_size;      /* bytes; chunk_size_for(size) */
	struct source *source;    /* rank 0's, open unless `earlier` says why not; NULL elsewhere */
	int fd;                   /* where it lands; -1: nowhere, an error if size > 0 */
	/* What failed on this rank before, if anything: all ranks fail with it. */
	struct err earlier;
	int earlier_exit_code;
	/* Events, as in engine.h. */
	void (*arrived)(void *context, uint64_t chunk, char *bytes, size_t len);
	void (*progress)(void *context, uint64_t bytes);
	void *context;
};

/* Collective.  0: every rank has it; fills in done->bytes, digest and the durations from land_ns
 * on.  Else -errno and *failed, the same on all ranks unless the session is broken. */
int transfer_run(struct session *session, const struct transfer *transfer,
		 struct bcast_done *done, struct bcast_failed *failed);

#endif
