/*
 * daemon_ranks.c - the ranks of this node: their PMI, their start, their output, their end.
 *
 * cmpi-init forks and reaps them; here are only their numbers.  A rank costs two pipes and a
 * socket, made just before it is asked for.  A lone rank on a lone node gets our own stdin,
 * stdout and stderr instead: nothing is between it and a terminal.
 */
#include "launcher/daemon_impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "launcher/singleton.h"

enum { RANK_PMI_FD = 3 };

/* -- PMI ---------------------------------------------------------------- */

static struct daemon_rank *rank_of(struct daemon *daemon, uint32_t rank)
{
	uint32_t local = rank - daemon->first_rank;
	return local < daemon->local_ranks ? &daemon->ranks[local] : NULL;
}

static void on_send_frame(void *context, uint32_t target, uint16_t type, const void *payload,
			  size_t len)
{
	struct daemon *daemon = context;
	struct err err;
	if (tree_send(daemon->tree, target, type, payload, len, &err) < 0)
		daemon_fail(daemon, EXITCODE_INTERNAL, "node %s: %s", daemon->card.node, err.text);
}

static void on_abort(void *context, uint32_t rank, int status, const char *text)
{
	struct daemon *daemon = context;
	/* An exit status has eight bits, and an abort is never a success. */
	int code = (status & 0xff) != 0 ? status & 0xff : 1;
	daemon_fail(daemon, code, "rank %u on node %s aborted the job with status %d%s%s", rank,
		    daemon->card.node, status, text[0] ? ": " : "", text);
}

static void on_log(void *context, uint32_t rank, const char *text, size_t len)
{
	(void)context;
	(void)rank;
	ssize_t ignored = write(STDERR_FILENO, text, len);
	(void)ignored;
}

static void on_rank_event(void *context, uint32_t number, enum pmi_event event)
{
	struct daemon *daemon = context;
	struct daemon_rank *rank = rank_of(daemon, number);
	if (rank == NULL)
		return;
	if (event == PMI_EVENT_CONNECTED)
		rank->has_connected = true;
	if (event == PMI_EVENT_CONNECTED && rank == daemon->ranks)
		daemon_look_later(daemon);
	if (event == PMI_EVENT_FINALIZED)
		rank->has_finalized = true;
	if (event != PMI_EVENT_FENCED || rank->has_fenced)
		return;
	rank->has_fenced = true;
	if (++daemon->fenced < daemon->local_ranks)
		return;
	daemon->timing.ns[TIMING_WIRE_UP] = clock_now_ns() - daemon->go_ns;
	daemon_look_at_transport(daemon);
}

static void on_pmi_failed(void *context, const struct err *why)
{
	struct daemon *daemon = context;
	daemon_fail(daemon, EXITCODE_INTERNAL, "node %s: PMI server: %s", daemon->card.node, why->text);
}

static const struct pmi_server_ops pmi_ops = {.send_frame = on_send_frame,
					      .abort = on_abort,
					      .log = on_log,
					      .rank_event = on_rank_event,
					      .failed = on_pmi_failed};

static int fill_pmi_job(struct daemon *daemon, struct err *err)
{
	const struct plan *plan = &daemon->plan;
	daemon->node_names = calloc(daemon->node_count, sizeof *daemon->node_names);
	daemon->node_first_rank = calloc(daemon->node_count, sizeof *daemon->node_first_rank);
	if (daemon->node_names == NULL || daemon->node_first_rank == NULL)
		return err_errno(err, ENOMEM, "PMI");
	for (uint32_t i = 0, first = 0; i < daemon->node_count; first += plan->node_ranks[i++]) {
		daemon->node_names[i] = daemon->cards[i].node;
		daemon->node_first_rank[i] = first;
	}
	daemon->pmi_job = (struct pmi_job){
		.name = plan->job,
		.node_count = daemon->node_count,
		.rank_count = plan->ranks,
		.node_names = daemon->node_names,
		.node_first_rank = daemon->node_first_rank,
		.node_rank_count = plan->node_ranks,
		.node = daemon->node,
		.fanout = TREE_FANOUT,
		.uid = getuid(),
		.gid = getgid(),
		.session_dir = daemon->session_dir,
		.rank_fd = RANK_PMI_FD,
		.program = plan->argv[0],
		.workdir = plan->work_dir,
	};
	return 0;
}

