/*
 * model.c - the formula and the search for its minimum (model.h).  Pure.
 *
 * Some dozen candidates are tried; that needs no square roots, and takes bounds and stripes as they
 * come.
 *
 * With k readers a stream has a k-th of the chunks, and each rank serves k streams at a time: a step
 * of one stream then takes k times as long as with one, and everything else stays.
 */
#include "bcast/model.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "bcast/chunk.h"

/* Between TCP on Ethernet and a slow fabric. */
const struct model_link model_link_unknown = {.bandwidth = 1e9, .latency = 5e-6};

static const enum schedule_kind kinds[] = {SCHEDULE_CHAIN, SCHEDULE_TWO_TREE};

double model_seconds(const struct model_question *question, enum schedule_kind kind,
		     uint32_t chunk_size)
{
	const struct schedule_shape shape = {kind, question->ranks, question->readers};
	const struct model_link *link = &question->link;
	double size = (double)question->size;
	double chunk = size < chunk_size ? size : chunk_size;
	double chunks = (double)(question->size / chunk_size + (question->size % chunk_size != 0));
	if (question->ranks == 1)
		return 0;
	/* The root is done with the last chunk after S/B; then it has to go down from level to level. */
	int steps = 2 * (schedule_depth(&shape) - 1) * question->readers;
	double share = kind == SCHEDULE_TWO_TREE && question->ranks > 2 ? MODEL_TWO_TREE_SHARE : 1;
	return share * size / link->bandwidth + chunks * link->latency +
	       steps * (chunk / link->bandwidth + link->latency);
}

static bool fits_stripe(uint32_t chunk_size, uint64_t stripe)
{
	return stripe == 0 || stripe % chunk_size == 0 || chunk_size % stripe == 0;
}

/* No power of two from MODEL_CHUNK_MIN on has to do with a stripe like 3 x 32 KiB. */
static uint64_t usable_stripe(uint64_t stripe)
{
	return fits_stripe(MODEL_CHUNK_MIN, stripe) ? stripe : 0;
}

void model_choose(const struct model_question *question, struct model_choice *choice)
{
	uint64_t stripe = usable_stripe(question->stripe);
	uint32_t most = chunk_size_for(question->size);
	*choice = (struct model_choice){.seconds = INFINITY};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		for (uint32_t chunk_size = MODEL_CHUNK_MIN; chunk_size <= most; chunk_size *= 2) {
			double seconds = model_seconds(question, kinds[i], chunk_size);
			bool considered = kinds[i] != SCHEDULE_CHAIN || question->ranks <= MODEL_CHAIN_MAX;
			if (considered && fits_stripe(chunk_size, stripe) && seconds < choice->seconds)
				*choice = (struct model_choice){kinds[i], chunk_size, seconds};
		}
	double bound = choice->seconds * 1.01;
	for (uint32_t chunk_size = most; chunk_size > choice->chunk_size; chunk_size /= 2) {
		double seconds = model_seconds(question, choice->kind, chunk_size);
		if (!fits_stripe(chunk_size, stripe) || seconds > bound)
			continue;
		choice->chunk_size = chunk_size;
		choice->seconds = seconds;
	}
}
