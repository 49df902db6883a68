/*
 * make_plan.h - from options to a plan: the image, the nodes, the environment, the mounts.
 */
#ifndef LAUNCHER_MAKE_PLAN_H
#define LAUNCHER_MAKE_PLAN_H

#include "image/config.h"
#include "image/image_file.h"
#include "launcher/hosts.h"
#include "launcher/options.h"
#include "launcher/plan.h"
#include "mpi-abi/decide.h"

/* What a plan is made from and what else came out of it. */
struct making {
	const struct options *options;
	char *const *environment;       /* the caller's */
	uint64_t started_ns;            /* CLOCK_REALTIME */

	struct image_file image;        /* open */
	struct image_config config;     /* what it says about itself; all NULL when it says nothing */
	struct hosts hosts;
	struct abi_decision *decision;  /* NULL without --mpi host */
	bool oversubscribed;
	bool must_verify;               /* a signature holds for the image's root hash alone */
	int exit_code;                  /* when it failed: of common/exitcode.h */
};

/* Reads; writes nothing but the user's cache of image indexes.  -errno with making->exit_code set. */
int make_plan(struct making *making, struct plan *plan, struct err *err);
void making_free(struct making *making);

/* --dry-run: the plan for people.  `starter` and argv: how the daemons will be started. */
void make_plan_print(const struct making *making, const struct plan *plan, const char *starter,
		     char *const *argv, struct buf *out);

#endif