/* Can binding be ruled out before the node's cores are known? */
static bool is_unbound(const struct daemon *daemon)
{
	enum bind_choice bind = daemon->plan.bind;
	return bind == BIND_CHOICE_NONE ||
	       (bind == BIND_CHOICE_DEFAULT &&
		(daemon->local_ranks < 2 || daemon->local_ranks > card_usable_cores()));
}

/* What the user chose, or: core when every rank can have one, else none; and none for a
 * rank that has the node for itself, which is more often threaded than not. */
static void choose_binding(struct daemon *daemon)
{
	const struct binding_node *node = topology_node(daemon->topology);
	bool fits = binding_fits(node, daemon->local_ranks);
	switch (daemon->plan.bind) {
	case BIND_CHOICE_CORE: daemon->binding = BINDING_CORE; break;
	case BIND_CHOICE_NUMA: daemon->binding = BINDING_NUMA; break;
	case BIND_CHOICE_NONE: daemon->binding = BINDING_NONE; break;
	default:
		daemon->binding = fits && daemon->local_ranks > 1 ? BINDING_CORE : BINDING_NONE;
	}
	if (daemon->plan.bind == BIND_CHOICE_CORE && !fits)
		log_note("%u ranks share %u cores: some are bound to the same one", daemon->local_ranks,
			 node->core_count);
}

int daemon_start_pmi(struct daemon *daemon, struct err *err)
{
	uint64_t start = clock_now_ns();
	int rc = daemon_make_session_dir(daemon, err);
	if (rc == 0)
		rc = fill_pmi_job(daemon, err);
	if (rc == 0)
		rc = is_unbound(daemon) ? topology_none(&daemon->topology, err)
					: topology_load(&daemon->topology, err);
	if (rc < 0)
		return rc;
	choose_binding(daemon);
	rc = pmi_server_new(daemon->loop, &daemon->pmi_job, &pmi_ops, daemon, &daemon->pmi, err);
	if (rc < 0)
		return rc;
	rc = pmi_server_start_pmix(daemon->pmi, topology_handle(daemon->topology), err);
	if (rc < 0 && rc != -ENOSYS)
		return rc;
	if (rc < 0)
		log_info("no PMIx for the ranks: %s", err->text);
	daemon->timing.ns[TIMING_PMI] = clock_now_ns() - start;
	daemon_learn(daemon, FACT_PMI);
	return 0;
}

/* -- start -------------------------------------------------------------- */

/* The strings "A=1\0B=2\0" of a buffer, as an array into it. */
static size_t strings_of(const struct buf *env, const char **strings, size_t max)
{
	size_t count = 0;
	for (size_t at = 0; at < env->len && count < max; at += strlen(env->data + at) + 1)
		strings[count++] = env->data + at;
	return count;
}

/* What all ranks of this node have in common and only we know. */
static int add_environment(struct daemon *daemon, struct err *err)
{
	const struct plan *plan = &daemon->plan;
	AUTO_BUF struct buf common = {0};
	int rc = pmi_server_env(daemon->pmi, &common, err);
	if (rc < 0)
		return rc;
	buf_printf(&common, "CMPIRUN_SIZE=%u", plan->ranks);
	buf_add_u8(&common, 0);
	buf_printf(&common, "CMPIRUN_LOCAL_SIZE=%u", daemon->local_ranks);
	buf_add_u8(&common, 0);
	buf_printf(&common, "CMPIRUN_NODE=%u", daemon->node);
	buf_add_u8(&common, 0);
	if (common.failed)
		return err_errno(err, ENOMEM, "environment");
	return init_client_add_environment(daemon->init, &common, err);
}

/* One of the rank's output pipes: its end for the rank, or -errno. */
static int make_output(struct daemon *daemon, uint32_t rank, int which, struct err *err)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, errno,
				 "pipe for rank %u (each rank needs three descriptors; see ulimit -Hn)", rank);
	AUTO_FD int writer = ends[1];
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	int rc = output_add(daemon->output, rank, which, ends[0], err);
	return rc < 0 ? rc : take_fd(&writer);
}

