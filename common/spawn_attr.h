/*
 * spawn_attr.h - attributes that posix_spawn(3) lacks a word for.
 */
#ifndef COMMON_SPAWN_ATTR_H
#define COMMON_SPAWN_ATTR_H

#include <signal.h>
#include <spawn.h>

/* The child's signals are nobody's: none is blocked (we may read ours by a signalfd), none ignored but
 * `kept` if it is here (0: none).  flags: POSIX_SPAWN_* that are wanted besides. */
static inline void spawn_attr_reset_signals(posix_spawnattr_t *attributes, int kept, short flags)
{
	sigset_t none, defaults;
	sigemptyset(&none);
	sigfillset(&defaults);
	sigdelset(&defaults, SIGKILL);
	sigdelset(&defaults, SIGSTOP);
	if (kept != 0)
		sigdelset(&defaults, kept);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &defaults);
	posix_spawnattr_setflags(attributes,
				 (short)(flags | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
}

#endif
