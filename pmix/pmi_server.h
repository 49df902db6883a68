/*
 * pmi_server.h - PMI-1 and PMIx for the ranks of this node.
 *
 * What the node daemon uses.  The server lives on the daemon's loop and calls
 * back on the loop's thread only, never from inside pmi_server_new() or
 * pmi_server_env().  Its messages to other nodes leave by send_frame() and come
 * in by pmi_server_receive(); the carrier keeps their order between each two
 * nodes, delivers each once, and believes its peers to be this job's daemons.
 *
 *	pmi_server_new()          cheap: PMI-1 answers from here on
 *	pmi_server_start_pmix()   some milliseconds: beside the mount
 *	pmi_server_env()          once: what all ranks of the node have in common
 *	pmi_server_add_rank()     per rank, microseconds
 *	pmi_server_rank_ended()   per rank, when it was reaped
 *	pmi_server_free()
 *
 * A rank that dies in a fence leaves it forever incomplete: whoever reaps ranks
 * ends the job.  Nothing here has a time-out.
 */
#ifndef PMIX_PMI_SERVER_H
#define PMIX_PMI_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/loop.h"
#include "pmix/pmi_job.h"

struct pmi_server;

/* Frame types (common/frame.h) that belong to this folder. */
enum pmi_frame {
	PMI_FRAME_FENCE_UP = 0x100,  /* child to parent: a subtree's contribution */
	PMI_FRAME_FENCE_DOWN,        /* parent to child: the result */
	PMI_FRAME_DMODEX_REQUEST,    /* any node to any node: one rank's data, please */
	PMI_FRAME_DMODEX_REPLY,
	PMI_FRAME_LAST = 0x10f,      /* the rest of this range is reserved */
};

/* The largest payload that is ever sent or believed. */
#define PMI_FRAME_PAYLOAD_MAX (1u << 30)

enum pmi_event {
	PMI_EVENT_CONNECTED,  /* the rank said init (PMI-1) or connected (PMIx) */
	PMI_EVENT_FENCED,     /* the first fence of its node is complete; PMIx hides those within one */
	PMI_EVENT_FINALIZED,  /* it said finalize: its end is no failure of the wire-up */
};

struct pmi_server_ops {
	/* `target` is a node other than our own; fence frames go to the parent or
	 * a child, the others to any node: routed over the tree.  The bytes are
	 * valid during the call only. Failures to send are the carrier's to
	 * report: a lost node ends the job. */
	void (*send_frame)(void *context, uint32_t target, uint16_t type, const void *payload,
			   size_t len);
	/* A rank called its abort; the job is to end. `text` may be "". */
	void (*abort)(void *context, uint32_t rank, int status, const char *text);
	/* Text for people that a rank's MPI library asked to show (PMIx_Log), some
	 * lines; rank UINT32_MAX: libpmix's own, in this process. */
	void (*log)(void *context, uint32_t rank, const char *text, size_t len);
	void (*rank_event)(void *context, uint32_t rank, enum pmi_event event);
	/* The server itself cannot go on (foreign bytes, no memory): end the job. */
	void (*failed)(void *context, const struct err *why);
};

/* Checks the job, opens nothing yet. */
int pmi_server_new(struct loop *loop, const struct pmi_job *job, const struct pmi_server_ops *ops,
		   void *context, struct pmi_server **server, struct err *err);

/* Loads libpmix and starts its server in this process (it brings a thread).
 * `topology` is a hwloc_topology_t, loaded, that outlives the server, or NULL:
 * then libpmix discovers it itself (9 ms more).  -ENOSYS when the machine has no libpmix or
 * this was built without: PMI-1 goes on working, the caller decides.
 * Not for a process in which MPI lives, and not twice. */
int pmi_server_start_pmix(struct pmi_server *server, void *topology, struct err *err);

/* Appends "NAME=VALUE\0" strings: the environment that all ranks of this node
 * share, for PMI-1 and, when started, PMIx.  To be called after start_pmix. */
int pmi_server_env(struct pmi_server *server, struct buf *env, struct err *err);

/* Makes the rank's PMI-1 socket and registers it with PMIx.  *client_fd is the
 * rank's end, the caller's, close-on-exec: it is to become descriptor
 * job->rank_fd in the rank.  Appends to `env` the "NAME=VALUE\0" strings that
 * differ from rank to rank.  Each rank once. */
int pmi_server_add_rank(struct pmi_server *server, uint32_t rank, int *client_fd, struct buf *env,
			struct err *err);

/* A PMI frame came from another node. Foreign bytes: failed() when they make no sense. */
void pmi_server_receive(struct pmi_server *server, uint32_t source, uint16_t type,
			const void *payload, size_t len);

/* The rank's process is gone: its descriptors are closed. Idempotent. */
void pmi_server_rank_ended(struct pmi_server *server, uint32_t rank);

/* Tears down quickly: closes sockets, and leaves libpmix's files in the session
 * directory to the caller, who removes it. Accepts NULL. */
void pmi_server_free(struct pmi_server **server);

#endif
