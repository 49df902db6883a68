/*
 * pmix_upcalls.c - what libpmix calls on its thread (pmix_upcalls.h).
 *
 * Each function copies its arguments into a request, queues it under a mutex,
 * and makes the eventfd readable.  Nothing here waits, and nothing touches the
 * state of the loop's thread.  The queue is the one mutable global of this
 * folder: libpmix has one server in a process and passes no context.
 *
 * Status to libpmix: PMIX_SUCCESS promises a callback, PMIX_OPERATION_SUCCEEDED
 * says that there will be none.  client_connected2 has no callback to call
 * before 5.0.8, so the latter is right for it everywhere.
 *
 * Functions that are not set: libpmix tells clients PMIX_ERR_NOT_SUPPORTED
 * (spawn, publish, lookup, query, job control, groups).
 */
#include "pmix/pmix_upcalls.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/cleanup.h"

struct queued {
	struct pmix_request request;  /* first: a request is its node */
	struct queued *next;
};

struct pmix_reply {
	pmix_modex_cbfunc_t modex;  /* one of the two */
	pmix_op_cbfunc_t op;
	void *cbdata;
};

static struct {
	pthread_mutex_t mutex;
	struct queued *first, **last;  /* last: where the next one goes; NULL: closed */
	int event_fd;
	char name[PMI_JOB_NAME_MAX + 1];
	uint32_t rank_count, local_first, local_count;
} queue = {.mutex = PTHREAD_MUTEX_INITIALIZER, .event_fd = -1};

int pmix_upcalls_open(const struct pmi_job *job, int *event_fd, struct err *err)
{
	AUTO_FD int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return err_errno(err, errno, "eventfd");
	pthread_mutex_lock(&queue.mutex);
	bool busy = queue.last != NULL;
	if (!busy) {
		queue.last = &queue.first;
		queue.event_fd = fd;
		queue.rank_count = job->rank_count;
		queue.local_first = pmi_job_local_first(job);
		queue.local_count = pmi_job_local_count(job);
		memcpy(queue.name, job->name, strlen(job->name) + 1);
	}
	pthread_mutex_unlock(&queue.mutex);
	if (busy)
		return err_set(err, EBUSY, "PMIx was started before in this process");
	*event_fd = take_fd(&fd);
	return 0;
}

void pmix_request_free(struct pmix_request *request)
{
	free(request->ranges);
	free(request->data);
	free(request);
}

struct pmix_request *pmix_upcalls_take(void)
{
	pthread_mutex_lock(&queue.mutex);
	struct queued *queued = queue.first;
	if (queued != NULL) {
		queue.first = queued->next;
		if (queue.first == NULL)
			queue.last = &queue.first;
	}
	pthread_mutex_unlock(&queue.mutex);
	return queued ? &queued->request : NULL;
}

void pmix_upcalls_close(void)
{
	struct pmix_request *request;
	while ((request = pmix_upcalls_take()) != NULL) {
		free(request->reply);
		pmix_request_free(request);
	}
	pthread_mutex_lock(&queue.mutex);
	queue.last = NULL;
	close_fd(&queue.event_fd);
	pthread_mutex_unlock(&queue.mutex);
}

/* --- from libpmix's thread to the queue ----------------------------------- */

static struct pmix_request *request_new(enum pmix_request_type type, const void *data, size_t len)
{
	struct queued *queued = calloc(1, sizeof *queued);
	if (queued == NULL)
		return NULL;
	queued->request.type = type;
	queued->request.len = len;
	queued->request.data = malloc(len + 1);
	if (queued->request.data == NULL) {
		free(queued);
		return NULL;
	}
	if (len > 0)
		memcpy(queued->request.data, data, len);
	queued->request.data[len] = '\0';
	return &queued->request;
}

/* PMIX_SUCCESS: libpmix waits for the reply. */
static pmix_status_t enqueue(struct pmix_request *take_request)
{
	static const uint64_t one = 1;
	struct queued *queued = (struct queued *)take_request;
	if (queued == NULL)
		return PMIX_ERR_NOMEM;
	pthread_mutex_lock(&queue.mutex);
	bool is_open = queue.last != NULL;
	if (is_open) {
		*queue.last = queued;
		queue.last = &queued->next;
		/* Only a counter at its maximum could refuse; it is readable then. */
		if (write(queue.event_fd, &one, sizeof one) < 0)
			is_open = true;
	}
	pthread_mutex_unlock(&queue.mutex);
	if (is_open)
		return PMIX_SUCCESS;
	free(take_request->reply);
	pmix_request_free(take_request);
	return PMIX_ERR_INIT;
}

static pmix_status_t enqueue_note(enum pmix_request_type type, const pmix_proc_t *proc, int status,
				  const char *text)
{
	struct pmix_request *request = request_new(type, text, text ? strlen(text) : 0);
	if (request == NULL)
		return PMIX_ERR_NOMEM;
	request->rank = proc->rank;
	request->status = status;
	pmix_status_t result = enqueue(request);
	return result == PMIX_SUCCESS ? PMIX_OPERATION_SUCCEEDED : result;
}

