/*
 * daemon.c - the life of a node daemon: facts, steps, the end of the job.
 *
 * In: the plan (or, on nodes but the first, cmpi-bcast that brings it).  Out: an
 * exit status.  Everything in between is events; each tells daemon_learn() a fact,
 * and the table below says which step may be taken when.
 *
 * The end has one way too, whether ranks ended well or a node was lost: local ranks gone, output
 * written, subtrees below done, DONE to the parent; only that on failure (FACT_ENDING) nobody waits
 * for long.  Node 0 decides the status: the first failure that it hears of.  A
 * daemon that cannot reach node 0 says its failure itself, on its own stderr.
 */
#include "launcher/daemon_impl.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/exitcode.h"
#include "common/log.h"

#define GRACE_NS (2 * NS_PER_S)        /* TERM to KILL */
#define END_DEADLINE_NS (4 * NS_PER_S) /* after that nobody below is waited for */
#define BCAST_END_NS (3 * NS_PER_S)    /* after that cmpi-bcast's MPI is not waited for */

/* -- steps -------------------------------------------------------------- */

static int step_pmi(struct daemon *daemon, struct err *err)
{
	return daemon_start_pmi(daemon, err);
}

/* The MPI swap was decided where the plan was made, and mounts files of this node. */
static int step_compare(struct daemon *daemon, struct err *err)
{
	(void)err;
	bool same = fingerprints_compare(&daemon->plan.host_files, &daemon->host_err) == 0;
	daemon_learn(daemon, same ? FACT_HOST_SAME : FACT_HOST_DIFFERS);
	return 0;
}

/* By the tree: node 0 says it once, whoever else deviates. */
static int step_differ(struct daemon *daemon, struct err *err)
{
	(void)err;
	daemon_fail(daemon, EXITCODE_SETUP, "node %s: %s; the swapped MPI must be the same on all nodes, or "
		    "--mpi container runs the image's own", daemon->card.node, daemon->host_err.text);
	return 0;
}

static int open_profile(const struct daemon *daemon, int *fd, struct err *err)
{
	const char *path = daemon->plan.profile;
	if (path == NULL || path[0] == '\0' || !daemon_is_root(daemon))
		return 0;
	*fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	return *fd < 0 ? err_errno(err, errno, "--profile-record %s", path) : 0;
}

static int step_attach(struct daemon *daemon, struct err *err)
{
	static const enum init_backend backends[] = {
		[MOUNT_CHOICE_AUTO] = INIT_BACKEND_AUTO,
		[MOUNT_CHOICE_FUSE] = INIT_BACKEND_FUSE,
		[MOUNT_CHOICE_KERNEL] = INIT_BACKEND_KERNEL,
	};
	struct mount_plan *mounts = &daemon->plan.mounts;
	int rc = daemon_make_session_dir(daemon, err);
	if (rc == 0)
		rc = daemon_bind_session_dir(daemon, mounts, err);
	if (rc < 0)
		return rc;
	mount_plan_sort(mounts);
	AUTO_FD int profile_fd = -1;
	if ((rc = open_profile(daemon, &profile_fd, err)) < 0)
		return rc;
	uint8_t hash[INIT_HASH_SIZE];
	size_t hash_len = 0;
	const char *root = daemon->plan.root_hash;
	if (root != NULL && root[0] != '\0' &&
	    (sodium_hex2bin(hash, sizeof hash, root, strlen(root), NULL, &hash_len, NULL) != 0 ||
	     hash_len != sizeof hash))
		return err_set(err, EPROTO, "the plan's root hash is malformed");
	const struct init_attach attach = {
		.plan = mounts,
		.backend = backends[daemon->plan.mount],
		.image_fd = daemon->image_fd,
		.arrival_fd = daemon_knows(daemon, FACT_IMAGE) ? -1 : daemon->arrival_fd,
		.profile_fd = profile_fd,
		.root_hash = hash_len ? hash : NULL,
	};
	daemon->attach_ns = clock_now_ns();
	rc = init_client_attach(daemon->init, &attach, err);
	/* The job is sent along: the program's pages then come while the PMI servers start. */
	const struct plan *plan = &daemon->plan;
	struct init_job job = {.argv = plan->argv,
			       .environment = plan->environment,
			       .cwd = plan->work_dir,
			       .cwd_required = plan->work_dir_required,
			       .cwd_else = plan->work_dir_else,
			       .interactive = plan->interactive};
	return rc < 0 ? rc : init_client_set_job(daemon->init, &job, err);
}

