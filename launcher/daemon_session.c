/*
 * daemon_session.c - several nodes: cmpi-bcast, cards, the control tree.
 *
 * cmpi-init gives the node-memory file; cmpi-bcast is started with it and
 * brings plan, key and cards first (the tree connects while the image still
 * travels), then the image.  A node that dies in the broadcast shows twice: MPI fails without
 * knowing whom it lost, and the tree knows the name.  So MPI's word is held back for a
 * moment.
 */
#include "launcher/daemon_impl.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bcast/keep.h"
#include "bcast/keep_holder.h"
#include "common/arrival.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "launcher/daemon_patience.h"

#define TREE_DEADLINE_NS (30 * NS_PER_S)
enum { PMI_ANSWER_MS = 1000 };

/* -- sending ------------------------------------------------------------ */

static void send_to(struct daemon *daemon, uint32_t target, uint16_t type, const struct buf *payload)
{
	struct err err;
	if (daemon->tree == NULL)
		return;
	if (tree_send(daemon->tree, target, type, payload ? payload->data : NULL,
		      payload ? payload->len : 0, &err) < 0)
		log_debug("%s", err.text);
}

void daemon_send_up(struct daemon *daemon, uint16_t type, const struct buf *payload)
{
	if (!daemon_is_root(daemon))
		send_to(daemon, tree_parent(daemon->node), type, payload);
}

void daemon_send_root(struct daemon *daemon, uint16_t type, const struct buf *payload)
{
	if (!daemon_is_root(daemon))
		send_to(daemon, 0, type, payload);
}

void daemon_send_all(struct daemon *daemon, uint16_t type)
{
	send_to(daemon, TREE_ALL, type, NULL);
}

/* -- frames ------------------------------------------------------------- */

static uint32_t child_count(const struct daemon *daemon)
{
	return tree_child_count(daemon->node, daemon->node_count);
}

static void count_ready(struct daemon *daemon)
{
	if (++daemon->children_ready >= child_count(daemon))
		daemon_learn(daemon, FACT_CHILDREN_READY);
}

static void count_done(struct daemon *daemon)
{
	if (++daemon->children_done >= child_count(daemon))
		daemon_learn(daemon, FACT_CHILDREN_DONE);
}

static void count_idle(struct daemon *daemon)
{
	if (++daemon->children_idle >= child_count(daemon))
		daemon_learn(daemon, FACT_CHILDREN_IDLE);
}

static void on_done_frame(struct daemon *daemon, const struct frame *frame)
{
	struct timing timing;
	struct cursor in = cursor_of(frame->payload, frame->len);
	timing_parse(&in, &timing);
	if (!in.bad)
		timing_merge(&daemon->timing, &timing);
	tree_expect_end(daemon->tree, frame->source);
	count_done(daemon);
}

static void on_failed_frame(struct daemon *daemon, const struct frame *frame)
{
	char text[ERR_TEXT_MAX];
	struct cursor in = cursor_of(frame->payload, frame->len);
	int status = (int)(cursor_u32(&in) & 0xff);
	cursor_str(&in, text, sizeof text);
	daemon_fail(daemon, status, "%s", in.bad ? "" : text);
}

static void on_frame(void *context, const struct frame *frame)
{
	struct daemon *daemon = context;
	switch (frame->type) {
	case DAEMON_FRAME_READY: return count_ready(daemon);
	case DAEMON_FRAME_GO: return daemon_learn(daemon, FACT_GO);
	case DAEMON_FRAME_FAILED: return on_failed_frame(daemon, frame);
	case DAEMON_FRAME_DONE: return on_done_frame(daemon, frame);
	case DAEMON_FRAME_IDLE: return count_idle(daemon);
	case DAEMON_FRAME_KILL: return daemon_fail(daemon, EXITCODE_OK, "%s", "");
	default: break;
	}
	if (frame->type >= PMI_FRAME_FENCE_UP && frame->type <= PMI_FRAME_LAST && daemon->pmi != NULL)
		return pmi_server_receive(daemon->pmi, frame->source, frame->type, frame->payload,
					  frame->len);
	log_debug("a frame of type %u from node %u is not for us", frame->type, frame->source);
}