static int make_stdin(struct daemon *daemon, uint32_t rank, struct err *err)
{
	int fd = -1;
	if (rank == 0 && isatty(STDIN_FILENO) && !daemon->plan.interactive) {
		int rc = stdin_pump_new(daemon->loop, &fd, &daemon->stdin_pump, err);
		return rc < 0 ? rc : fd;
	}
	fd = rank == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : err_errno(err, errno, "stdin of rank %u", rank);
}

static bool is_alone(const struct daemon *daemon)
{
	return daemon->plan.ranks == 1 && daemon->node_count == 1 && !daemon->plan.label;
}

static int make_streams(struct daemon *daemon, uint32_t rank, int fds[4], struct err *err)
{
	fds[0] = make_stdin(daemon, rank, err);
	if (fds[0] < 0)
		return fds[0];
	for (int which = STDOUT_FILENO; which <= STDERR_FILENO; which++) {
		fds[which] = is_alone(daemon) ? fcntl(which, F_DUPFD_CLOEXEC, 3)
					      : make_output(daemon, rank, which, err);
		if (fds[which] < 0)
			return is_alone(daemon) ? err_errno(err, EMFILE, "output of rank %u", rank)
						: fds[which];
	}
	return 0;
}

static int spawn_rank(struct daemon *daemon, uint32_t local, struct err *err)
{
	uint32_t rank = daemon->first_rank + local;
	AUTO_BUF struct buf env = {0};
	const char *strings[INIT_ENV_MAX];
	struct cpu_mask mask;
	int fds[4] = {-1, -1, -1, -1};
	int rc = make_streams(daemon, rank, fds, err);
	if (rc == 0)
		rc = pmi_server_add_rank(daemon->pmi, rank, &fds[3], &env, err);
	if (rc < 0) {
		for (int i = 0; i < 4; i++)
			close_fd(&fds[i]);
		return rc;
	}
	buf_printf(&env, "CMPIRUN_RANK=%u", rank);
	buf_add_u8(&env, 0);
	buf_printf(&env, "CMPIRUN_LOCAL_RANK=%u", local);
	buf_add_u8(&env, 0);
	struct init_spawn spawn = {.rank = rank,
				   .local_rank = local,
				   .pmi_fd = RANK_PMI_FD,
				   .environment = strings,
				   .environment_count = strings_of(&env, strings, INIT_ENV_MAX),
				   .cpus = mask.bytes};
	spawn.cpu_bytes = binding_mask(topology_node(daemon->topology), daemon->binding, local,
				       daemon->local_ranks, &mask);
	rc = init_client_spawn(daemon->init, &spawn, fds, err);
	daemon->ranks[local].is_spawned = rc == 0;
	return rc;
}

/* As many as may be under way: a rank that is asked for and not yet started holds four
 * descriptors more. */
static int ask_for_ranks(struct daemon *daemon, struct err *err)
{
	enum { UNDER_WAY_MAX = 128 };
	int rc = 0;
	while (rc == 0 && daemon->spawned < daemon->local_ranks &&
	       daemon->spawned - daemon->execed < UNDER_WAY_MAX) {
		rc = spawn_rank(daemon, daemon->spawned, err);
		daemon->spawned += rc == 0;
	}
	if (daemon->spawned == daemon->local_ranks && output_is_drained(daemon->output))
		daemon_learn(daemon, FACT_DRAINED);
	return rc;
}

static void on_drained(void *context)
{
	struct daemon *daemon = context;
	if (daemon->spawned == daemon->local_ranks || daemon_knows(daemon, FACT_ENDING))
		daemon_learn(daemon, FACT_DRAINED);
}

static void on_broken(void *context, const struct err *why)
{
	struct daemon *daemon = context;
	/* As if we had been ended by SIGPIPE ourselves, which says it without words. */
	if (why->number == EPIPE)
		daemon_fail(daemon, EXITCODE_SIGNAL + SIGPIPE, "%s", "");
	else
		daemon_fail(daemon, EXITCODE_INTERNAL, "node %s: %s", daemon->card.node, why->text);
}

static const struct output_ops output_ops = {.drained = on_drained, .broken = on_broken};

