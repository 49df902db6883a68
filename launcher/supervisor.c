/*
 * supervisor.c - the launcher as a child, and the daemon's word beside it (supervisor.h).
 *
 * In: the launcher's end (a pidfd), frames of the daemon, the user's signals.  Out: texts on
 * stderr, and one exit status: the daemon's if it told one, else the launcher's.
 *
 * Signals.  At a terminal the launcher gets ^C as well, being in the same process group, and does
 * with it what it does; kill(1) may have meant us alone.  Nobody can tell which it was, and a
 * signal passed on could come twice.  So it is told to the daemon, which counts what came by each
 * way and takes the larger number: the job ends whichever way the word comes.  Only without a
 * daemon (it has not connected yet) the launcher is asked, after a moment.
 *
 * A launcher that outlives a failed job is asked to end (TERM), then killed.  Only itself: what it
 * has started on this node may be a daemon of ours, which cleans up.  After a good end it may take
 * its time.
 */
#include "launcher/supervisor.h"

#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "common/loop.h"
#include "launcher/tree.h"

#define SIGNAL_NS NS_PER_S            /* for a launcher that has the signal, too, to act on it */
#define LAST_WORDS_NS (6 * NS_PER_S)  /* a daemon's own end takes up to four */
#define GRACE_NS (4 * NS_PER_S)       /* the launcher's end after a failed job, then TERM */
#define KILL_NS (2 * NS_PER_S)        /* TERM to KILL */

struct supervisor {
	struct loop *loop;
	struct tree *tree;
	struct card cards[SUPERVISOR_NODES];
	uint8_t key[AUTH_KEY_SIZE];
	pid_t launcher;        /* 0: not started, or reaped */
	int pidfd;
	bool is_connected;     /* the daemon is there */
	int launcher_status;   /* as of a shell; -1: it runs */
	int job_status;        /* -1: not told */
	int signo;             /* the last one; 0: none */
	uint32_t signal_timer, words_timer, grace_timer;
};

/* -- the end ------------------------------------------------------------ */

static void kill_launcher(struct supervisor *supervisor)
{
	if (supervisor->launcher > 0)
		kill(supervisor->launcher, SIGKILL);
}

static void finish(struct supervisor *supervisor)
{
	int status = supervisor->job_status >= 0 ? supervisor->job_status
						 : supervisor->launcher_status;
	loop_stop(supervisor->loop, status);
}

/* All that will be said has been said, and the launcher has ended? */
static void look_for_end(struct supervisor *supervisor)
{
	bool is_told = supervisor->job_status >= 0 || !supervisor->is_connected;
	if (supervisor->launcher_status >= 0 && is_told)
		finish(supervisor);
}

static void on_kill(void *context)
{
	struct supervisor *supervisor = context;
	supervisor->grace_timer = 0;
	kill_launcher(supervisor);
}

static void on_grace(void *context)
{
	struct supervisor *supervisor = context;
	log_debug("the launcher is asked to end");
	kill(supervisor->launcher, SIGTERM);
	supervisor->grace_timer = 0;
	loop_add_timer(supervisor->loop, KILL_NS, on_kill, supervisor, &supervisor->grace_timer,
		       NULL);
}

/* The job has failed: its launcher has this long. */
static void limit_launcher(struct supervisor *supervisor)
{
	if (supervisor->launcher > 0 && supervisor->grace_timer == 0)
		loop_add_timer(supervisor->loop, GRACE_NS, on_grace, supervisor,
			       &supervisor->grace_timer, NULL);
}

/* -- the daemon --------------------------------------------------------- */

static void tell_daemon(struct supervisor *supervisor, int signo)
{
	AUTO_BUF struct buf payload = {0};
	buf_add_u32(&payload, (uint32_t)signo);
	tree_send(supervisor->tree, SUPERVISOR_DAEMON, SUPERVISOR_FRAME_INTERRUPT, payload.data,
		  payload.len, NULL);
}

static void on_ready(void *context)
{
	struct supervisor *supervisor = context;
	supervisor->is_connected = true;
	if (supervisor->signal_timer != 0)
		tell_daemon(supervisor, supervisor->signo);
	loop_remove_timer(supervisor->loop, &supervisor->signal_timer);
}

static void say(const struct frame *frame)
{
	char text[ERR_TEXT_MAX];
	struct cursor in = cursor_of(frame->payload, frame->len);
	cursor_str(&in, text, sizeof text);
	if (!in.bad)
		log_error("%s", text);
}

static void take_status(struct supervisor *supervisor, const struct frame *frame)
{
	struct cursor in = cursor_of(frame->payload, frame->len);
	int status = (int)(cursor_u32(&in) & 0xff);
	supervisor->job_status = in.bad ? EXITCODE_INTERNAL : status;
	supervisor->is_connected = false;
	tree_free(&supervisor->tree);  /* the daemon waits for this end */
	if (supervisor->job_status != EXITCODE_OK)
		limit_launcher(supervisor);
	look_for_end(supervisor);
}

static void on_frame(void *context, const struct frame *frame)
{
	if (frame->type == SUPERVISOR_FRAME_SAY)
		say(frame);
	else if (frame->type == SUPERVISOR_FRAME_STATUS)
		take_status(context, frame);
}

static void on_lost(void *context, uint32_t node, const struct err *why)
{
	struct supervisor *supervisor = context;
	(void)node;
	supervisor->is_connected = false;
	supervisor->job_status = EXITCODE_NODE;
	log_error("node %s was lost (%s): the job ends", supervisor->cards[SUPERVISOR_DAEMON].node,
		  why->text);
	limit_launcher(supervisor);
	look_for_end(supervisor);
}

