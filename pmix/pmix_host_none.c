/*
 * pmix_host_none.c - stands for pmix_host.c where there are no PMIx headers.
 */
#include "pmix/pmix_host.h"

int pmix_host_start(struct loop *loop, const struct pmi_job *job, void *topology,
		    pmix_request_fn *function, void *context, struct pmix_host **host,
		    struct err *err)
{
	(void)loop, (void)job, (void)topology, (void)function, (void)context, (void)host;
	return err_set(err, ENOSYS, "PMIx is not offered: cmpirun was built without it");
}

int pmix_host_env(struct pmix_host *host, struct buf *env, struct err *err)
{
	(void)host, (void)env;
	return err_set(err, ENOSYS, "PMIx is not offered");
}

int pmix_host_add_rank(struct pmix_host *host, uint32_t rank, struct err *err)
{
	(void)host, (void)rank;
	return err_set(err, ENOSYS, "PMIx is not offered");
}

int pmix_host_fetch(struct pmix_host *host, uint32_t rank, uint64_t tag, struct err *err)
{
	(void)host, (void)rank, (void)tag;
	return err_set(err, ENOSYS, "PMIx is not offered");
}

void pmix_reply_send(struct pmix_reply *take_reply, int status, const void *data, size_t len)
{
	(void)take_reply, (void)status, (void)data, (void)len;
}

void pmix_host_free(struct pmix_host **host)
{
	*host = NULL;
}