int daemon_spawn_ranks(struct daemon *daemon, struct err *err)
{
	int rc = output_new(daemon->loop, daemon->plan.label, &output_ops, daemon, &daemon->output, err);
	if (rc == 0)
		rc = add_environment(daemon, err);
	daemon->facts |= FACT_SPAWNED;
	return rc < 0 ? rc : ask_for_ranks(daemon, err);
}

void daemon_free_ranks(struct daemon *daemon)
{
	loop_remove_timer(daemon->loop, &daemon->guard_timer);
	stdin_pump_free(&daemon->stdin_pump);
	output_free(&daemon->output);
}

/* -- cmpi-init's events ------------------------------------------------- */

static void on_memory(void *context, int take)
{
	daemon_take_memory(context, take);
}

static void on_attached(void *context, const struct init_attached *attached)
{
	struct daemon *daemon = context;
	static const char *const names[] = {"auto", "fuse", "kernel"};
	daemon->timing.ns[TIMING_MOUNT] = clock_now_ns() - daemon->attach_ns;
	log_debug("mounted by %s: unshare %.2f, mount %.2f, pivot %.2f ms", names[attached->backend],
		  (double)attached->unshare_ns / 1e6, (double)attached->mount_ns / 1e6,
		  (double)attached->pivot_ns / 1e6);
	daemon_learn(daemon, FACT_ATTACHED);
}

/* -- ranks that run alone ----------------------------------------------- */

static void watch_singletons(struct daemon *daemon);

/* Of ranks that have not said a word to our PMI servers; most jobs have none by the first look.  Only what two
 * looks have seen counts: a rank may be just about to speak. */
static void on_guard(void *context)
{
	struct daemon *daemon = context;
	char library[SINGLETON_NAME_MAX];
	daemon->guard_timer = 0;
	for (uint32_t i = 0; i < daemon->local_ranks && !daemon_knows(daemon, FACT_ENDING); i++) {
		struct daemon_rank *rank = &daemon->ranks[i];
		if (rank->has_connected || rank->has_ended || rank->pid == 0 ||
		    !singleton_is(rank->pid, library))
			continue;
		if (!rank->looks_alone) {
			rank->looks_alone = true;
			continue;
		}
		return daemon_fail(daemon, EXITCODE_SETUP,
				   "rank %u on node %s runs alone: its %s has started without cmpirun's process "
				   "management, so each rank would be a world of 1 instead of %u; does the program change "
				   "its PMI*, PMIX* or OMPI_MCA* variables, or is its MPI built without PMI and PMIx?",
				   daemon->first_rank + i, daemon->card.node, library, daemon->plan.ranks);
	}
	watch_singletons(daemon);
}

static void watch_singletons(struct daemon *daemon)
{
	/* Seconds between looks: MPI_Init comes at once, or after the program has read its input. */
	static const uint64_t pauses_ms[] = {700, 1300, 3000, 5000, 20000, 60000};
	if (daemon->plan.ranks > 1 && daemon->guard_looks < sizeof pauses_ms / sizeof *pauses_ms)
		loop_add_timer(daemon->loop, pauses_ms[daemon->guard_looks++] * NS_PER_MS, on_guard, daemon,
			       &daemon->guard_timer, NULL);
}

static void on_spawned(void *context, uint32_t rank, pid_t pid)
{
	struct daemon *daemon = context;
	struct daemon_rank *state = rank_of(daemon, rank);
	struct err err;
	log_debug("rank %u is process %d", rank, (int)pid);
	if (state != NULL)
		state->pid = pid;
	daemon->execed++;
	if (!daemon_knows(daemon, FACT_ENDING) && ask_for_ranks(daemon, &err) < 0)
		daemon_fail(daemon, EXITCODE_SETUP, "node %s: cannot start the ranks: %s",
			    daemon->card.node, err.text);
	if (daemon->execed < daemon->local_ranks)
		return;
	watch_singletons(daemon);
	daemon->timing.ns[TIMING_EXEC] = clock_now_ns() - daemon->go_ns;
	timing_close(&daemon->timing);
	uint64_t now_ns = clock_realtime_ns();
	daemon->total_ns = now_ns > daemon->plan.started_ns ? now_ns - daemon->plan.started_ns : 1;
}

