/*
 * shield.h - a daemon that its launcher cannot kill before it has spoken.
 *
 * An mpiexec that lost a node kills (SIGKILL) what it had started on the others, at times before
 * their daemons have said why the job ends, or have ended it in order.  So what it starts is only
 * a shield, and the daemon its child, in a process group of its own: a killed shield becomes a
 * TERM for the daemon (PR_SET_PDEATHSIG, prctl(2)).
 */
#ifndef LAUNCHER_SHIELD_H
#define LAUNCHER_SHIELD_H

#include "common/err.h"

/* Returns 0 in the daemon.  The shield stays inside: it passes signals on and ends with the
 * daemon's status.  -errno: there is none, and this process is the daemon. Single-threaded. */
int shield_raise(struct err *err);

#endif
