/*
 * daemon_reason.c - why the job ends, when several things say it at about the same time.
 *
 * A lost node shows as an MPI that complains, as an mpiexec that sends TERM, as ranks that die of a page
 * that never comes; and only the tree knows its name, at times a second later.  So what may be the
 * effect of something else is held for a while.  A stronger reason takes its place, a weaker one is
 * dropped, and what is certain (a lost node, a rank's own exit) is told at once by daemon_fail().
 */
#include "launcher/daemon_impl.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/exitcode.h"

/* How long.  A cause is told before its symptoms: the node of a dead cmpi-bcast speaks before those whose MPI
 * misses it. */
static const uint64_t hold_ns[] = {
	[REASON_TERM] = 500 * NS_PER_MS,
	[REASON_RANK] = 500 * NS_PER_MS,
	[REASON_BROADCAST] = 1500 * NS_PER_MS,
	[REASON_PROCESS] = 1000 * NS_PER_MS,
	[REASON_NODE_0] = 1500 * NS_PER_MS,
};

static void on_held(void *context)
{
	struct daemon *daemon = context;
	daemon->held_timer = 0;
	if (daemon->held_reason == REASON_TERM)
		daemon_interrupt(daemon, SIGTERM, &daemon->interrupts);
	else
		daemon_fail(daemon, daemon->held_status, "%s", daemon->held_text);
}

bool daemon_holds(const struct daemon *daemon, enum daemon_reason least)
{
	return daemon->held_timer != 0 && daemon->held_reason >= least;
}

void daemon_hold(struct daemon *daemon, enum daemon_reason reason, int status, const char *text)
{
	if (daemon_knows(daemon, FACT_ENDING) || daemon_holds(daemon, reason))
		return;
	loop_remove_timer(daemon->loop, &daemon->held_timer);
	daemon->held_reason = reason;
	daemon->held_status = status;
	snprintf(daemon->held_text, sizeof daemon->held_text, "%s", text);
	if (loop_add_timer(daemon->loop, hold_ns[reason], on_held, daemon, &daemon->held_timer, NULL) < 0)
		on_held(daemon);
}
