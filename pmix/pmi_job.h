/*
 * pmi_job.h - the job as the process management servers see it: a plain value.
 *
 * Ranks are laid out in blocks: node i runs the ranks node_first_rank[i] ..
 * node_first_rank[i] + node_rank_count[i] - 1, in node order, and every rank
 * is on exactly one node.  A node may run none.  The value and all that it
 * points to belong to the caller and outlive the server.
 */
#ifndef PMIX_PMI_JOB_H
#define PMIX_PMI_JOB_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

enum {
	PMI_JOB_NAME_MAX = 200,       /* bytes; PMIX_MAX_NSLEN is 255, MPICH appends to it */
	PMI_JOB_RANKS_MAX = 1 << 24,
	PMI_JOB_NODES_MAX = 1 << 20,
};

struct pmi_job {
	const char *name;             /* unique among a user's jobs; [A-Za-z0-9._-] */
	uint32_t node_count, rank_count;
	const char *const *node_names;    /* as the ranks' gethostname(2) says, without '.'-shortening */
	const uint32_t *node_first_rank;  /* both: node_count entries */
	const uint32_t *node_rank_count;
	uint32_t node;                /* the own index */
	uint32_t fanout;              /* of the daemons' tree: node i hangs below (i - 1) / fanout */

	uid_t uid;                    /* of the ranks, as they see themselves (in their user namespace) */
	gid_t gid;
	const char *session_dir;      /* absolute; the same path, read-write, inside the container */
	int rank_fd;                  /* the number under which each rank will hold its PMI-1 socket */
	const char *program;          /* argv[0], NULL: unknown */
	const char *workdir;          /* inside the container, NULL: unknown */
	const char *const *local_cpus;  /* per local rank "0-3,8", NULL: unbound; may be NULL itself */
};

/* Checks all of the above: bounds, blocks without gaps, names. -EINVAL. */
int pmi_job_check(const struct pmi_job *job, struct err *err);

static inline uint32_t pmi_job_local_count(const struct pmi_job *job)
{
	return job->node_rank_count[job->node];
}

static inline uint32_t pmi_job_local_first(const struct pmi_job *job)
{
	return job->node_first_rank[job->node];
}

/* The node of a rank; node_count when there is no such rank. O(log nodes). */
uint32_t pmi_job_node_of(const struct pmi_job *job, uint32_t rank);

/* "(vector,(0,2,4),(2,1,3))": MPICH's PMI_process_mapping, runs of equal nodes
 * folded: (first node, nodes, ranks on each). Newly allocated; NULL: no memory. */
char *pmi_job_mapping_new(const struct pmi_job *job);

#endif
