/*
 * pmix_upcalls.h - the calls of libpmix's thread, and the queue to the loop.
 */
#ifndef PMIX_PMIX_UPCALLS_H
#define PMIX_PMIX_UPCALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "pmix/pmix_api.h"
#include "pmix/pmix_host.h"

/* Opens the queue for the job `name` of `rank_count` ranks of which this node
 * has local_first .. local_first + local_count - 1.  There is one in a
 * process: libpmix gives its host's functions no context.  *event_fd becomes
 * readable when there are requests. */
int pmix_upcalls_open(const struct pmi_job *job, int *event_fd, struct err *err);

/* The next request, the caller's, or NULL. */
struct pmix_request *pmix_upcalls_take(void);
void pmix_request_free(struct pmix_request *request);

/* From here on calls are refused and nothing is queued; frees what is. */
void pmix_upcalls_close(void);

/* libpmix's server module, with room behind it: a library of a later version
 * copies a longer one. */
union pmix_upcalls_module {
	pmix_server_module_t module;
	void *room[128];
};
extern union pmix_upcalls_module pmix_upcalls_module;

/* For PMIx_server_dmodex_request; `tag` travels as its cbdata. */
void pmix_upcalls_fetched(pmix_status_t status, char *data, size_t size, void *tag);

#endif