static int step_ready(struct daemon *daemon, struct err *err)
{
	AUTO_BUF struct buf payload = {0};
	(void)err;
	daemon->timing.ns[TIMING_READY] = clock_now_ns() - daemon->started_ns;
	if (daemon_is_root(daemon)) {
		daemon_send_all(daemon, DAEMON_FRAME_GO);
		daemon_learn(daemon, FACT_GO);
		return 0;
	}
	daemon_send_up(daemon, DAEMON_FRAME_READY, &payload);
	return 0;
}

static int step_spawn(struct daemon *daemon, struct err *err)
{
	daemon->go_ns = clock_now_ns();
	return daemon_spawn_ranks(daemon, err);
}

/* Ranks may have left processes behind: the job is over, so are they. */
static int step_sweep(struct daemon *daemon, struct err *err)
{
	return init_client_kill(daemon->init, err);
}

static void print_timing(const struct daemon *daemon)
{
	AUTO_BUF struct buf line = {0};
	const struct plan *plan = &daemon->plan;
	if (plan->timing == TIMING_NONE || daemon->total_ns == 0)
		return;
	if (plan->timing == TIMING_JSON)
		timing_print_json(&daemon->timing, plan->ranks, daemon->node_count, daemon->total_ns,
				  daemon->image_bytes, &line);
	else
		timing_print(&daemon->timing, plan->ranks, daemon->node_count, daemon->total_ns, &line);
	if (!line.failed)
		dprintf(STDERR_FILENO, "%s%.*s\n", plan->timing == TIMING_JSON ? "" : "cmpirun: ",
			(int)line.len, line.data);
}

static void on_bcast_deadline(void *context)
{
	struct daemon *daemon = context;
	daemon->bcast_timer = 0;
	daemon_learn(daemon, FACT_BCAST_ENDED);
}

/* It has long done its work, but a launcher takes an MPI process that is killed for a job that crashed.  Where the
 * image was kept it ends when the nodes that lack it have it: as long as it takes, unless the job fails. */
static int step_await_bcast(struct daemon *daemon, struct err *err)
{
	if (daemon->image_was_kept)
		return 0;
	return loop_add_timer(daemon->loop, BCAST_END_NS, on_bcast_deadline, daemon,
			      &daemon->bcast_timer, err);
}

/* Everybody's ranks have ended before the image is whole: nobody needs the rest, unless it is to be kept. */
static int step_idle(struct daemon *daemon, struct err *err)
{
	(void)err;
	if (daemon_is_root(daemon))
		daemon_cancel_arrival(daemon);
	else
		daemon_send_up(daemon, DAEMON_FRAME_IDLE, NULL);
	return 0;
}

static int step_done(struct daemon *daemon, struct err *err)
{
	AUTO_BUF struct buf payload = {0};
	(void)err;
	daemon_end_probe(daemon);
	if (daemon_is_root(daemon)) {
		print_timing(daemon);
		daemon_warn_of_transport(daemon);
		daemon_stop(daemon, daemon->status < 0 ? EXITCODE_OK : daemon->status);
		return 0;
	}
	timing_pack(&daemon->timing, &payload);
	daemon_send_up(daemon, DAEMON_FRAME_DONE, &payload);
	tree_expect_end(daemon->tree, tree_parent(daemon->node));
	/* Node 0 alone speaks for the job, unless it cannot know. */
	bool known_above = daemon_knows(daemon, FACT_TREE);
	loop_stop(daemon->loop, known_above || daemon->status < 0 ? EXITCODE_OK : daemon->status);
	return 0;
}

