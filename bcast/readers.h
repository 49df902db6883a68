/*
 * readers.h - the file at all its readers.  (Uses MPI.)
 */
#ifndef BCAST_READERS_H
#define BCAST_READERS_H

#include "bcast/schedule.h"
#include "bcast/session.h"
#include "bcast/source.h"

/* Rank 0's choice, before anybody else knows: `wanted` readers, or as many as suit the file if that
 * is 0.  *advice: as source_readers(). */
int readers_choose(const struct source *source, int wanted, int nodes, const char **advice);

/* Collective; source is rank 0's, open or not, and closed elsewhere.  Opens the same path at the
 * other readers, where it must be the same file (size, time of change).  Where that fails, *mine
 * says so when rank 0 gave `forced`; else rank 0 will read alone.  Returns the number of readers, the same on
 * all ranks; <0: the session broke. */
int readers_open(struct session *session, enum schedule_kind kind, int readers, bool forced,
		 struct source *source, struct err *mine, struct err *err);

#endif
