/*
 * virtual_job.h - a job over virtual nodes on this machine, for the PMI tests.
 *
 * One process plays the site: it routes frames between daemons, one process a
 * node, each with its own processes, host name, /dev/shm and IPC, all in one network
 * namespace made for the test.  A daemon is what cmpid is to this folder: a
 * loop, a pmi_server, and the ranks as children.  Frames go through the site,
 * so any node reaches any other.
 *
 * What happened is written into `struct virtual_result`, shared memory.
 */
#ifndef TESTS_PMIX_VIRTUAL_JOB_H
#define TESTS_PMIX_VIRTUAL_JOB_H

#include <stdbool.h>
#include <stdint.h>

enum { VIRTUAL_NODES_MAX = 8, VIRTUAL_TEXT_MAX = 64 * 1024 };

struct virtual_job {
	uint32_t nodes, ranks_per_node, fanout;
	bool without_pmix;
	bool first_node_is_empty;  /* then ranks are on the others only */
	uint32_t rank_uid;       /* not 0: ranks are this user in a user namespace of their own */
	bool with_cpus;          /* bind: tells PMIx "0" for each rank */
	const char *const *argv;
	const char *const *env;  /* added, NULL-terminated, may be NULL */
};

struct virtual_result {
	int status;              /* the highest of the ranks: exit code, or 128 + signal */
	uint32_t connected, fenced, finalized, frames;
	uint32_t abort_count, abort_rank;
	int abort_status;
	char abort_text[256];
	bool failed, timed_out;
	char why[1100];          /* of `failed`, or why the site could not be made */
	bool cannot;             /* no namespaces here: skip */
	char output[VIRTUAL_TEXT_MAX];  /* stdout and stderr of all ranks */
	char log[4096];          /* what came by pmi_server_ops.log */
};

/* Runs it to its end (at most `seconds`). The caller munmap()s nothing: free by
 * virtual_result_free(). */
struct virtual_result *virtual_job_run(const struct virtual_job *job, unsigned seconds);
void virtual_result_free(struct virtual_result *result);

#endif
