/*
 * idle.c - yield, nap or sleep (idle.h).
 *
 * In: the clock around each pause.  Out: the next pause's length.
 *
 * A fast network wants to be polled at once: a rank yields its core for half a millisecond, which is longer than a
 * chunk takes there.  Who has waited longer waits for a slow network, and naps.
 *
 * Both are wrong where ranks of the job, which may poll without end, take turns with this process.  A
 * scheduler of fair shares (EEVDF, Linux 6.6) lets who polls pay: a yield gives a whole slice away, and twenty
 * thousand naps a second use up a share that a few hundred would not.  Measured: 31 MB over 4 nodes at
 * 60 Mbit/s with two spinning ranks on half a core each, limit 4.2 s: 18 to 25 s in naps of 50 us, 5 s in naps
 * of 3 ms, with a twentieth of the processor time; the kernel's buffers carry the network meanwhile.
 *
 * Whether the cores are crowded is seen by pauses that last longer than asked: the excess runs into a bucket
 * that leaks.  A late wake-up now and then, as every machine has them, never fills it.
 */
#include "bcast/idle.h"

#include "common/clock.h"

enum {
	YIELDS_NS = 500000,   /* so long after something happened */
	NAP_NS = 50000,
	SLEEP_NS = 3000000,   /* where it is crowded: about a scheduler's slice */
	LATE_NS = 300000,     /* what a timer may be late by */
	LEAK = 16,            /* of so many ns, one leaks away */
	CROWDED_NS = 2000000,
	CROWD_MOST_NS = 50000000,
};

uint64_t idle_pause(struct idle *idle, uint64_t now)
{
	if (idle->since_ns == 0)
		idle->since_ns = now;
	idle->began_ns = now;
	if (idle->crowd_ns > CROWDED_NS)
		idle->asked_ns = SLEEP_NS;
	else
		idle->asked_ns = now - idle->since_ns < YIELDS_NS ? 0 : NAP_NS;
	return idle->asked_ns;
}

void idle_woke(struct idle *idle, uint64_t now)
{
	uint64_t took = now - idle->began_ns, leaked = (now - idle->woke_ns) / LEAK;
	uint64_t late = took > idle->asked_ns + LATE_NS ? took - idle->asked_ns : 0;
	idle->crowd_ns = idle->crowd_ns > leaked ? idle->crowd_ns - leaked : 0;
	idle->crowd_ns += late;
	if (idle->crowd_ns > CROWD_MOST_NS)
		idle->crowd_ns = CROWD_MOST_NS;
	idle->woke_ns = now;
}