static const struct tree_ops tree_ops = {.ready = on_ready, .frame = on_frame, .lost = on_lost};

/* -- the launcher ------------------------------------------------------- */

static void on_silence(void *context)
{
	struct supervisor *supervisor = context;
	supervisor->words_timer = 0;
	supervisor->is_connected = false;
	look_for_end(supervisor);
}

static void on_launcher_end(void *context, int fd, uint32_t events)
{
	struct supervisor *supervisor = context;
	int status = 0;
	(void)events;
	if (waitpid(supervisor->launcher, &status, WNOHANG) != supervisor->launcher)
		return;
	loop_remove_fd(supervisor->loop, fd);
	supervisor->launcher = 0;
	supervisor->launcher_status = WIFSIGNALED(status) ? EXITCODE_SIGNAL + WTERMSIG(status)
							  : WEXITSTATUS(status);
	loop_remove_timer(supervisor->loop, &supervisor->grace_timer);
	loop_add_timer(supervisor->loop, LAST_WORDS_NS, on_silence, supervisor,
		       &supervisor->words_timer, NULL);
	look_for_end(supervisor);
}

static _Noreturn void become_launcher(char *const *argv)
{
	loop_child_signals();
	execvp(argv[0], argv);
	int number = errno;
	struct err err;
	err_errno(&err, number, "start the daemons: %s", argv[0]);
	log_error("%s", err.text);
	_exit(EXITCODE_NODE);
}

static int start_launcher(struct supervisor *supervisor, char *const *argv, struct err *err)
{
	supervisor->launcher = fork();
	if (supervisor->launcher < 0) {
		int number = errno;
		supervisor->launcher = 0;
		return err_errno(err, number, "start the daemons: fork");
	}
	if (supervisor->launcher == 0)
		become_launcher(argv);
	supervisor->pidfd = pidfd_open(supervisor->launcher, 0);
	if (supervisor->pidfd < 0)
		return err_errno(err, errno, "watch %s (pidfd_open(2))", argv[0]);
	return loop_add_fd(supervisor->loop, supervisor->pidfd, EPOLLIN, on_launcher_end, supervisor,
			   err);
}

/* -- signals ------------------------------------------------------------ */

static void on_signal_late(void *context)
{
	struct supervisor *supervisor = context;
	supervisor->signal_timer = 0;
	if (supervisor->launcher > 0)
		kill(supervisor->launcher, supervisor->signo);
}

static void on_interrupt(void *context, const struct signalfd_siginfo *info)
{
	struct supervisor *supervisor = context;
	supervisor->signo = (int)info->ssi_signo;
	if (supervisor->is_connected)
		tell_daemon(supervisor, supervisor->signo);
	else if (supervisor->signal_timer == 0)
		loop_add_timer(supervisor->loop, SIGNAL_NS, on_signal_late, supervisor,
			       &supervisor->signal_timer, NULL);
}

static int watch_signals(struct supervisor *supervisor, struct err *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		int rc = loop_add_signal(supervisor->loop, signals[i], on_interrupt, supervisor, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* -- the whole ---------------------------------------------------------- */

int supervisor_new(struct plan *plan, struct supervisor **out, struct err *err)
{
	AUTO_CALL(supervisor_free) struct supervisor *supervisor = calloc(1, sizeof *supervisor);
	if (supervisor == NULL)
		return err_errno(err, ENOMEM, "supervisor");
	*supervisor = (struct supervisor){.pidfd = -1, .launcher_status = -1, .job_status = -1};
	struct card *own = &supervisor->cards[SUPERVISOR_SELF];
	int rc = loop_new(&supervisor->loop, err);
	if (rc == 0)
		rc = card_of_this_node(own, err);
	if (rc == 0)
		rc = tree_new(supervisor->loop, &tree_ops, supervisor, &own->port, &supervisor->tree,
			      err);
	if (rc < 0)
		return rc;
	randombytes_buf(supervisor->key, sizeof supervisor->key);
	struct card *daemon = &supervisor->cards[SUPERVISOR_DAEMON];
	memcpy(daemon->node, plan->nodes.names[0],
	       strnlen(plan->nodes.names[0], sizeof daemon->node - 1));
	plan->supervisor = *own;
	memcpy(plan->supervisor_key, supervisor->key, sizeof plan->supervisor_key);
	*out = take_ptr(&supervisor);
	return 0;
}

void supervisor_free(struct supervisor **where)
{
	struct supervisor *supervisor = take_ptr(where);
	if (supervisor == NULL)
		return;
	tree_free(&supervisor->tree);
	if (supervisor->pidfd >= 0)
		loop_remove_fd(supervisor->loop, supervisor->pidfd);
	close_fd(&supervisor->pidfd);
	loop_free(&supervisor->loop);
	explicit_bzero(supervisor->key, sizeof supervisor->key);
	free(supervisor);
}

int supervisor_run(struct supervisor *supervisor, char *const *argv, struct err *err)
{
	int rc = watch_signals(supervisor, err);
	if (rc == 0)
		rc = tree_start(supervisor->tree, SUPERVISOR_SELF, SUPERVISOR_NODES,
				supervisor->cards, supervisor->key, err);
	if (rc == 0)
		rc = start_launcher(supervisor, argv, err);
	if (rc < 0) {
		kill_launcher(supervisor);
		return rc;
	}
	return loop_run(supervisor->loop, err);
}
