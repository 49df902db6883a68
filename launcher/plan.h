/*
 * plan.h - all that a job is, as one value.
 *
 * cmpirun makes it, --dry-run prints it, every cmpid gets it: packed, as text,
 * in the environment for the first daemon (never in arguments, which anybody
 * can read in /proc), and by MPI for the others.
 */
#ifndef LAUNCHER_PLAN_H
#define LAUNCHER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/hostlist.h"
#include "launcher/auth.h"
#include "launcher/card.h"
#include "launcher/options.h"
#include "mpi-abi/decide.h"
#include "mpi-abi/fingerprint.h"
#include "runtime/mount_plan.h"

enum { PLAN_RANKS_MAX = 1 << 24, PLAN_BYTES_MAX = 64 << 20 };

struct plan {
	char *job;              /* unique name, also the PMI name space */
	struct hostlist nodes;  /* as the user or the workload manager names them */
	uint32_t *node_ranks;   /* nodes.count: how many ranks each; blocks in node order */
	uint32_t ranks;

	char *image;            /* absolute path, on the node of rank 0 */
	uint64_t image_size;    /* and what it was when the plan was made */
	int64_t image_mtime_ns;

	char *root_hash;        /* of the image's hash tree, hexadecimal, to check all reads; "": no checks */
	char *profile;          /* absolute path on that node of what records its reads, "": nothing */

	char **argv, **environment;  /* NULL-terminated */
	char *work_dir;              /* in the container */
	bool work_dir_required;      /* the user asked for it */
	char *work_dir_else;         /* where that is not there and not required: the image's own; "": none */
	struct mount_plan mounts;
	struct fingerprints host_files;  /* that are mounted, and must be the same on every node */

	enum mount_choice mount;
	enum early_choice early;
	uint32_t readers;           /* nodes that read the image file; 0: as suits it */
	enum bind_choice bind;
	enum abi_level mpi_level;   /* whose MPI and fabric the ranks load */
	enum timing_choice timing;
	enum log_level level;
	bool label, interactive;
	uint32_t timeout_s;          /* 0: none */
	uint32_t keep_s;             /* 0: the image is not kept */
	uint64_t started_ns;         /* CLOCK_REALTIME of cmpirun's start */

	/* Where cmpirun listens (supervisor.h); port 0: nowhere. The key is a secret. */
	struct card supervisor;
	uint8_t supervisor_key[AUTH_KEY_SIZE];
};

/* Which node has how many ranks: fills slots in node order, at most
 * options->per_node a node; only nodes with ranks stay in the list.  -EINVAL when
 * the ranks are more than the slots and that was not allowed: the text says how
 * many there are.  *oversubscribed: more ranks than cores on this one node, which
 * is allowed without a workload manager and deserves a note. */
struct hosts;
int plan_place_ranks(struct plan *plan, const struct options *options, const struct hosts *hosts,
		     bool *oversubscribed, struct err *err);

uint32_t plan_first_rank(const struct plan *plan, uint32_t node);

void plan_pack(const struct plan *plan, struct buf *out);
/* -EPROTO for anything that pack did not write; *plan must be empty. */
int plan_parse(const void *bytes, size_t len, struct plan *plan, struct err *err);

/* As text for the environment: "CMPIRUN_PLAN=..." and, as one string may have
 * 128 KiB (MAX_ARG_STRLEN, execve(2)), "CMPIRUN_PLAN_1=..." and so on. */
int plan_export(const struct plan *plan, struct err *err);
/* Takes the plan out of this process's environment. -ENOENT when there is none. */
int plan_import(struct plan *plan, struct err *err);

void plan_free(struct plan *plan);
#define AUTO_PLAN __attribute__((cleanup(plan_free)))

#endif
