/*
 * session.h - the ranks of one MPI session, and what they agree on.  (Uses MPI.)
 *
 * Functions marked collective are called by all ranks in the same order.  No wait in here is
 * blind: it polls MPI, gives the core to others between two polls, and looks at `watch` some
 * hundred times a second.
 *
 * Two sorts of failure.  One that a rank found by itself (no memory, a file that is not there) is
 * told to all by session_agree(), and the session goes on to an orderly end.  When MPI itself
 * fails, or watch says so, the session is `broken`: nothing can be agreed on any more, and
 * nothing but session_abort(), or just to end, is left.
 */
#ifndef BCAST_SESSION_H
#define BCAST_SESSION_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bcast/bcast_msg.h"
#include "bcast/idle.h"
#include "common/err.h"

struct session {
	MPI_Comm comm;
	int rank, size;
	bool broken;
	char node[MPI_MAX_PROCESSOR_NAME];
	uint64_t sleep_ns;  /* between two polls; 0: as idle.h says */
	int (*watch)(void *context, struct err *err);  /* -errno: stop waiting.  May be NULL */
	void *watch_context;
	uint64_t watched_ns;  /* clock of the last look */
	struct idle idle;
	uint32_t epoch;       /* engine.h: transfers so far */
};

/* MPI_Init, and a communicator of all ranks whose errors are returned.  The caller sets the
 * watch. */
int session_open(struct session *session, struct err *err);
/* MPI_Finalize; not when broken. */
void session_close(struct session *session);
/* MPI_Abort: the launcher ends all ranks. */
_Noreturn void session_abort(struct session *session, int exit_code);

/* Looks at the watch if it is time to; its error, as broken. */
int session_poll(struct session *session, struct err *err);
/* What to do when a poll of MPI found nothing, and when it found something.  All idle waits are here. */
void session_idle(struct session *session);
void session_active(struct session *session);
/* Waits for one request, which becomes MPI_REQUEST_NULL. */
int session_wait(struct session *session, MPI_Request *request, struct err *err);
/* An MPI return code as an error; sets broken.  0 for MPI_SUCCESS. */
int session_check(struct session *session, int code, const char *what, struct err *err);

/* Collective: root's bytes to all. */
int session_broadcast(struct session *session, int root, void *bytes, size_t len,
		      struct err *err);

/* Collective: has anybody failed?  Each rank gives its own failure, or one of number 0.  Returns
 * 0 when all are well; else -errno, the same on every rank, and *failed is that of the lowest
 * rank that failed, with its node's name in front.  When the session breaks, *failed is our own
 * reason. */
int session_agree(struct session *session, int exit_code, const struct err *mine,
		  struct bcast_failed *failed);

/* Our own failure, as session_agree would have told it. */
int session_fail(const struct session *session, int exit_code, const struct err *err,
		 struct bcast_failed *failed);

#endif
