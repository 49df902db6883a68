/*
 * daemon_impl.h - what the daemon's source files share; for launcher/daemon*.c only.
 *
 * The daemon learns facts (an image arrived, the tree is connected, ...) from
 * events, and takes each step of a const table (daemon.c) as soon as the facts
 * that it needs are there.  So mounting, wire-up and broadcast overlap as far as they can,
 * and one place says what depends on what.
 */
#ifndef LAUNCHER_DAEMON_IMPL_H
#define LAUNCHER_DAEMON_IMPL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "bcast/bcast_client.h"
#include "common/loop.h"
#include "launcher/card.h"
#include "launcher/daemon.h"
#include "launcher/output.h"
#include "launcher/stdin_pump.h"
#include "launcher/timing.h"
#include "launcher/tree.h"
#include "pmix/pmi_server.h"
#include "runtime/init_client.h"
#include "runtime/topology.h"

enum daemon_fact {
	FACT_PLAN = 1 << 0,            /* the plan, the own node index and all nodes' names */
	FACT_IMAGE = 1 << 1,           /* the whole image is behind image_fd */
	FACT_ATTACHED = 1 << 2,        /* the container's root is mounted */
	FACT_PMI = 1 << 3,             /* the PMI servers answer */
	FACT_TREE = 1 << 4,            /* parent and children are connected */
	FACT_CHILDREN_READY = 1 << 5,  /* every node below is ready */
	FACT_GO = 1 << 6,              /* node 0 said: start */
	FACT_SPAWNED = 1 << 7,         /* the local ranks were asked for */
	FACT_ENDED = 1 << 8,           /* no local rank runs */
	FACT_GONE = 1 << 9,            /* nor anything that they left behind */
	FACT_DRAINED = 1 << 10,        /* and all of their output is written */
	FACT_CHILDREN_DONE = 1 << 11,  /* the same is true below */
	FACT_BCAST_ENDED = 1 << 13,    /* cmpi-bcast has ended, or there was none */
	FACT_MOUNTABLE = 1 << 14,      /* behind image_fd is what a mount needs; arrival_fd tells the rest */
	FACT_ARRIVED = 1 << 15,        /* no more of the image comes: it is here, or nobody needs it */
	FACT_HOST_SAME = 1 << 17,      /* the host's files that the plan mounts are here, and the same */
	FACT_HOST_DIFFERS = 1 << 18,   /* or not: host_err says which */
	FACT_CHILDREN_IDLE = 1 << 16,  /* no rank runs below, though the image may still come there */
	FACT_ENDING = 1 << 12,         /* the job is being ended: a failure, an interrupt */
};

/* Frames of the tree that are the daemon's own. */
enum daemon_frame {
	DAEMON_FRAME_READY = 1,  /* to the parent: this subtree is ready; timing */
	DAEMON_FRAME_GO,         /* to all */
	DAEMON_FRAME_FAILED,     /* to node 0: status, text */
	DAEMON_FRAME_KILL,       /* to all: end the job */
	DAEMON_FRAME_DONE,       /* to the parent: this subtree is clean; timing */
	DAEMON_FRAME_IDLE,       /* to the parent: no rank of this subtree needs the image any more */
};

/* What may be the effect of something else that is told soon; the stronger ones last. */
enum daemon_reason {
	REASON_TERM,       /* a TERM: of an mpiexec that has lost a node? */
	REASON_RANK,       /* a rank that died while the image came: of a page that never will? */
	REASON_BROADCAST,  /* MPI failed: whom has it lost? */
	REASON_PROCESS,    /* cmpi-bcast died here */
	REASON_NODE_0,     /* a failure that all have agreed on: node 0 says it */
};

struct daemon_rank {
	bool is_spawned, has_ended, has_connected, has_finalized, has_fenced;
	bool looks_alone;
	pid_t pid;  /* 0: not started yet */
};

struct daemon {
	struct loop *loop;
	const struct daemon_options *options;
	unsigned facts, steps_taken;
	bool is_advancing;

	struct plan plan;
	bool has_plan;
	uint32_t node, node_count, first_rank, local_ranks;
	struct card *cards;            /* node_count of them; on one node ours alone */
	struct card card;

	struct init_client *init;
	bool init_has_ended, init_has_failed;
	bool is_wiring_up;             /* of several nodes, before the session */
	struct bcast_client *bcast;
	struct err host_err;           /* with FACT_HOST_DIFFERS */
	int image_fd, arrival_fd;      /* arrival_fd: several nodes; see common/arrival.h */
	uint64_t image_bytes;
	bool image_was_kept;           /* here, by an earlier run */
	uint64_t mountable_bytes, mountable_ns;  /* what was here when it could be mounted, and when that was */
	struct pmi_server *pmi;
	struct pmi_job pmi_job;
	const char **node_names;
	uint32_t *node_first_rank;
	char session_dir[64];          /* "": none */
	struct topology *topology;
	enum binding_policy binding;
	struct tree *tree;
	struct tree *report;           /* node 0: to cmpirun, where it stayed */
	bool report_is_open;
	int final_status;              /* told there; -1: not yet */
	struct output *output;
	struct stdin_pump *stdin_pump;