static pmix_status_t enqueue_question(struct pmix_request *request, pmix_modex_cbfunc_t modex,
				      pmix_op_cbfunc_t op, void *cbdata)
{
	if (request == NULL)
		return PMIX_ERR_NOMEM;
	request->reply = malloc(sizeof *request->reply);
	if (request->reply == NULL) {
		pmix_request_free(request);
		return PMIX_ERR_NOMEM;
	}
	*request->reply = (struct pmix_reply){.modex = modex, .op = op, .cbdata = cbdata};
	return enqueue(request);
}

static bool is_our_job(const char *nspace)
{
	return strncmp(nspace, queue.name, PMIX_MAX_NSLEN) == 0;
}

/* One process or wildcard of ours as a range of ranks. */
static int range_of(const pmix_proc_t *proc, struct rank_range *range)
{
	if (!is_our_job(proc->nspace))
		return -EINVAL;
	if (proc->rank == PMIX_RANK_WILDCARD)
		*range = (struct rank_range){0, queue.rank_count - 1};
	else if (proc->rank == PMIX_RANK_LOCAL_NODE || proc->rank == PMIX_RANK_LOCAL_PEERS)
		*range = (struct rank_range){queue.local_first,
					     queue.local_first + queue.local_count - 1};
	else if (proc->rank < queue.rank_count)
		*range = (struct rank_range){proc->rank, proc->rank};
	else
		return -EINVAL;
	return 0;
}

static pmix_status_t enqueue_collective(enum pmix_request_type type, const pmix_proc_t *procs,
					size_t count, const char *data, size_t len,
					pmix_modex_cbfunc_t modex, pmix_op_cbfunc_t op,
					void *cbdata)
{
	struct pmix_request *request = request_new(type, data, len);
	if (request == NULL)
		return PMIX_ERR_NOMEM;
	request->ranges = calloc(count + 1, sizeof *request->ranges);
	for (size_t i = 0; request->ranges != NULL && i < count; i++) {
		if (range_of(&procs[i], &request->ranges[i]) == 0)
			continue;
		pmix_request_free(request);
		return PMIX_ERR_BAD_PARAM;
	}
	request->range_count = count;
	if (request->ranges == NULL) {
		pmix_request_free(request);
		return PMIX_ERR_NOMEM;
	}
	return enqueue_question(request, modex, op, cbdata);
}

/* --- the module ------------------------------------------------------------ */

static pmix_status_t on_connected(const pmix_proc_t *proc, void *object, pmix_info_t *infos,
				  size_t count, pmix_op_cbfunc_t done, void *cbdata)
{
	(void)object, (void)infos, (void)count, (void)done, (void)cbdata;
	return enqueue_note(PMIX_REQUEST_CONNECTED, proc, 0, NULL);
}

static pmix_status_t on_finalized(const pmix_proc_t *proc, void *object, pmix_op_cbfunc_t done,
				  void *cbdata)
{
	(void)object, (void)done, (void)cbdata;
	return enqueue_note(PMIX_REQUEST_FINALIZED, proc, 0, NULL);
}

/* Whoever is named in `procs`: the job ends. */
static pmix_status_t on_abort(const pmix_proc_t *proc, void *object, int status, const char *text,
			      pmix_proc_t *procs, size_t count, pmix_op_cbfunc_t done,
			      void *cbdata)
{
	(void)object, (void)procs, (void)count, (void)done, (void)cbdata;
	return enqueue_note(PMIX_REQUEST_ABORT, proc, status, text);
}

static pmix_status_t on_fence(const pmix_proc_t *procs, size_t count, const pmix_info_t *infos,
			      size_t info_count, char *data, size_t len,
			      pmix_modex_cbfunc_t done, void *cbdata)
{
	(void)infos, (void)info_count;
	return enqueue_collective(PMIX_REQUEST_FENCE, procs, count, data, len, done, NULL, cbdata);
}

static pmix_status_t on_connect(const pmix_proc_t *procs, size_t count, const pmix_info_t *infos,
				size_t info_count, pmix_op_cbfunc_t done, void *cbdata)
{
	(void)infos, (void)info_count;
	return enqueue_collective(PMIX_REQUEST_CONNECT, procs, count, NULL, 0, NULL, done, cbdata);
}

static pmix_status_t on_disconnect(const pmix_proc_t *procs, size_t count,
				   const pmix_info_t *infos, size_t info_count,
				   pmix_op_cbfunc_t done, void *cbdata)
{
	(void)infos, (void)info_count;
	return enqueue_collective(PMIX_REQUEST_DISCONNECT, procs, count, NULL, 0, NULL, done,
				  cbdata);
}

