/*
 * daemon_patience.h - is an image that can be mounted worth a wait until it is whole?  Pure.
 *
 * Ranks that poll for messages take the cores and the link that the rest of the broadcast needs, so an image that is
 * whole in a moment is waited for.  How long it still takes is judged by what comes while we look: what came
 * before is mostly the beginning (memory, connections, the first chunks on their way down the trees), and would make every
 * image look slow.
 */
#ifndef LAUNCHER_DAEMON_PATIENCE_H
#define LAUNCHER_DAEMON_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

#define PATIENCE_LOOK_NS (80 * NS_PER_MS)  /* a shorter look says nothing */
#define PATIENCE_REST_NS (500 * NS_PER_MS) /* a longer rest is not waited for */
#define PATIENCE_MOST_NS NS_PER_S          /* whatever the looks say */

/* `came` bytes came in `in_ns`, `rest` are still to come.  false: look again. */
static inline bool patience_is_lost(uint64_t came, uint64_t in_ns, uint64_t rest)
{
	return in_ns >= PATIENCE_LOOK_NS &&
	       (double)rest * (double)in_ns > (double)came * (double)PATIENCE_REST_NS;
}

#endif