	struct daemon_rank *ranks;     /* local_ranks of them */
	uint32_t spawned, execed, ended, fenced;
	uint32_t children_ready, children_done, children_idle;

	int status;                    /* -1: nothing has failed */
	int interrupts, told_interrupts;  /* by signal, by cmpirun */
	uint32_t guard_timer, guard_looks;  /* for ranks that run alone */
	uint32_t report_timer, patience_timer, grace_timer, deadline_timer, tree_timer, held_timer, bcast_timer;
	/* Valid while held_timer runs (daemon_reason.c). */
	enum daemon_reason held_reason;
	int held_status;
	char held_text[ERR_TEXT_MAX];

	/* The host's fabric, asked when the ranks have none (daemon_fabric.c). */
	pid_t probe_pid;
	int probe_fd;
	struct buf probe_lines;
	uint32_t look_timer, looks;

	struct timing timing;
	uint64_t started_ns, attach_ns, tree_ns, go_ns;
	uint64_t total_ns;             /* cmpirun's start to the last exec here */
};

/* daemon.c */
void daemon_learn(struct daemon *daemon, unsigned facts);
/* The job has failed here: status is an exit code; text may be "" (nothing to say). */
void daemon_fail(struct daemon *daemon, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Ends the local part: TERM, grace, KILL; at once with `hard`. */
void daemon_end_ranks(struct daemon *daemon, bool hard);
static inline bool daemon_knows(const struct daemon *daemon, unsigned facts)
{
	return (daemon->facts & facts) == facts;
}
static inline bool daemon_is_root(const struct daemon *daemon)
{
	return daemon->node == 0;
}
const char *daemon_node_name(const struct daemon *daemon, uint32_t node);

/* daemon_session.c: the broadcast's process, the control tree */
int daemon_start_session(struct daemon *daemon, struct err *err);
void daemon_take_memory(struct daemon *daemon, int take_fd);
/* We fail while other nodes' cmpi-bcast may still be in MPI_Init: ends them.  Later it does nothing. */
void daemon_abort_wire_up(struct daemon *daemon, int status);
/* Node 0: the job is over before its image is whole; the broadcast is stopped on all nodes. */
void daemon_cancel_arrival(struct daemon *daemon);
/* What still waits for the image gets an error, unless it is whole. */
void daemon_end_arrival(struct daemon *daemon);
int daemon_adopt_plan(struct daemon *daemon, struct err *err);
/* To the parent; on node 0 it does nothing. */
void daemon_send_up(struct daemon *daemon, uint16_t type, const struct buf *payload);
void daemon_send_all(struct daemon *daemon, uint16_t type);
void daemon_send_root(struct daemon *daemon, uint16_t type, const struct buf *payload);

/* daemon_reason.c */
/* Ends the job with that status and text, unless a better reason comes first. */
void daemon_hold(struct daemon *daemon, enum daemon_reason reason, int status, const char *text);
/* Such a reason, or a stronger one, is held. */
bool daemon_holds(const struct daemon *daemon, enum daemon_reason least);

/* daemon_report.c: what is said to people, and the job's status */
int daemon_start_report(struct daemon *daemon, struct err *err);
/* The text may have several lines. */
void daemon_say(struct daemon *daemon, const char *text);
/* A rank has ended badly: what the dynamic linker said, mapped to our part in it, as a line of its own
 * behind `text`.  A lone rank (text "") has our own stderr, which nobody reads: there a hint, after 127. */
void daemon_add_linker_words(struct daemon *daemon, uint32_t rank, int exit_code, char *text, size_t size);
/* Ends the loop with this status, once it has been told. */
void daemon_stop(struct daemon *daemon, int status);

/* daemon_ranks.c: PMI servers, the ranks, their output */
extern const struct init_client_events daemon_init_events;
int daemon_start_pmi(struct daemon *daemon, struct err *err);
int daemon_spawn_ranks(struct daemon *daemon, struct err *err);
void daemon_free_ranks(struct daemon *daemon);

/* daemon_fabric.c: over what the ranks talk, for --timing */
/* The local ranks have been through a fence: their MPI is up. */
void daemon_look_at_transport(struct daemon *daemon);
/* It has said its first word, and may have no fence that we see. */
void daemon_look_later(struct daemon *daemon);
/* The host's answer goes into the timing; waits a moment for one that is under way. */
void daemon_end_probe(struct daemon *daemon);
/* What people should know of it. */
void daemon_warn_of_transport(const struct daemon *daemon);

/* daemon_setup.c: session directory, signals, descriptors */
int daemon_make_session_dir(struct daemon *daemon, struct err *err);
/* Into the container, under the same name. */
int daemon_bind_session_dir(const struct daemon *daemon, struct mount_plan *mounts, struct err *err);
void daemon_remove_session_dir(struct daemon *daemon);
int daemon_watch_signals(struct daemon *daemon, struct err *err);
void daemon_prepare_process(void);
/* A user's signal, which may come by more than one way: each has its counter, the largest counts.
 * The first: TERM, grace, KILL.  The second: KILL. */
void daemon_interrupt(struct daemon *daemon, int signo, int *counter);
/* Each local rank costs us three descriptors.  After cmpi-init was started: ranks have its limits. */
void daemon_raise_limits(void);

#endif
