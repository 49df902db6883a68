/*
 * idle.h - how long a rank sleeps when a poll of MPI found nothing.  Pure: clocks are values.
 */
#ifndef BCAST_IDLE_H
#define BCAST_IDLE_H

#include <stdint.h>

/* All 0 at the beginning; times in ns of one clock. */
struct idle {
	uint64_t since_ns;    /* nothing has happened since then; 0: something just has */
	uint64_t began_ns, asked_ns;  /* of the pause under way */
	uint64_t woke_ns;     /* the end of the last one */
	uint64_t crowd_ns;    /* how much later than asked it woke of late; leaks away */
};

/* At `now`: the length of the next pause; 0 is one yield.  Then idle_woke(). */
uint64_t idle_pause(struct idle *idle, uint64_t now);
void idle_woke(struct idle *idle, uint64_t now);

/* A poll found something. */
static inline void idle_end(struct idle *idle)
{
	idle->since_ns = 0;
}

#endif
