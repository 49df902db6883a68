/*
 * pmix_host.c - starts libpmix's server and drives its requests on our loop
 * (pmix_host.h).
 *
 * Start: load the library, PMIx_server_init with the node's topology (without
 * one it spends 9 to 14 ms discovering devices): some 3 ms.  The job is
 * registered on libpmix's thread while the caller does something else, until
 * it asks for the environment.
 * libpmix reads its own settings and those of whoever started this daemon (a
 * workload manager's PMIX_*) from the environment, so PMIX_* is
 * taken out and ours is put in during its start.  The environment of this
 * process is as before afterwards, and what ranks inherit is only what pmix_host_env() says.
 *
 * Ranks must see the session directory at the same path: libpmix keeps there
 * the shared memory from which clients read.
 */
#include "pmix/pmix_host.h"

#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "pmix/pmix_api.h"
#include "pmix/pmix_keys.h"
#include "pmix/pmix_upcalls.h"

struct pmix_host {
	struct pmix_api api;
	struct loop *loop;
	const struct pmi_job *job;
	pmix_request_fn *function;
	void *context;
	int event_fd;
	pmix_topology_t topology;
	/* The job's registration, under way on libpmix's thread: */
	bool registering;
	sem_t registered;
	pmix_status_t register_status;
	struct pmix_keys job_keys;
};

/* psec: the kernel's word for who a client is; munge would ask its daemon.
 * pcompress, prm: plug-ins that serve a daemon like this nothing; loading them
 * costs as much as forbidding all plug-ins saves (0.3 to 0.5 ms), but some
 * distributions build what is needed (psec, gds) as plug-ins, too.
 * gds: ds12, a shared memory for clients of PMIx 2, makes a directory; such
 * clients are served without it. */
static const char *const settings[][2] = {
	{"PMIX_MCA_psec", "native"},
	{"PMIX_MCA_pcompress", "^zlib,zlibng"},
	{"PMIX_MCA_pcompress_base_silence_warning", "1"},
	{"PMIX_MCA_prm", "default"},
	{"PMIX_MCA_gds", "^ds12"},
};

extern char **environ;

/* Takes PMIX_* out of the environment and keeps it in `saved` as "NAME=VALUE\0". */
static void environment_hide(struct buf *saved)
{
	static const char prefix[] = "PMIX_";
	size_t i = 0;
	while (environ != NULL && environ[i] != NULL) {
		const char *equals = strchr(environ[i], '=');
		if (strncmp(environ[i], prefix, strlen(prefix)) != 0 || equals == NULL) {
			i++;
			continue;
		}
		AUTO_FREE char *name = strndup(environ[i], (size_t)(equals - environ[i]));
		buf_add(saved, environ[i], strlen(environ[i]) + 1);
		if (name == NULL || saved->failed || unsetenv(name) < 0) {
			saved->failed = true;
			return;
		}
	}
}

static void environment_restore(const struct buf *saved)
{
	AUTO_BUF struct buf added = {0};
	environment_hide(&added);
	for (size_t at = 0; at < saved->len; at += strlen(saved->data + at) + 1) {
		char *equals = strchr(saved->data + at, '=');
		*equals = '\0';
		setenv(saved->data + at, equals + 1, 1);
		*equals = '=';
	}
}

static int init_server(struct pmix_host *host, const struct pmix_keys *keys, struct err *err)
{
	AUTO_BUF struct buf saved = {0};
	environment_hide(&saved);
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		if (setenv(settings[i][0], settings[i][1], 1) < 0)
			saved.failed = true;
	if (saved.failed)
		return err_errno(err, ENOMEM, "PMIx");
	pmix_status_t status = host->api.server_init(&pmix_upcalls_module.module, keys->infos,
						     keys->count);
	environment_restore(&saved);
	if (status != PMIX_SUCCESS)
		return pmix_api_err(&host->api, err, "PMIx_server_init", status);
	return 0;
}