static void on_tree_ready(void *context)
{
	struct daemon *daemon = context;
	loop_remove_timer(daemon->loop, &daemon->tree_timer);
	daemon->timing.ns[TIMING_TREE] = clock_now_ns() - daemon->tree_ns;
	daemon_learn(daemon, FACT_TREE);
	if (child_count(daemon) == 0)
		daemon_learn(daemon, FACT_CHILDREN_READY | FACT_CHILDREN_IDLE | FACT_CHILDREN_DONE);
}

static void on_lost(void *context, uint32_t node, const struct err *why)
{
	struct daemon *daemon = context;
	bool is_parent = !daemon_is_root(daemon) && node == tree_parent(daemon->node);
	if (is_parent)
		daemon->facts &= ~(unsigned)FACT_TREE;  /* node 0 cannot be told any more */
	/* Node 0 has said the failure that we know of, and gone: that is no loss. */
	if (is_parent && daemon_holds(daemon, REASON_NODE_0))
		daemon_fail(daemon, daemon->held_status, "%s", "");
	if (!daemon_knows(daemon, FACT_ENDING))
		daemon_fail(daemon, EXITCODE_NODE, "node %s was lost (%s): the job ends",
			    daemon_node_name(daemon, node), why->text);
	if (!is_parent)
		count_done(daemon);
}

static const struct tree_ops tree_ops = {.ready = on_tree_ready, .frame = on_frame, .lost = on_lost};

static void on_tree_deadline(void *context)
{
	struct daemon *daemon = context;
	AUTO_BUF struct buf names = {0};
	daemon->tree_timer = 0;
	tree_missing(daemon->tree, &names);
	daemon_fail(daemon, EXITCODE_NODE,
		    "no connection with node %.*s within %d s: the nodes' daemons need TCP between each "
		    "other; is there a firewall, or did cmpid die there?",
		    (int)names.len, names.data ? names.data : "", (int)(TREE_DEADLINE_NS / NS_PER_S));
}

/* -- cmpi-bcast --------------------------------------------------------- */

/* The launcher's PMI socket, -1 if it has none of PMI-1's kind. */
static int pmi_fd(void)
{
	const char *text = getenv("PMI_FD");
	int fd = text ? atoi(text) : -1;
	return fd >= 3 ? fd : -1;
}

/* It is for cmpi-bcast alone. */
static void pass_pmi_fd(bool pass)
{
	if (pmi_fd() >= 0)
		fcntl(pmi_fd(), F_SETFD, pass ? 0 : FD_CLOEXEC);
}

/* The session is there: from now on the launcher sees when cmpi-bcast ends. */
static void close_pmi_fd(struct daemon *daemon)
{
	if (daemon->is_wiring_up && pmi_fd() >= 0)
		close(pmi_fd());
	daemon->is_wiring_up = false;
}

/* Hydra does not mind a process that ends before its MPI_Init, whatever its status: the others would wait for it in
 * theirs for ever.  So it is told, in PMI-1.  srun and Open MPI's mpiexec go by the status; they do not set the
 * variable. */
void daemon_abort_wire_up(struct daemon *daemon, int status)
{
	static const char init[] = "cmd=init pmi_version=1 pmi_subversion=1\n";
	struct pollfd answer = {.fd = pmi_fd(), .events = POLLIN};
	char text[256];
	if (!daemon->is_wiring_up || answer.fd < 0 || getenv("MPI_LOCALRANKID") == NULL)
		return;
	daemon->is_wiring_up = false;
	if (write(answer.fd, init, sizeof init - 1) < 0 || poll(&answer, 1, PMI_ANSWER_MS) <= 0 ||
	    read(answer.fd, text, sizeof text) <= 0)
		return;
	int len = snprintf(text, sizeof text, "cmd=abort exitcode=%d\n", status);
	ssize_t ignored = write(answer.fd, text, (size_t)len);
	(void)ignored;
}

