/*
 * model.h - which schedule, and chunks of what size.  Pure.
 *
 * A broadcast of S bytes in m chunks takes m + d steps, and a step the time of one chunk:
 *
 *	T = (m + d) (S / (m B) + alpha) = S/B + d alpha + m alpha + d S / (m B)
 *
 * B is the link's bandwidth, alpha what a message costs besides its bytes, d how many steps the
 * last rank is behind the first one below the root.  That is two for each level: a rank has two
 * messages under way, to two children in a two-tree and to one in a chain, and they share its link.
 * The best m makes the last two terms equal, so that T = S/B + d alpha + 2 sqrt(S d alpha / B).
 *
 * In a two-tree two parents share a rank's link as well, and do not always do so evenly: there, S/B
 * counts for MODEL_TWO_TREE_SHARE times as much (perfdata/simulate: 1.04 to 1.15).
 *
 * A chain of more than MODEL_CHAIN_MAX ranks is not considered: each rank of it delays all behind it.
 *
 * The chunk is a power of two, hence it never straddles a huge page of 2 MiB or is a row of whole
 * ones; no larger than helps (MODEL_CHUNK_MIN to chunk_size_for(), by the file's size); and it divides the
 * file's stripe or is a multiple of it, if a power of two can.  Larger chunks cost less of what the
 * model does not know, so the largest is taken that costs no more than one in a hundred.
 */
#ifndef BCAST_MODEL_H
#define BCAST_MODEL_H

#include <stdint.h>

#include "bcast/schedule.h"

enum { MODEL_CHUNK_MIN = 64 << 10, MODEL_CHAIN_MAX = 64 };
#define MODEL_TWO_TREE_SHARE 1.06

struct model_link {
	double bandwidth;  /* bytes/s in one direction, > 0 */
	double latency;    /* s a message, >= 0 */
};

/* Of a link that nobody has measured: slow enough for small chunks. */
extern const struct model_link model_link_unknown;

struct model_question {
	uint64_t size;     /* bytes of the file */
	int ranks;         /* >= 1 */
	int readers;       /* as in struct schedule_shape */
	uint64_t stripe;   /* bytes of the file's stripe; 0: it has none */
	struct model_link link;
};

struct model_choice {
	enum schedule_kind kind;
	uint32_t chunk_size;  /* bytes */
	double seconds;       /* what the model expects */
};

/* The same question has the same answer on every rank. */
void model_choose(const struct model_question *question, struct model_choice *choice);

/* Seconds, by the formula above. */
double model_seconds(const struct model_question *question, enum schedule_kind kind,
		     uint32_t chunk_size);

#endif