static const struct step {
	const char *name;
	unsigned needs, excludes;
	int (*take)(struct daemon *daemon, struct err *err);
} steps[] = {
	{"compare the host's files", FACT_PLAN, FACT_ENDING, step_compare},
	{"tell the difference", FACT_HOST_DIFFERS | FACT_TREE, FACT_ENDING, step_differ},
	{"mount the image", FACT_HOST_SAME | FACT_MOUNTABLE, FACT_ENDING, step_attach},
	{"start the PMI servers", FACT_PLAN, FACT_ENDING, step_pmi},
	{"report readiness", FACT_ATTACHED | FACT_PMI | FACT_TREE | FACT_CHILDREN_READY, FACT_ENDING,
	 step_ready},
	{"start the ranks", FACT_GO, FACT_ENDING, step_spawn},
	{"sweep", FACT_SPAWNED | FACT_ENDED, FACT_ENDING, step_sweep},
	{"need no image", FACT_ENDED | FACT_GONE | FACT_DRAINED | FACT_CHILDREN_IDLE, FACT_ARRIVED | FACT_ENDING,
	 step_idle},
	{"await the end of cmpi-bcast",
	 FACT_ENDED | FACT_GONE | FACT_DRAINED | FACT_CHILDREN_DONE | FACT_ARRIVED, FACT_BCAST_ENDED,
	 step_await_bcast},
	{"end", FACT_ENDED | FACT_GONE | FACT_DRAINED | FACT_CHILDREN_DONE | FACT_BCAST_ENDED, 0,
	 step_done},
};

/* Takes every step whose facts are there, once each.  A step may learn facts itself. */
static void advance(struct daemon *daemon)
{
	if (daemon->is_advancing)
		return;
	daemon->is_advancing = true;
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct err err;
		if ((daemon->steps_taken & 1u << i) != 0 || !daemon_knows(daemon, steps[i].needs) ||
		    (daemon->facts & steps[i].excludes) != 0)
			continue;
		daemon->steps_taken |= 1u << i;
		log_debug("%.1f ms: %s", (double)(clock_now_ns() - daemon->started_ns) / 1e6,
			  steps[i].name);
		if (steps[i].take(daemon, &err) < 0)
			daemon_fail(daemon, EXITCODE_SETUP, "cannot %s: %s", steps[i].name, err.text);
		i = (size_t)-1;  /* what is possible may have changed: look from the start */
	}
	daemon->is_advancing = false;
}

void daemon_learn(struct daemon *daemon, unsigned facts)
{
	daemon->facts |= facts;
	advance(daemon);
}

/* -- the end ------------------------------------------------------------ */

const char *daemon_node_name(const struct daemon *daemon, uint32_t node)
{
	return daemon->cards != NULL && node < daemon->node_count ? daemon->cards[node].node
								   : daemon->card.node;
}

static void on_grace(void *context)
{
	struct daemon *daemon = context;
	daemon->grace_timer = 0;
	daemon_end_ranks(daemon, true);
}

/* Somebody below does not answer: they clean up by themselves, since their link to us ends. */
static void on_deadline(void *context)
{
	struct daemon *daemon = context;
	daemon->deadline_timer = 0;
	daemon_end_ranks(daemon, true);
	daemon_learn(daemon, FACT_ENDED | FACT_GONE | FACT_DRAINED | FACT_CHILDREN_DONE |
				     FACT_BCAST_ENDED);
}

void daemon_end_ranks(struct daemon *daemon, bool hard)
{
	if (daemon->init == NULL || daemon->init_has_ended)
		return;
	/* After a failure cmpi-init starts nothing more: what runs is what it has reported. */
	uint32_t started = daemon->init_has_failed ? daemon->execed : daemon->spawned;
	if (hard || started == daemon->ended) {
		init_client_quit(daemon->init, NULL);
		return;
	}
	init_client_signal(daemon->init, SIGTERM, NULL);
	init_client_signal(daemon->init, SIGCONT, NULL);  /* a stopped rank shall hear it */
	if (daemon->grace_timer == 0)
		loop_add_timer(daemon->loop, GRACE_NS, on_grace, daemon, &daemon->grace_timer, NULL);
}

