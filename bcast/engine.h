/*
 * engine.h - runs a schedule: moves the chunks.  (Uses MPI.)
 */
#ifndef BCAST_ENGINE_H
#define BCAST_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "bcast/chunk.h"
#include "bcast/manifest.h"
#include "bcast/schedule.h"
#include "bcast/session.h"
#include "bcast/source.h"

struct engine_job {
	const struct schedule *schedule;
	const struct chunk_layout *layout;
	char *base;                 /* of layout->size bytes that are written and sent from */
	struct source *source;      /* rank 0's; NULL elsewhere */
	struct manifest *manifest;  /* complete at the end, unless chunks were lost */
	/* Events; NULL: nobody is interested. */
	void (*arrived)(void *context, uint64_t chunk, char *bytes, size_t len);
	void (*progress)(void *context, uint64_t bytes);  /* some ten times a second */
	void *context;
};

/* Collective.  When it returns, unless the session is broken, nothing is under way any more.
 * *lost: chunks have not come because rank 0 failed; rank 0 itself returns its failure.  Any
 * other failure breaks the session. */
int engine_run(struct session *session, const struct engine_job *job, bool *lost,
	       struct err *err);

#endif
