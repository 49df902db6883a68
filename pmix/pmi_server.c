/*
 * pmi_server.c - PMI-1 sockets, libpmix's requests and the tree, together
 * (pmi_server.h).
 *
 * In: events of the ranks' sockets, requests of libpmix, frames of other
 * daemons; all on the loop's thread.  Out: replies, frames, events.  What can
 * be decided without I/O is decided elsewhere: pmi1.c, kvs.c, fence.c,
 * participants.c, modex.c, pmi_env.c.
 *
 * A fence of PMI-1 begins here when the last local rank is in it and carries
 * the keys put since the one before.  Fences of PMIx carry libpmix's bytes.
 * Both are steps of one engine; one that completes is matched with its waiter
 * by its id.
 */
#include "pmix/pmi_server.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "pmix/fence.h"
#include "pmix/kvs.h"
#include "pmix/modex.h"
#include "pmix/participants.h"
#include "pmix/pmi1_socket.h"
#include "pmix/pmi_env.h"
#include "pmix/pmix_host.h"

enum {
	PROTOCOL_STATUS = 1,  /* exit status of the job when a rank broke the protocol */
	/* MPICH's buffer for a value is what a line of 1024 bytes leaves beside the
	 * longest names; without a mapping it compares host names instead. */
	MAPPING_MAX = 600,
	KVS_BYTES_MAX = 1 << 30,
};

struct rank {
	struct pmi1_socket socket;
	bool added, connected, fenced, finalized;
};

/* A collective of PMIx under way. */
struct waiter {
	struct waiter *next;
	struct fence_id id;
	struct pmix_reply *reply;
};

struct pmi_server {
	struct loop *loop;
	const struct pmi_job *job;
	const struct pmi_server_ops *ops;
	void *context;
	struct kvs *kvs;
	struct pmi1_space space;
	struct fence_engine *fences;
	struct fence_range *all_nodes;  /* that have ranks */
	size_t all_nodes_count;
	struct rank *ranks;             /* the local ones */
	struct pmix_host *pmix;
	struct waiter *waiters;
	struct modex_table modexes;
};

static void fail(struct pmi_server *server, const struct err *why)
{
	server->ops->failed(server->context, why);
}

static void fail_errno(struct pmi_server *server, int number, const char *what)
{
	struct err why;
	err_errno(&why, number, "%s", what);
	fail(server, &why);
}

static struct rank *find_rank(struct pmi_server *server, uint32_t number)
{
	uint32_t first = pmi_job_local_first(server->job);
	if (number < first || number - first >= pmi_job_local_count(server->job))
		return NULL;
	return &server->ranks[number - first];
}

/* Each event of a rank is told once. */
static void tell(struct pmi_server *server, uint32_t number, enum pmi_event event)
{
	struct rank *rank = find_rank(server, number);
	if (rank == NULL)
		return;
	bool *told = event == PMI_EVENT_CONNECTED ? &rank->connected
		     : event == PMI_EVENT_FENCED  ? &rank->fenced
						  : &rank->finalized;
	if (*told)
		return;
	*told = true;
	server->ops->rank_event(server->context, number, event);
}

/* --- fences ------------------------------------------------------------------ */

static void tell_fenced(struct pmi_server *server)
{
	uint32_t first = pmi_job_local_first(server->job);
	for (uint32_t i = 0; i < pmi_job_local_count(server->job); i++)
		if (server->ranks[i].connected)
			tell(server, first + i, PMI_EVENT_FENCED);
}

static void barrier_complete(struct pmi_server *server, int status, const char *data, size_t len)
{
	struct err why = ERR_NONE;
	if (status == 0 && kvs_import(server->kvs, data, len, &why) < 0) {
		fail(server, &why);
		return;
	}
	for (uint32_t i = 0; i < pmi_job_local_count(server->job); i++)
		pmi1_socket_barrier_done(&server->ranks[i].socket, status != 0);
}

static void collective_complete(struct pmi_server *server, const struct fence_id *id, int status,
				const char *data, size_t len)
{
	for (struct waiter **at = &server->waiters; *at != NULL; at = &(*at)->next) {
		struct waiter *waiter = *at;
		if (memcmp(&waiter->id, id, sizeof *id) != 0)
			continue;
		*at = waiter->next;
		pmix_reply_send(waiter->reply, status, data, len);
		free(waiter);
		return;
	}
}