static pmix_status_t on_direct_modex(const pmix_proc_t *proc, const pmix_info_t *infos,
				     size_t count, pmix_modex_cbfunc_t done, void *cbdata)
{
	(void)infos, (void)count;
	if (!is_our_job(proc->nspace) || proc->rank >= queue.rank_count)
		return PMIX_ERR_NOT_FOUND;
	struct pmix_request *request = request_new(PMIX_REQUEST_MODEX, NULL, 0);
	if (request != NULL)
		request->rank = proc->rank;
	return enqueue_question(request, done, NULL, cbdata);
}

/* Job-related events reach clients through libpmix itself; there are no others. */
static pmix_status_t on_register_events(pmix_status_t *codes, size_t code_count,
					const pmix_info_t *infos, size_t count,
					pmix_op_cbfunc_t done, void *cbdata)
{
	(void)codes, (void)code_count, (void)infos, (void)count, (void)done, (void)cbdata;
	return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_deregister_events(pmix_status_t *codes, size_t code_count,
					  pmix_op_cbfunc_t done, void *cbdata)
{
	(void)codes, (void)code_count, (void)done, (void)cbdata;
	return PMIX_OPERATION_SUCCEEDED;
}

/* Files and directories that a rank registers for removal after its end (Open MPI's shared memory) are
 * libpmix's own work, but it refuses them to a host without this function. */
static pmix_status_t on_job_control(const pmix_proc_t *requestor, const pmix_proc_t targets[],
				    size_t target_count, const pmix_info_t directives[],
				    size_t directive_count, pmix_info_cbfunc_t done, void *cbdata)
{
	(void)requestor, (void)targets, (void)target_count, (void)directives, (void)directive_count;
	(void)done, (void)cbdata;
	return PMIX_ERR_NOT_SUPPORTED;
}

static const char *log_text(const pmix_info_t *info)
{
	bool is_text = strcmp(info->key, PMIX_LOG_STDERR) == 0 ||
		       strcmp(info->key, PMIX_LOG_STDOUT) == 0;
	return is_text && info->value.type == PMIX_STRING ? info->value.data.string : NULL;
}

/* Help texts of Open MPI come this way.  libpmix holds a lock that its callback
 * takes: it must be called from elsewhere, so there is a reply even to no text. */
static void on_log(const pmix_proc_t *proc, const pmix_info_t *data, size_t count,
		   const pmix_info_t *directives, size_t directive_count, pmix_op_cbfunc_t done,
		   void *cbdata)
{
	AUTO_BUF struct buf text = {0};
	(void)directives, (void)directive_count;
	for (size_t i = 0; i < count; i++) {
		const char *more = log_text(&data[i]);
		if (more != NULL)
			buf_add(&text, more, strlen(more));
	}
	struct pmix_request *request = request_new(PMIX_REQUEST_LOG, text.data, text.len);
	/* libpmix's own help texts come in the name of its server. */
	if (request != NULL)
		request->rank = is_our_job(proc->nspace) ? proc->rank : UINT32_MAX;
	enqueue_question(request, NULL, done, cbdata);
}

void pmix_upcalls_fetched(pmix_status_t status, char *data, size_t size, void *tag)
{
	struct pmix_request *request = request_new(PMIX_REQUEST_MODEX_READY, data, data ? size : 0);
	if (request == NULL)
		return;
	request->tag = (uintptr_t)tag;
	request->status = status == PMIX_SUCCESS	    ? 0
			  : status == PMIX_ERR_NOT_FOUND ? -ENOENT
							 : -EIO;
	enqueue(request);
}

union pmix_upcalls_module pmix_upcalls_module = {
	.module = {
		.client_connected2 = on_connected,
		.client_finalized = on_finalized,
		.abort = on_abort,
		.fence_nb = on_fence,
		.connect = on_connect,
		.disconnect = on_disconnect,
		.direct_modex = on_direct_modex,
		.register_events = on_register_events,
		.deregister_events = on_deregister_events,
		.log = on_log,
		.job_control = on_job_control,
	},
};

/* --- replies, from the loop's thread (libpmix takes them over itself) ------- */

static pmix_status_t status_of(int status)
{
	switch (status) {
	case 0:
		return PMIX_SUCCESS;
	case -ENOMEM:
		return PMIX_ERR_NOMEM;
	case -ENOENT:
		return PMIX_ERR_NOT_FOUND;
	default:
		return PMIX_ERROR;
	}
}

void pmix_reply_send(struct pmix_reply *take_reply, int status, const void *data, size_t len)
{
	AUTO_FREE struct pmix_reply *reply = take_reply;
	if (reply == NULL)
		return;
	if (reply->op != NULL) {
		reply->op(status_of(status), reply->cbdata);
		return;
	}
	char *copy = len > 0 ? malloc(len) : NULL;
	if (copy == NULL && len > 0)
		status = -ENOMEM;
	else if (len > 0)
		memcpy(copy, data, len);
	reply->modex(status_of(status), copy, copy ? len : 0, reply->cbdata, free, copy);
}