static int start_server(struct pmix_host *host, void *topology, struct err *err)
{
	AUTO_PMIX_KEYS struct pmix_keys keys = {0};
	AUTO_FREE char *tmpdir = NULL;
	if (asprintf(&tmpdir, "%s/pmix", host->job->session_dir) < 0) {
		tmpdir = NULL;
		return err_errno(err, ENOMEM, "PMIx");
	}
	if (mkdir(tmpdir, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "mkdir %s", tmpdir);
	host->topology = (pmix_topology_t){.source = (char *)"hwloc", .topology = topology};
	pmix_keys_add_server(&keys, host->job, tmpdir, topology ? &host->topology : NULL);
	if (keys.failed)
		return err_errno(err, ENOMEM, "PMIx");
	return init_server(host, &keys, err);
}

static void on_job_registered(pmix_status_t status, void *cbdata)
{
	struct pmix_host *host = cbdata;
	host->register_status = status;
	sem_post(&host->registered);
}

/* libpmix's thread reads the keys meanwhile: 20 microseconds a local rank. */
static int register_job_begin(struct pmix_host *host, struct err *err)
{
	int rc = pmix_keys_add_job(&host->job_keys, host->job, &host->api, err);
	if (rc < 0)
		return rc;
	pmix_status_t status = host->api.server_register_nspace(
		host->job->name, (int)pmi_job_local_count(host->job), host->job_keys.infos,
		host->job_keys.count, on_job_registered, host);
	if (status != PMIX_SUCCESS)
		return pmix_api_err(&host->api, err, "PMIx_server_register_nspace", status);
	host->registering = true;
	return 0;
}

static int register_job_wait(struct pmix_host *host, struct err *err)
{
	if (host->registering) {
		while (sem_wait(&host->registered) < 0 && errno == EINTR)
			;
		host->registering = false;
		pmix_keys_free(&host->job_keys);
	}
	if (host->register_status != PMIX_SUCCESS)
		return pmix_api_err(&host->api, err, "PMIx_server_register_nspace",
				    host->register_status);
	return 0;
}

static void on_requests(void *context, int fd, uint32_t events)
{
	struct pmix_host *host = context;
	struct pmix_request *request;
	uint64_t count;
	(void)events;
	/* Emptied before the queue is: what comes later makes it readable again. */
	if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
		return;
	while ((request = pmix_upcalls_take()) != NULL) {
		host->function(host->context, request);
		pmix_request_free(request);
	}
}

int pmix_host_start(struct loop *loop, const struct pmi_job *job, void *topology,
		    pmix_request_fn *function, void *context, struct pmix_host **out,
		    struct err *err)
{
	AUTO_CALL(pmix_host_free) struct pmix_host *host = calloc(1, sizeof *host);
	if (host == NULL)
		return err_errno(err, ENOMEM, "PMIx");
	*host = (struct pmix_host){
		.loop = loop, .job = job, .function = function, .context = context, .event_fd = -1};
	sem_init(&host->registered, 0, 0);
	int rc = pmix_api_load(&host->api, err);
	if (rc == 0)
		rc = pmix_upcalls_open(job, &host->event_fd, err);
	if (rc == 0)
		rc = start_server(host, topology, err);
	if (rc == 0)
		rc = register_job_begin(host, err);
	if (rc == 0)
		rc = loop_add_fd(loop, host->event_fd, EPOLLIN, on_requests, host, err);
	if (rc < 0)
		return rc;
	*out = take_ptr(&host);
	return 0;
}

void pmix_host_free(struct pmix_host **where)
{
	struct pmix_host *host = take_ptr(where);
	if (host == NULL)
		return;
	register_job_wait(host, NULL);
	pmix_keys_free(&host->job_keys);
	sem_destroy(&host->registered);
	if (host->event_fd >= 0) {
		loop_remove_fd(host->loop, host->event_fd);
		pmix_upcalls_close();
	}
	free(host);
}

static void proc_of(const struct pmix_host *host, uint32_t rank, pmix_proc_t *proc)
{
	memset(proc, 0, sizeof *proc);
	snprintf(proc->nspace, sizeof proc->nspace, "%s", host->job->name);
	proc->rank = rank;
}

int pmix_host_env(struct pmix_host *host, struct buf *env, struct err *err)
{
	pmix_proc_t proc;
	char **vars = NULL;
	int rc = register_job_wait(host, err);
	if (rc < 0)
		return rc;
	proc_of(host, pmi_job_local_first(host->job), &proc);
	pmix_status_t status = host->api.server_setup_fork(&proc, &vars);
	if (status != PMIX_SUCCESS)
		return pmix_api_err(&host->api, err, "PMIx_server_setup_fork", status);
	for (size_t i = 0; vars != NULL && vars[i] != NULL; i++) {
		if (strncmp(vars[i], "PMIX_RANK=", strlen("PMIX_RANK=")) != 0)
			buf_add(env, vars[i], strlen(vars[i]) + 1);
		free(vars[i]);
	}
	free(vars);
	return env->failed ? err_errno(err, ENOMEM, "PMIx") : 0;
}

static void on_registered(pmix_status_t status, void *cbdata)
{
	(void)status, (void)cbdata;
}

int pmix_host_add_rank(struct pmix_host *host, uint32_t rank, struct err *err)
{
	pmix_proc_t proc;
	proc_of(host, rank, &proc);
	/* With a callback it does not wait; libpmix handles it before the
	 * connection of a rank that is not forked yet. */
	pmix_status_t status = host->api.server_register_client(
		&proc, host->job->uid, host->job->gid, NULL, on_registered, NULL);
	if (status != PMIX_SUCCESS && status != PMIX_OPERATION_SUCCEEDED)
		return pmix_api_err(&host->api, err, "PMIx_server_register_client", status);
	return 0;
}

int pmix_host_fetch(struct pmix_host *host, uint32_t rank, uint64_t tag, struct err *err)
{
	pmix_proc_t proc;
	proc_of(host, rank, &proc);
	pmix_status_t status = host->api.server_dmodex_request(&proc, pmix_upcalls_fetched,
							       (void *)(uintptr_t)tag);
	if (status != PMIX_SUCCESS)
		return pmix_api_err(&host->api, err, "PMIx_server_dmodex_request", status);
	return 0;
}