static void fence_step(struct pmi_server *server, struct fence_step *step)
{
	const struct pmi_job *job = server->job;
	const struct pmi_server_ops *ops = server->ops;
	if (step->send_up)
		ops->send_frame(server->context, (job->node - 1) / job->fanout, PMI_FRAME_FENCE_UP,
				step->frame.data, step->frame.len);
	for (size_t i = 0; i < step->child_count; i++)
		ops->send_frame(server->context, step->children[i], PMI_FRAME_FENCE_DOWN,
				step->frame.data, step->frame.len);
	if (!step->complete)
		return;
	const char *data = step->frame.data + step->data_offset;
	size_t len = step->frame.len - step->data_offset;
	if (step->id.kind == FENCE_KIND_PMI1)
		barrier_complete(server, step->status, data, len);
	else
		collective_complete(server, &step->id, step->status, data, len);
	tell_fenced(server);
}

/* The last local rank is in the barrier. */
static void barrier_begin(struct pmi_server *server)
{
	static const uint64_t all[2] = {0, 0};
	AUTO_BUF struct buf keys = {0};
	AUTO_FENCE_STEP struct fence_step step = {0};
	struct fence_id id;
	struct err why;
	kvs_export(server->kvs, &keys);
	if (keys.failed)
		fail_errno(server, ENOMEM, "PMI-1 barrier");
	else if (fence_contribute(server->fences, FENCE_KIND_PMI1, all, server->all_nodes,
				  server->all_nodes_count, keys.data, keys.len, &id, &step,
				  &why) < 0)
		fail(server, &why);
	else
		fence_step(server, &step);
}

static int collective_begin(struct pmi_server *server, const struct pmix_request *request,
			    enum fence_kind kind, struct fence_step *step, struct err *err)
{
	AUTO_FREE struct waiter *waiter = calloc(1, sizeof *waiter);
	uint64_t signature[2];
	size_t node_count;
	size_t count = participants_normalize(request->ranges, request->range_count);
	participants_signature(request->ranges, count, signature);
	AUTO_FREE struct fence_range *nodes =
		participants_nodes_new(server->job, request->ranges, count, &node_count);
	if (waiter == NULL || nodes == NULL)
		return err_errno(err, ENOMEM, "PMIx fence");
	int rc = fence_contribute(server->fences, kind, signature, nodes, node_count, request->data,
				  request->len, &waiter->id, step, err);
	if (rc < 0)
		return rc;
	waiter->reply = request->reply;
	waiter->next = server->waiters;
	server->waiters = take_ptr(&waiter);
	return 0;
}

static void on_collective(struct pmi_server *server, const struct pmix_request *request,
			  enum fence_kind kind)
{
	AUTO_FENCE_STEP struct fence_step step = {0};
	struct err why = ERR_NONE;
	int rc = collective_begin(server, request, kind, &step, &why);
	if (rc == 0) {
		fence_step(server, &step);
		return;
	}
	pmix_reply_send(request->reply, rc, NULL, 0);
	fail(server, &why);
}

static int receive_fence(struct pmi_server *server, bool going_up, uint32_t source,
			 const void *payload, size_t len, struct err *err)
{
	AUTO_FENCE_STEP struct fence_step step = {0};
	int rc = fence_receive(server->fences, going_up, source, payload, len, &step, err);
	if (rc == 0)
		fence_step(server, &step);
	return rc;
}

/* --- direct modex -------------------------------------------------------------- */

static void send_modex(struct pmi_server *server, uint32_t node, enum pmi_frame type,
		       const struct buf *frame)
{
	if (frame->failed)
		fail_errno(server, ENOMEM, "PMIx direct modex");
	else
		server->ops->send_frame(server->context, node, (uint16_t)type, frame->data,
					frame->len);
}

static void on_modex(struct pmi_server *server, const struct pmix_request *request)
{
	AUTO_BUF struct buf frame = {0};
	uint32_t node = pmi_job_node_of(server->job, request->rank);
	struct modex *modex = node == server->job->node ? NULL : modex_add(&server->modexes);
	if (modex == NULL) {
		pmix_reply_send(request->reply, -ENOENT, NULL, 0);
		return;
	}
	modex->reply = request->reply;
	modex_request_add(&frame, &(struct modex_request){modex->tag, request->rank});
	send_modex(server, node, PMI_FRAME_DMODEX_REQUEST, &frame);
}

static void answer_modex(struct pmi_server *server, const struct modex *modex, int status,
			 const char *data, size_t len)
{
	AUTO_BUF struct buf frame = {0};
	modex_reply_add(&frame, &(struct modex_reply){modex->node_tag, -status, data, len});
	send_modex(server, modex->node, PMI_FRAME_DMODEX_REPLY, &frame);
}

static void on_modex_ready(struct pmi_server *server, const struct pmix_request *request)
{
	AUTO_FREE struct modex *modex = modex_take(&server->modexes, request->tag, false);
	if (modex != NULL)
		answer_modex(server, modex, request->status, request->data, request->len);
}

