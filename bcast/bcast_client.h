/*
 * bcast_client.h - cmpid's end of cmpi-bcast, on the event loop.
 *
 * The process inherits the environment, so that it is the MPI rank of the place's launcher; a
 * descriptor that PMI_FD names stays open in it, if it is not close-on-exec in cmpid.  Events
 * come from the loop, never from inside a function here; an event function may call anything
 * here, bcast_client_free() included.
 *
 * The order of events: session, progress and mountable, then done, cancelled or failed, then ended.  A process
 * that ends without one of these (killed, or MPI aborted) gives failed all the same, with the
 * reason, before ended.  The client watches the death itself (a pidfd, Linux 5.3) and reaps it:
 * nobody else may wait for that pid or for any child (no waitpid(-1)).
 */
#ifndef BCAST_BCAST_CLIENT_H
#define BCAST_BCAST_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bcast/bcast_msg.h"
#include "common/err.h"
#include "common/loop.h"

struct bcast_client;

/* NULL members are allowed: the event is dropped. Pointers are valid during the call. */
struct bcast_client_events {
	void (*session)(void *context, const struct bcast_session *session);
	void (*progress)(void *context, const struct bcast_progress *progress);
	/* The image file holds what the map says, and that is enough to mount it; only with arrival_fd. */
	void (*mountable)(void *context, const struct bcast_mountable *mountable);
	/* The image file holds the verified image.  The process still finalizes MPI. */
	void (*done)(void *context, const struct bcast_done *done);
	/* It was told that nobody needs the image, and stopped in time, on all nodes: the image file holds parts. */
	void (*cancelled)(void *context, const struct bcast_done *done);
	/* The image file holds nothing to rely on. */
	void (*failed)(void *context, const struct bcast_failed *failed);
	/* It has been reaped; always the last event.  status as of waitpid(2): 0 after done and cancelled. */
	void (*ended)(void *context, int status);
};

struct bcast_client_options {
	const char *bcast_path;            /* cmpi-bcast.mpich or cmpi-bcast.openmpi */
	char *const *environment;          /* NULL: that of this process */
	/* The node's memory file, read-write; what is in it is replaced, and its size set.  -1: none;
	 * then an image at rank 0 is a failure. */
	int image_fd;
	/* An empty file for the map of arrived chunks (common/arrival.h), which is wanted then. -1: none. */
	int arrival_fd;
	const struct bcast_hello *hello;   /* copied */
};

/* By posix_spawn(3).  The descriptors stay the caller's (they may be closed at once). */
int bcast_client_start(struct loop *loop, const struct bcast_client_options *options,
		       const struct bcast_client_events *events, void *context,
		       struct bcast_client **client, struct err *err);

/* At rank 0: nobody needs the image any more.  `cancelled` follows, here and at all other ranks, or `done` if
 * it was whole already. */
void bcast_client_cancel(struct bcast_client *client);

/* Kills it (SIGKILL): event `ended` follows, and no `failed`.  For the end of the job. */
void bcast_client_kill(struct bcast_client *client);

pid_t bcast_client_pid(const struct bcast_client *client);

/* If it still runs, it is killed and reaped here.  Also accepts NULL. */
void bcast_client_free(struct bcast_client **client);

#endif
