/*
 * init_client.h - cmpid's end of cmpi-init, on the event loop.
 *
 * Start it early: it makes its namespaces while cmpid does other things.  Requests are queued and
 * never block; they may be made ahead (attach, job, spawn, ... without waiting).  Events come
 * from the loop, never from inside a request.  An event function may call anything here but
 * init_client_free().
 *
 * The client watches cmpi-init's death itself (a pidfd) and reaps it: nobody else may wait for that pid or for
 * any child (no waitpid(-1)).  It makes the calling process a child sub-reaper: should cmpi-init be killed,
 * its orphans come to us and are killed before `ended` is called.
 */
#ifndef RUNTIME_INIT_CLIENT_H
#define RUNTIME_INIT_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/loop.h"
#include "runtime/init_msg.h"
#include "runtime/mount_plan.h"

struct init_client;

/* NULL members are allowed: the event is dropped. */
struct init_client_events {
	/* The node-memory file: read-write, of the size asked for; take_fd is yours. */
	void (*memory)(void *context, int take_fd);
	void (*attached)(void *context, const struct init_attached *attached);
	void (*spawned)(void *context, uint32_t rank, pid_t pid);
	void (*exited)(void *context, const struct init_exited *exited);
	/* Something failed; exit_code is of common/exitcode.h; rank is INIT_NO_RANK or that of the
	 * SPAWN.  cmpi-init does nothing more but SIGNAL, KILL and QUIT. */
	void (*failed)(void *context, int32_t rank, int exit_code, const struct err *err);
	/* The image server ended: programs will see ENOTCONN.  status as of waitpid(2). */
	void (*server_died)(void *context, int status);
	/* No descendant is left but the image server. */
	void (*gone)(void *context);
	/* cmpi-init itself has ended, and nothing of it is left; always the last event.  0 after a quit. */
	void (*ended)(void *context, int status);
};

struct init_client_options {
	const char *init_path;   /* cmpi-init */
	const char *imgfs_path;  /* cmpi-imgfs, a path of the host */
};

/* By posix_spawn(3): also when this process has threads. */
int init_client_start(struct loop *loop, const struct init_client_options *options,
		      const struct init_client_events *events, void *context,
		      struct init_client **client, struct err *err);

/* A file of `size` bytes in this node's memory, on huge pages where the kernel has them. */
int init_client_request_memory(struct init_client *client, uint64_t size, struct err *err);
/* The descriptors stay the caller's (they may be closed at once).  The plan must be sorted. */
struct init_attach {
	const struct mount_plan *plan;
	enum init_backend backend;  /* AUTO is FUSE when one of the following needs it */
	int image_fd;
	int arrival_fd;             /* the map of what is here of the image (common/arrival.h), -1: all is */
	int profile_fd;             /* where the image server writes what was read, -1: nowhere */
	const uint8_t *root_hash;   /* INIT_HASH_SIZE bytes: check what is read of the image against the hash
	                             * tree behind it; NULL: do not */
};
int init_client_attach(struct init_client *client, const struct init_attach *attach,
		       struct err *err);
int init_client_set_job(struct init_client *client, const struct init_job *job, struct err *err);
/* "NAME=VALUE\0"...: added to the job's environment, once, before the first spawn. */
int init_client_add_environment(struct init_client *client, const struct buf *strings,
				struct err *err);
/* cmpi-init removes `name` of the directory dir_fd, with all that is in it, when it ends, for the case that we cannot
 * any more.  dir_fd stays the caller's. */
int init_client_set_session(struct init_client *client, int dir_fd, const char *name,
			    struct err *err);
/* take_fds: stdin, stdout, stderr and, if spawn->pmi_fd >= 0, the PMI socket; they are closed once
 * sent, or when this fails.  -ENOBUFS never: the queue grows. */
int init_client_spawn(struct init_client *client, const struct init_spawn *spawn,
		      const int take_fds[4], struct err *err);
/* To the job's process group (or to every rank, if the job is interactive). */
int init_client_signal(struct init_client *client, int signo, struct err *err);
/* KILLs all that descends from cmpi-init but the image server. */
int init_client_kill(struct init_client *client, struct err *err);
/* The same, then cmpi-init ends too: event `ended`. */
int init_client_quit(struct init_client *client, struct err *err);

pid_t init_client_pid(const struct init_client *client);

/* If it still runs, cmpi-init is told by the end of its socket and cleans up on its own.  Also
 * accepts NULL. */
void init_client_free(struct init_client **client);

#endif