/* From here on: only towards the end. */
static void begin_ending(struct daemon *daemon)
{
	if (daemon_knows(daemon, FACT_ENDING))
		return;
	daemon->facts |= FACT_ENDING;
	loop_remove_timer(daemon->loop, &daemon->held_timer);
	daemon_abort_wire_up(daemon, daemon->status);
	/* With nothing more to come it ends by itself, and in good order. */
	if (daemon->bcast != NULL && !daemon_knows(daemon, FACT_ARRIVED))
		bcast_client_kill(daemon->bcast);
	if (daemon->bcast == NULL || !daemon_knows(daemon, FACT_ARRIVED))
		daemon->facts |= FACT_BCAST_ENDED;
	daemon_end_arrival(daemon);
	if (daemon_is_root(daemon) && daemon_knows(daemon, FACT_TREE))
		daemon_send_all(daemon, DAEMON_FRAME_KILL);
	loop_add_timer(daemon->loop, END_DEADLINE_NS, on_deadline, daemon, &daemon->deadline_timer, NULL);
	daemon_end_ranks(daemon, false);
	unsigned none_runs = FACT_ENDED | FACT_GONE | FACT_DRAINED;
	if (!daemon_knows(daemon, FACT_SPAWNED))
		daemon->facts |= none_runs;
	if (!daemon_knows(daemon, FACT_TREE))
		daemon->facts |= FACT_CHILDREN_DONE;
	advance(daemon);  /* from inside of a step this does nothing: the caller goes on */
}

void daemon_fail(struct daemon *daemon, int status, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	bool is_first = daemon->status < 0;
	if (is_first)
		daemon->status = status;
	bool tell_root = !daemon_is_root(daemon) && daemon_knows(daemon, FACT_TREE);
	if (tell_root && !daemon_knows(daemon, FACT_ENDING)) {
		AUTO_BUF struct buf payload = {0};
		buf_add_u32(&payload, (uint32_t)status);
		buf_add_str(&payload, text);
		daemon_send_root(daemon, DAEMON_FRAME_FAILED, &payload);
	} else if (is_first && text[0] != '\0') {
		daemon_say(daemon, text);
	} else if (text[0] != '\0') {
		log_debug("%s", text);
	}
	begin_ending(daemon);
}

static void on_timeout(void *context)
{
	struct daemon *daemon = context;
	daemon_fail(daemon, EXITCODE_TIMEOUT, "the job has run for %u s (--timeout): it is ended",
		    daemon->plan.timeout_s);
}

/* -- start -------------------------------------------------------------- */

/* The plan is here, and who we are: what follows from that. */
int daemon_adopt_plan(struct daemon *daemon, struct err *err)
{
	const struct plan *plan = &daemon->plan;
	daemon->node_count = (uint32_t)plan->nodes.count;
	if (daemon->node >= daemon->node_count)
		return err_set(err, EPROTO, "the plan has no node %u", daemon->node);
	daemon->first_rank = plan_first_rank(plan, daemon->node);
	daemon->local_ranks = plan->node_ranks[daemon->node];
	/* Errors name their node themselves: node 0 prints those of others. */
	bool many = daemon->node_count > 1 && plan->level >= LOG_LEVEL_VERBOSE;
	log_open("cmpirun", many ? daemon->card.node : NULL, plan->level);
	daemon->ranks = calloc(daemon->local_ranks + 1, sizeof *daemon->ranks);
	if (daemon->ranks == NULL)
		return err_errno(err, ENOMEM, "ranks");
	if (daemon_is_root(daemon)) {
		uint64_t now = clock_realtime_ns();
		daemon->timing.ns[TIMING_START] = now > plan->started_ns ? now - plan->started_ns : 0;
		int rc = 0;
		if (plan->timeout_s > 0)
			rc = loop_add_timer(daemon->loop, plan->timeout_s * NS_PER_S, on_timeout, daemon, NULL,
					    err);
		return rc < 0 ? rc : daemon_start_report(daemon, err);
	}
	return 0;
}