static int take_cards(struct daemon *daemon, const struct bcast_session *session, struct err *err)
{
	daemon->cards = calloc(session->size, sizeof *daemon->cards);
	if (daemon->cards == NULL)
		return err_errno(err, ENOMEM, "cards");
	for (uint32_t i = 0; i < session->size; i++) {
		int rc = card_parse(session->cards[i].bytes, session->cards[i].len, &daemon->cards[i],
				    err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int take_session(struct daemon *daemon, const struct bcast_session *session, struct err *err)
{
	daemon->node = session->rank;
	close_pmi_fd(daemon);
	daemon->image_bytes = session->image_size;
	int rc = 0;
	if (!daemon->has_plan)
		rc = plan_parse(session->plan.bytes, session->plan.len, &daemon->plan, err);
	if (rc < 0)
		return rc;
	daemon->has_plan = true;
	if (session->size != daemon->plan.nodes.count)
		return err_set(err, EPROTO,
			       "%u daemons were started for %zu nodes; a launcher must start one a node",
			       session->size, daemon->plan.nodes.count);
	rc = take_cards(daemon, session, err);
	if (rc == 0)
		rc = daemon_adopt_plan(daemon, err);
	if (rc < 0)
		return rc;
	daemon->tree_ns = clock_now_ns();
	rc = loop_add_timer(daemon->loop, TREE_DEADLINE_NS, on_tree_deadline, daemon,
			    &daemon->tree_timer, err);
	if (rc == 0)
		rc = tree_start(daemon->tree, daemon->node, session->size, daemon->cards, session->key,
				err);
	return rc;
}

static void on_session(void *context, const struct bcast_session *session)
{
	struct daemon *daemon = context;
	struct err err;
	if (take_session(daemon, session, &err) < 0)
		return daemon_fail(daemon, EXITCODE_INTERNAL, "node %s: %s", daemon->card.node, err.text);
	daemon_learn(daemon, FACT_PLAN);
}

/* The kernel's squashfs would take what is not here yet for damage. */
static bool may_start_early(const struct daemon *daemon)
{
	const struct plan *plan = &daemon->plan;
	return plan->early == EARLY_AUTO && plan->mount != MOUNT_CHOICE_KERNEL &&
	       (plan->mount == MOUNT_CHOICE_FUSE || geteuid() != 0);
}

static void on_patience(void *context)
{
	struct daemon *daemon = context;
	daemon->patience_timer = 0;
	daemon_learn(daemon, FACT_MOUNTABLE);
}

static void on_bcast_mountable(void *context, const struct bcast_mountable *mountable)
{
	struct daemon *daemon = context;
	if (!may_start_early(daemon))
		return;
	daemon->timing.ns[TIMING_MOUNTABLE] = mountable->after_ns;
	daemon->mountable_bytes = mountable->bytes;
	daemon->mountable_ns = clock_now_ns();
	if (loop_add_timer(daemon->loop, PATIENCE_MOST_NS, on_patience, daemon, &daemon->patience_timer, NULL) < 0)
		on_patience(daemon);
}

static void on_bcast_progress(void *context, const struct bcast_progress *progress)
{
	struct daemon *daemon = context;
	if (daemon->patience_timer == 0 || progress->bytes < daemon->mountable_bytes ||
	    progress->bytes > progress->total ||
	    !patience_is_lost(progress->bytes - daemon->mountable_bytes,
			      clock_now_ns() - daemon->mountable_ns, progress->total - progress->bytes))
		return;
	loop_remove_timer(daemon->loop, &daemon->patience_timer);
	daemon_learn(daemon, FACT_MOUNTABLE);
}

void daemon_end_arrival(struct daemon *daemon)
{
	struct arrival *arrival = NULL;
	if (daemon->arrival_fd < 0 || daemon_knows(daemon, FACT_IMAGE) ||
	    arrival_open(daemon->arrival_fd, &arrival, NULL) < 0)
		return;
	arrival_end(arrival, true);
	arrival_free(&arrival);
}

/* Nothing has travelled: the image is where the last run has left it. */
static int take_kept(struct daemon *daemon, const uint8_t *digest, struct err *err)
{
	int fd = -1;
	int rc = keep_get(digest, &fd, NULL, err);
	if (rc < 0)
		return rc;
	close_fd(&daemon->image_fd);
	daemon->image_fd = fd;
	return 0;
}

/* cmpi-bcast is about to hand the image over. */
static void start_holder(const struct daemon *daemon)
{
	char program[PATH_MAX];
	struct err err = ERR_NONE;
	AUTO_FD int listen_fd = keep_listen(&err);
	if (listen_fd == -EADDRINUSE)
		return;
	snprintf(program, sizeof program, "%s/cmpid", daemon->options->helpers);
	if (listen_fd < 0 || keep_holder_start(program, listen_fd, &err) < 0)
		log_note("the image is not kept on node %s: %s", daemon->card.node, err.text);
}

static void on_bcast_done(void *context, const struct bcast_done *done)
{
	struct daemon *daemon = context;
	struct err err = ERR_NONE;
	if (done->kept && take_kept(daemon, done->digest, &err) < 0)
		return daemon_fail(daemon, EXITCODE_SETUP, "node %s: %s; start again", daemon->card.node,
				   err.text);
	daemon->image_was_kept = done->kept != 0;
	if (daemon->plan.keep_s > 0 && !done->kept)
		start_holder(daemon);
	log_debug("the image is whole");
	uint64_t *ns = daemon->timing.ns;
	ns[TIMING_EXCHANGE] = done->init_ns + done->exchange_ns;
	if (daemon_is_root(daemon))
		ns[TIMING_READ] = done->read_ns;
	ns[TIMING_BROADCAST] = done->land_ns + done->transfer_ns + done->verify_ns;
	daemon_learn(daemon, FACT_IMAGE | FACT_MOUNTABLE | FACT_ARRIVED);
}

void daemon_cancel_arrival(struct daemon *daemon)
{
	if (daemon->plan.keep_s == 0)
		bcast_client_cancel(daemon->bcast);
}

static void on_bcast_cancelled(void *context, const struct bcast_done *done)
{
	struct daemon *daemon = context;
	daemon->timing.ns[TIMING_EXCHANGE] = done->init_ns + done->exchange_ns;
	daemon_learn(daemon, FACT_ARRIVED);
}

/* A failure that all ranks of cmpi-bcast have agreed on reaches all daemons, in one text: node 0 says
 * it, once, and the others are silent. */
static void on_bcast_failed(void *context, const struct bcast_failed *failed)
{
	struct daemon *daemon = context;
	struct err err = failed->err;
	bool is_agreed = failed->exit_code == EXITCODE_IMAGE || failed->exit_code == EXITCODE_SETUP ||
			 failed->exit_code == EXITCODE_USAGE;
	bool node_0_speaks = is_agreed && daemon->node != TREE_NONE;
	if (node_0_speaks ? daemon_is_root(daemon) : !daemon_knows(daemon, FACT_TREE))
		return daemon_fail(daemon, failed->exit_code, "%s", err.text);
	if (node_0_speaks)
		return daemon_hold(daemon, REASON_NODE_0, failed->exit_code, "");
	/* One that it could not tell itself, being dead, lacks the name. */
	if (strncmp(err.text, "node ", 5) != 0)
		err_prefix(&err, "node %s", daemon->card.node);
	daemon_hold(daemon, failed->exit_code == EXITCODE_INTERNAL ? REASON_PROCESS : REASON_BROADCAST,
		    failed->exit_code, err.text);
}

static void on_bcast_ended(void *context, int status)
{
	log_debug("cmpi-bcast ended with status %#x", (unsigned)status);
	daemon_learn(context, FACT_BCAST_ENDED);
}

static const struct bcast_client_events bcast_events = {
	.session = on_session, .progress = on_bcast_progress, .mountable = on_bcast_mountable, .done = on_bcast_done,
	.cancelled = on_bcast_cancelled, .failed = on_bcast_failed, .ended = on_bcast_ended};

/* Whose wire-up is in our environment?  In this order: Open MPI's mpirun and Slurm's pmix plug-in set
 * PMIX_*, some also PMI_RANK. */
static const struct {
	const char *variable, *bcast;
} wire_ups[] = {
	{"PMIX_NAMESPACE", "openmpi"},
	{"OMPI_COMM_WORLD_SIZE", "openmpi"},
	{"PMI_FD", "mpich"},
	{"PMI_PORT", "mpich"},
	{"PMI_RANK", "mpich"},
};

static int find_bcast(const struct daemon *daemon, char *path, size_t size, struct err *err)
{
	for (size_t i = 0; i < sizeof wire_ups / sizeof wire_ups[0]; i++) {
		if (getenv(wire_ups[i].variable) == NULL)
			continue;
		snprintf(path, size, "%s/cmpi-bcast.%s", daemon->options->helpers, wire_ups[i].bcast);
		if (access(path, X_OK) == 0)
			return 0;
		int number = errno;
		return err_errno(err, number, "%s, which suits the launcher's wire-up (%s)", path,
				 wire_ups[i].variable);
	}
	return err_set(err, ENOENT, "the launcher gave this daemon no MPI wire-up (none of PMI_RANK, "
				    "PMIX_NAMESPACE ... is set); start it by an mpiexec or srun --mpi=...");
}

static int start_bcast(struct daemon *daemon, int image_fd, struct err *err)
{
	char path[PATH_MAX];
	AUTO_BUF struct buf card = {0}, plan = {0};
	struct bcast_hello hello = {0};
	int rc = find_bcast(daemon, path, sizeof path, err);
	if (rc < 0)
		return rc;
	daemon->arrival_fd = arrival_file_new(err);
	if (daemon->arrival_fd < 0)
		return daemon->arrival_fd;
	card_pack(&daemon->card, &card);
	if (daemon->has_plan) {
		plan_pack(&daemon->plan, &plan);
		hello.node_count = (uint32_t)daemon->plan.nodes.count;
		hello.readers = daemon->plan.readers;
		hello.keep_s = daemon->plan.keep_s;
		snprintf(hello.image_path, sizeof hello.image_path, "%s", daemon->plan.image);
	}
	if (card.failed || plan.failed)
		return err_errno(err, ENOMEM, "broadcast");
	hello.card = (struct bcast_blob){card.data, card.len};
	hello.plan = (struct bcast_blob){plan.data, plan.len};
	struct bcast_client_options options = {.bcast_path = path, .image_fd = image_fd,
					       .arrival_fd = daemon->arrival_fd, .hello = &hello};
	pass_pmi_fd(true);
	rc = bcast_client_start(daemon->loop, &options, &bcast_events, daemon, &daemon->bcast, err);
	pass_pmi_fd(false);
	return rc;
}

void daemon_take_memory(struct daemon *daemon, int take)
{
	struct err err;
	daemon->image_fd = take;
	if (start_bcast(daemon, take, &err) < 0)
		daemon_fail(daemon, EXITCODE_SETUP, "node %s: %s", daemon->card.node, err.text);
}

int daemon_start_session(struct daemon *daemon, struct err *err)
{
	/* Until cmpi-bcast tells, only the starter of node 0 surely gave us a plan. */
	log_open("cmpirun", NULL, daemon->has_plan ? daemon->plan.level : LOG_LEVEL_NORMAL);
	daemon->node = TREE_NONE;
	int rc = tree_new(daemon->loop, &tree_ops, daemon, &daemon->card.port, &daemon->tree, err);
	if (rc == 0)
		rc = init_client_request_memory(daemon->init, 0, err);
	return rc;
}
