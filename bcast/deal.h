/*
 * deal.h - in which order a reader takes its chunks.  Pure.
 *
 * Of several readers, number j has the chunks = j mod readers.  First come those that were raised,
 * in the order in which they were; then those of a given order; then the others from front to
 * back.  Each chunk is dealt once.
 */
#ifndef BCAST_DEAL_H
#define BCAST_DEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct deal;

/* reader < readers.  order: chunks (of any reader; those >= count are ignored) that come first; copied.
 * known: a byte a chunk, not 0: it is not dealt.  Both may be NULL. */
int deal_new(uint64_t count, unsigned reader, unsigned readers, const uint64_t *order,
	     size_t order_count, const uint8_t *known, struct deal **deal, struct err *err);
void deal_free(struct deal **deal);

/* The chunk comes next; nothing if it has been dealt or is another reader's. -ENOMEM is no harm:
 * the chunk comes in its turn. */
int deal_raise(struct deal *deal, uint64_t chunk, struct err *err);

/* false: all are dealt. */
bool deal_take(struct deal *deal, uint64_t *chunk);

#endif
