/*
 * pmi_job.c - checks and questions about the job's layout (pmi_job.h). Pure.
 *
 * The layout is blocks of ranks in node order, so a rank's node is found by
 * bisection, and MPICH's mapping vector is a run-length code of the counts.
 */
#include "pmix/pmi_job.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"

/* The name becomes a word in PMI-1 lines and part of file names. */
static bool name_is_plain(const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strlen(name);
	return len > 0 && len <= PMI_JOB_NAME_MAX && strspn(name, plain) == len;
}

static int check_layout(const struct pmi_job *job, struct err *err)
{
	uint64_t next = 0;
	for (uint32_t i = 0; i < job->node_count; i++) {
		const char *name = job->node_names[i];
		if (name == NULL || name[0] == '\0' || strpbrk(name, ",; \n") != NULL)
			return err_set(err, EINVAL, "node %u of the job has no usable name", i);
		if (job->node_first_rank[i] != next)
			return err_set(err, EINVAL, "node %s starts with rank %u instead of %llu",
				       name, job->node_first_rank[i], (unsigned long long)next);
		next += job->node_rank_count[i];
	}
	if (next != job->rank_count)
		return err_set(err, EINVAL, "the nodes have %llu ranks in sum, the job has %u",
			       (unsigned long long)next, job->rank_count);
	return 0;
}

int pmi_job_check(const struct pmi_job *job, struct err *err)
{
	if (job->name == NULL || !name_is_plain(job->name))
		return err_set(err, EINVAL, "'%s' is no name for a job",
			       job->name ? job->name : "");
	if (job->node_count == 0 || job->node_count > PMI_JOB_NODES_MAX ||
	    job->node >= job->node_count || job->fanout == 0)
		return err_set(err, EINVAL, "node %u of %u, fan-out %u: no such tree", job->node,
			       job->node_count, job->fanout);
	if (job->rank_count == 0 || job->rank_count > PMI_JOB_RANKS_MAX)
		return err_set(err, EINVAL, "%u ranks; a job has 1 to %d", job->rank_count,
			       PMI_JOB_RANKS_MAX);
	if (job->session_dir == NULL || job->session_dir[0] != '/')
		return err_set(err, EINVAL, "the session directory '%s' is not absolute",
			       job->session_dir ? job->session_dir : "");
	return check_layout(job, err);
}

uint32_t pmi_job_node_of(const struct pmi_job *job, uint32_t rank)
{
	uint32_t low = 0, high = job->node_count;
	if (rank >= job->rank_count)
		return job->node_count;
	/* The last node whose first rank is <= rank: nodes without ranks share
	 * their first rank with the next one and come before it. */
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (job->node_first_rank[middle] <= rank)
			low = middle;
		else
			high = middle;
	}
	return low;
}

char *pmi_job_mapping_new(const struct pmi_job *job)
{
	AUTO_BUF struct buf text = {0};
	buf_printf(&text, "(vector");
	for (uint32_t i = 0, run; i < job->node_count; i += run) {
		for (run = 1; i + run < job->node_count; run++)
			if (job->node_rank_count[i + run] != job->node_rank_count[i])
				break;
		if (job->node_rank_count[i] > 0)
			buf_printf(&text, ",(%u,%u,%u)", i, run, job->node_rank_count[i]);
	}
	buf_add(&text, ")", 2);
	return text.failed ? NULL : take_ptr(&text.data);
}
