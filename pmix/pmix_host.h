/*
 * pmix_host.h - the host side of libpmix's server, brought onto our loop.
 *
 * libpmix calls its host on a thread of its own.  Here each call is copied
 * into a `struct pmix_request`, queued, and handled on the loop's thread;
 * nothing of ours runs on the other thread beyond that.  There is one libpmix
 * server in a process, so one host.
 */
#ifndef PMIX_PMIX_HOST_H
#define PMIX_PMIX_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/loop.h"
#include "pmix/participants.h"
#include "pmix/pmi_job.h"

struct pmix_host;

enum pmix_request_type {
	PMIX_REQUEST_CONNECTED,    /* rank */
	PMIX_REQUEST_FINALIZED,    /* rank */
	PMIX_REQUEST_ABORT,        /* rank, status, data: text */
	PMIX_REQUEST_LOG,          /* rank, data: text; to be answered, as are the next four */
	PMIX_REQUEST_FENCE,        /* ranges, data */
	PMIX_REQUEST_CONNECT,
	PMIX_REQUEST_DISCONNECT,
	PMIX_REQUEST_MODEX,        /* rank: of another node, its data is wanted */
	PMIX_REQUEST_MODEX_READY,  /* answer to pmix_host_fetch(): tag, status, data */
};

struct pmix_reply;  /* how to answer; libpmix's */

struct pmix_request {
	enum pmix_request_type type;
	uint32_t rank;
	int status;                  /* abort: exit status; ready: 0 or -errno */
	uint64_t tag;
	struct rank_range *ranges;   /* participants, not normalized */
	size_t range_count;
	char *data;
	size_t len;
	struct pmix_reply *reply;    /* the handler's from now on, or NULL */
};

/* On the loop's thread; the request is freed after it. */
typedef void pmix_request_fn(void *context, const struct pmix_request *request);

/* Starts libpmix's server and begins to register the job. -ENOSYS: there is no libpmix.
 * The environment is left as it was; libpmix does not see PMIX_* from it. */
int pmix_host_start(struct loop *loop, const struct pmi_job *job, void *topology,
		    pmix_request_fn *function, void *context, struct pmix_host **host,
		    struct err *err);

/* "NAME=VALUE\0"... that ranks need, but PMIX_RANK (it alone differs).  Waits
 * until the job is registered, 20 microseconds a local rank after the start. */
int pmix_host_env(struct pmix_host *host, struct buf *env, struct err *err);

int pmix_host_add_rank(struct pmix_host *host, uint32_t rank, struct err *err);

/* Asks libpmix for what a local rank committed; PMIX_REQUEST_MODEX_READY follows. */
int pmix_host_fetch(struct pmix_host *host, uint32_t rank, uint64_t tag, struct err *err);

/* Answers a log, fence, connect, disconnect or modex.  `status`: 0 or -errno.
 * The data is copied. */
void pmix_reply_send(struct pmix_reply *take_reply, int status, const void *data, size_t len);

/* Stops listening to libpmix, and leaves its threads to the end of the process:
 * a clean PMIx_server_finalize() would cost a millisecond and serve nobody.
 * Accepts NULL. */
void pmix_host_free(struct pmix_host **host);

#endif