static int receive_modex_request(struct pmi_server *server, uint32_t source, const void *payload,
				 size_t len, struct err *err)
{
	struct modex_request request;
	if (modex_request_parse(payload, len, &request) < 0 ||
	    find_rank(server, request.rank) == NULL || source >= server->job->node_count)
		return err_set(err, EPROTO, "node %u asked for the data of a rank that is not here",
			       source);
	struct modex *modex = modex_add(&server->modexes);
	if (modex == NULL)
		return err_errno(err, ENOMEM, "PMIx direct modex");
	modex->node = source;
	modex->node_tag = request.tag;
	struct err why = ERR_NONE;
	if (server->pmix != NULL &&
	    pmix_host_fetch(server->pmix, request.rank, modex->tag, &why) == 0)
		return 0;
	modex_take(&server->modexes, modex->tag, false);
	answer_modex(server, modex, -ENOENT, NULL, 0);
	free(modex);
	return 0;
}

static int receive_modex_reply(struct pmi_server *server, uint32_t source, const void *payload,
			       size_t len, struct err *err)
{
	struct modex_reply reply;
	AUTO_FREE struct modex *modex = NULL;
	if (modex_reply_parse(payload, len, &reply) == 0)
		modex = modex_take(&server->modexes, reply.tag, true);
	if (modex == NULL)
		return err_set(err, EPROTO, "node %u sent data that nobody asked for", source);
	pmix_reply_send(modex->reply, -reply.status, reply.data, reply.len);
	return 0;
}

/* --- what comes in ---------------------------------------------------------------- */

static void on_pmi1_event(void *context, uint32_t number, const struct pmi1_event *event)
{
	struct pmi_server *server = context;
	switch (event->type) {
	case PMI1_EVENT_NONE:
		break;
	case PMI1_EVENT_INIT:
		tell(server, number, PMI_EVENT_CONNECTED);
		break;
	case PMI1_EVENT_BARRIER:
		if (server->space.in_barrier == pmi_job_local_count(server->job))
			barrier_begin(server);
		break;
	case PMI1_EVENT_FINALIZE:
		tell(server, number, PMI_EVENT_FINALIZED);
		break;
	case PMI1_EVENT_ABORT:
		server->ops->abort(server->context, number, event->status, event->text);
		break;
	}
}

static void on_pmi1_broken(void *context, uint32_t number, const char *why)
{
	struct pmi_server *server = context;
	server->ops->abort(server->context, number, PROTOCOL_STATUS, why);
}

static const struct pmi1_socket_ops socket_ops = {on_pmi1_event, on_pmi1_broken};

static void on_pmix_request(void *context, const struct pmix_request *request)
{
	struct pmi_server *server = context;
	switch (request->type) {
	case PMIX_REQUEST_CONNECTED:
		tell(server, request->rank, PMI_EVENT_CONNECTED);
		break;
	case PMIX_REQUEST_FINALIZED:
		tell(server, request->rank, PMI_EVENT_FINALIZED);
		break;
	case PMIX_REQUEST_ABORT:
		server->ops->abort(server->context, request->rank, request->status, request->data);
		break;
	case PMIX_REQUEST_LOG:
		if (request->len > 0)
			server->ops->log(server->context, request->rank, request->data,
					 request->len);
		pmix_reply_send(request->reply, 0, NULL, 0);
		break;
	case PMIX_REQUEST_FENCE:
		on_collective(server, request, FENCE_KIND_PMIX);
		break;
	case PMIX_REQUEST_CONNECT:
		on_collective(server, request, FENCE_KIND_CONNECT);
		break;
	case PMIX_REQUEST_DISCONNECT:
		on_collective(server, request, FENCE_KIND_DISCONNECT);
		break;
	case PMIX_REQUEST_MODEX:
		on_modex(server, request);
		break;
	case PMIX_REQUEST_MODEX_READY:
		on_modex_ready(server, request);
		break;
	}
}

void pmi_server_receive(struct pmi_server *server, uint32_t source, uint16_t type,
			const void *payload, size_t len)
{
	struct err why = ERR_NONE;
	int rc = 0;
	switch (type) {
	case PMI_FRAME_FENCE_UP:
	case PMI_FRAME_FENCE_DOWN:
		rc = receive_fence(server, type == PMI_FRAME_FENCE_UP, source, payload, len, &why);
		break;
	case PMI_FRAME_DMODEX_REQUEST:
		rc = receive_modex_request(server, source, payload, len, &why);
		break;
	case PMI_FRAME_DMODEX_REPLY:
		rc = receive_modex_reply(server, source, payload, len, &why);
		break;
	default:
		rc = err_set(&why, EPROTO, "node %u sent a PMI frame of the unknown type %u",
			     source, type);
	}
	if (rc < 0)
		fail(server, &why);
}

/* --- life ---------------------------------------------------------------------- */