/* A lone program's own exit status says enough; of many ranks one must be named.  A page of the image that
 * will not come any more is a bus error to a rank. */
static void judge(struct daemon *daemon, uint32_t rank, int status)
{
	const struct daemon_rank *state = rank_of(daemon, rank);
	const char *node = daemon->card.node;
	int exit_code = WEXITSTATUS(status), signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	char text[ERR_TEXT_MAX] = "";
	if (signo != 0) {
		exit_code = EXITCODE_SIGNAL + signo;
		snprintf(text, sizeof text, "rank %u on node %s was ended by signal %d (%s)", rank, node, signo,
			 strsignal(signo));
	} else if (exit_code != 0 && !is_alone(daemon)) {
		snprintf(text, sizeof text, "rank %u on node %s ended with status %d", rank, node, exit_code);
	} else if (exit_code == 0 && state->has_connected && !state->has_finalized && daemon->plan.ranks > 1) {
		exit_code = 1;
		snprintf(text, sizeof text, "rank %u on node %s ended without MPI_Finalize", rank, node);
	}
	if (exit_code == 0)
		return;
	if (signo == 0)
		daemon_add_linker_words(daemon, rank, exit_code, text, sizeof text);
	if (daemon_holds(daemon, REASON_BROADCAST) || (signo == SIGBUS && !daemon_knows(daemon, FACT_IMAGE)))
		daemon_hold(daemon, REASON_RANK, exit_code, text);
	else
		daemon_fail(daemon, exit_code, "%s", text);
}

static void on_exited(void *context, const struct init_exited *exited)
{
	struct daemon *daemon = context;
	struct daemon_rank *rank = rank_of(daemon, exited->rank);
	if (rank == NULL || rank->has_ended)
		return;
	rank->has_ended = true;
	log_debug("rank %u has ended", exited->rank);
	/* What it said on its PMI socket is read before: abort and finalize come with their words. */
	pmi_server_rank_ended(daemon->pmi, exited->rank);
	judge(daemon, exited->rank, exited->status);
	if (++daemon->ended == daemon->local_ranks)
		daemon_learn(daemon, FACT_ENDED);
}

static void on_init_failed(void *context, int32_t rank, int exit_code, const struct err *why)
{
	struct daemon *daemon = context;
	daemon->init_has_failed = true;
	if (rank != INIT_NO_RANK)
		daemon_fail(daemon, exit_code, "rank %d on node %s: %s", rank, daemon->card.node,
			    why->text);
	else
		daemon_fail(daemon, exit_code, "node %s: %s", daemon->card.node, why->text);
}

static void on_server_died(void *context, int status)
{
	struct daemon *daemon = context;
	if (daemon_knows(daemon, FACT_ENDED))
		return;
	if (WIFSIGNALED(status))
		daemon_fail(daemon, EXITCODE_NODE, "node %s: the image server cmpi-imgfs was ended by signal %d",
			    daemon->card.node, WTERMSIG(status));
	else
		daemon_fail(daemon, EXITCODE_NODE, "node %s: the image server cmpi-imgfs ended with status %d",
			    daemon->card.node, WEXITSTATUS(status));
}

static void on_gone(void *context)
{
	struct daemon *daemon = context;
	if (daemon_knows(daemon, FACT_ENDED) || daemon_knows(daemon, FACT_ENDING))
		daemon_learn(daemon, FACT_ENDED | FACT_GONE);
}

static void on_init_ended(void *context, int status)
{
	struct daemon *daemon = context;
	daemon->init_has_ended = true;
	if (!daemon_knows(daemon, FACT_GONE))
		daemon_fail(daemon, EXITCODE_NODE, "node %s: cmpi-init ended unexpectedly (status %#x)",
			    daemon->card.node, (unsigned)status);
	daemon_learn(daemon, FACT_ENDED | FACT_GONE);
}

const struct init_client_events daemon_init_events = {.memory = on_memory,
						      .attached = on_attached,
						      .spawned = on_spawned,
						      .exited = on_exited,
						      .failed = on_init_failed,
						      .server_died = on_server_died,
						      .gone = on_gone,
						      .ended = on_init_ended};