static int start_init(struct daemon *daemon, struct err *err)
{
	char init[PATH_MAX], imgfs[PATH_MAX];
	snprintf(init, sizeof init, "%s/cmpi-init", daemon->options->helpers);
	snprintf(imgfs, sizeof imgfs, "%s/cmpi-imgfs", daemon->options->helpers);
	struct init_client_options options = {.init_path = init, .imgfs_path = imgfs};
	return init_client_start(daemon->loop, &options, &daemon_init_events, daemon, &daemon->init,
				 err);
}

static int start_one_node(struct daemon *daemon, struct err *err)
{
	daemon->cards = calloc(1, sizeof *daemon->cards);
	if (daemon->cards == NULL)
		return err_errno(err, ENOMEM, "cards");
	daemon->cards[0] = daemon->card;
	daemon->image_fd = daemon->options->image_fd;
	daemon->image_bytes = daemon->plan.image_size;
	int rc = daemon_adopt_plan(daemon, err);
	if (rc == 0)
		daemon_learn(daemon, FACT_PLAN | FACT_IMAGE | FACT_MOUNTABLE | FACT_ARRIVED | FACT_TREE |
					     FACT_CHILDREN_READY | FACT_CHILDREN_IDLE | FACT_CHILDREN_DONE |
					     FACT_BCAST_ENDED);
	return rc;
}

static int start(struct daemon *daemon, struct err *err)
{
	int rc = loop_new(&daemon->loop, err);
	if (rc == 0)
		rc = start_init(daemon, err);  /* first: its work goes on beside ours */
	daemon_raise_limits();
	if (rc == 0)
		rc = daemon_watch_signals(daemon, err);
	if (rc < 0)
		return rc;
	if (daemon->options->plan != NULL) {
		daemon->plan = *daemon->options->plan;
		*daemon->options->plan = (struct plan){0};
		daemon->has_plan = true;
	}
	bool is_one_node = daemon->has_plan && daemon->plan.nodes.count == 1;
	if (is_one_node && gethostname(daemon->card.node, sizeof daemon->card.node - 1) < 0)
		return err_errno(err, errno, "gethostname");
	if (!is_one_node)
		rc = card_of_this_node(&daemon->card, err);
	if (rc < 0)
		return rc;
	timing_init(&daemon->timing, daemon->card.node);
	return is_one_node ? start_one_node(daemon, err) : daemon_start_session(daemon, err);
}

static void finish(struct daemon *daemon)
{
	daemon_end_probe(daemon);
	daemon_free_ranks(daemon);
	bcast_client_free(&daemon->bcast);
	tree_free(&daemon->tree);
	tree_free(&daemon->report);
	init_client_free(&daemon->init);
	pmi_server_free(&daemon->pmi);
	topology_free(&daemon->topology);
	daemon_remove_session_dir(daemon);
	plan_free(&daemon->plan);
	free(daemon->cards);
	free(daemon->ranks);
	free(daemon->node_names);
	free(daemon->node_first_rank);
	loop_free(&daemon->loop);
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon daemon = {.options = options, .image_fd = -1, .arrival_fd = -1, .status = -1,
				.final_status = -1, .probe_fd = -1,
				.started_ns = clock_now_ns()};
	struct err err;
	daemon_prepare_process();
	daemon.is_wiring_up = options->plan == NULL || options->plan->nodes.count > 1;
	int status = start(&daemon, &err);
	if (status < 0) {
		log_error("%s%s%s", daemon.card.node, daemon.card.node[0] ? ": " : "", err.text);
		status = EXITCODE_SETUP;
		daemon_abort_wire_up(&daemon, status);
	} else {
		status = loop_run(daemon.loop, &err);
		if (status < 0) {
			log_error("%s", err.text);
			status = EXITCODE_INTERNAL;
		}
	}
	finish(&daemon);
	return status;
}