/* Keys that are there from the start, on every node alike. */
static int offer_mapping(struct pmi_server *server, struct err *err)
{
	AUTO_FREE char *mapping = pmi_job_mapping_new(server->job);
	AUTO_BUF struct buf key = {0};
	if (mapping == NULL)
		return err_errno(err, ENOMEM, "PMI server");
	if (strlen(mapping) > MAPPING_MAX)
		return 0;
	buf_add_str(&key, "PMI_process_mapping");
	buf_add_str(&key, mapping);
	return key.failed ? err_errno(err, ENOMEM, "PMI server")
			  : kvs_import(server->kvs, key.data, key.len, err);
}

static int server_init(struct pmi_server *server, struct err *err)
{
	const struct pmi_job *job = server->job;
	struct fence_tree tree = {job->node, job->node_count, job->fanout};
	struct rank_range everyone = {0, job->rank_count - 1};
	server->fences = fence_engine_new(&tree, PMI_FRAME_PAYLOAD_MAX);
	server->kvs = kvs_new(KVS_BYTES_MAX);
	server->ranks = calloc((size_t)pmi_job_local_count(job) + 1, sizeof *server->ranks);
	server->all_nodes = participants_nodes_new(job, &everyone, 1, &server->all_nodes_count);
	if (server->fences == NULL || server->kvs == NULL || server->ranks == NULL ||
	    server->all_nodes == NULL)
		return err_errno(err, ENOMEM, "PMI server");
	for (uint32_t i = 0; i < pmi_job_local_count(job); i++)
		server->ranks[i].socket = (struct pmi1_socket){
			.rank = pmi_job_local_first(job) + i,
			.fd = -1,
			.loop = server->loop,
			.space = &server->space,
			.ops = &socket_ops,
			.context = server,
		};
	server->space = (struct pmi1_space){
		.name = job->name, .rank_count = job->rank_count, .kvs = server->kvs};
	return offer_mapping(server, err);
}

int pmi_server_new(struct loop *loop, const struct pmi_job *job, const struct pmi_server_ops *ops,
		   void *context, struct pmi_server **out, struct err *err)
{
	int rc = pmi_job_check(job, err);
	if (rc < 0)
		return rc;
	AUTO_CALL(pmi_server_free) struct pmi_server *server = calloc(1, sizeof *server);
	if (server == NULL)
		return err_errno(err, ENOMEM, "PMI server");
	server->loop = loop;
	server->job = job;
	server->ops = ops;
	server->context = context;
	rc = server_init(server, err);
	if (rc < 0)
		return rc;
	*out = take_ptr(&server);
	return 0;
}

int pmi_server_start_pmix(struct pmi_server *server, void *topology, struct err *err)
{
	return pmix_host_start(server->loop, server->job, topology, on_pmix_request, server,
			       &server->pmix, err);
}

int pmi_server_env(struct pmi_server *server, struct buf *env, struct err *err)
{
	pmi_env_add_common(env, server->job, server->pmix != NULL);
	if (env->failed)
		return err_errno(err, ENOMEM, "PMI server");
	return server->pmix != NULL ? pmix_host_env(server->pmix, env, err) : 0;
}

int pmi_server_add_rank(struct pmi_server *server, uint32_t number, int *client_fd,
			struct buf *env, struct err *err)
{
	struct rank *rank = find_rank(server, number);
	if (rank == NULL || rank->added)
		return err_set(err, EINVAL, "rank %u is not for this node, or was added before",
			       number);
	pmi_env_add_rank(env, server->job, number, server->pmix != NULL);
	if (env->failed)
		return err_errno(err, ENOMEM, "PMI server");
	if (server->pmix != NULL) {
		int rc = pmix_host_add_rank(server->pmix, number, err);
		if (rc < 0)
			return rc;
	}
	rank->added = true;
	return pmi1_socket_open(&rank->socket, client_fd, err);
}

void pmi_server_rank_ended(struct pmi_server *server, uint32_t number)
{
	struct rank *rank = find_rank(server, number);
	if (rank != NULL)
		pmi1_socket_close(&rank->socket);
}

void pmi_server_free(struct pmi_server **where)
{
	struct pmi_server *server = take_ptr(where);
	if (server == NULL)
		return;
	pmix_host_free(&server->pmix);
	for (uint32_t i = 0; server->ranks != NULL && i < pmi_job_local_count(server->job); i++)
		pmi1_socket_close(&server->ranks[i].socket);
	for (struct waiter *waiter = server->waiters, *next; waiter != NULL; waiter = next) {
		next = waiter->next;
		free(waiter->reply);
		free(waiter);
	}
	modex_table_free(&server->modexes);
	fence_engine_free(&server->fences);
	kvs_free(&server->kvs);
	free(server->all_nodes);
	free(server->ranks);
	free(server);
}
