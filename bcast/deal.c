/*
 * deal.c - three rows of chunks and a byte a chunk that says whether it is still to come (deal.h).
 * Pure.
 *
 * Invariant: a chunk is dealt when its byte is cleared; so the rows may name it again, and an
 * entry whose byte is clear is passed over.
 */
#include "bcast/deal.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

struct row {
	uint64_t *chunks;
	size_t count, next, room;
};

struct deal {
	uint64_t count, next;  /* next: of those from front to back */
	unsigned reader, readers;
	uint8_t *to_come;
	struct row raised, order;
};

static int row_add(struct row *row, uint64_t chunk)
{
	if (row->count == row->room) {
		size_t room = row->room == 0 ? 64 : 2 * row->room;
		uint64_t *chunks = realloc(row->chunks, room * sizeof *chunks);
		if (chunks == NULL)
			return -ENOMEM;
		row->chunks = chunks;
		row->room = room;
	}
	row->chunks[row->count++] = chunk;
	return 0;
}

static bool is_ours(const struct deal *deal, uint64_t chunk)
{
	return chunk < deal->count && deal->to_come[chunk];
}

int deal_new(uint64_t count, unsigned reader, unsigned readers, const uint64_t *order,
	     size_t order_count, const uint8_t *known, struct deal **out, struct err *err)
{
	struct deal *deal = calloc(1, sizeof *deal);
	if (deal == NULL)
		return err_errno(err, ENOMEM, "the order of reading");
	*deal = (struct deal){.count = count, .next = reader, .reader = reader, .readers = readers};
	deal->to_come = calloc(count + 1, 1);
	int rc = deal->to_come == NULL ? -ENOMEM : 0;
	for (uint64_t chunk = reader; rc == 0 && chunk < count; chunk += readers)
		deal->to_come[chunk] = known == NULL || !known[chunk];
	for (size_t i = 0; rc == 0 && i < order_count; i++)
		if (is_ours(deal, order[i]))
			rc = row_add(&deal->order, order[i]);
	if (rc < 0) {
		deal_free(&deal);
		return err_errno(err, ENOMEM, "the order of %llu chunks", (unsigned long long)count);
	}
	*out = deal;
	return 0;
}

void deal_free(struct deal **where)
{
	struct deal *deal = take_ptr(where);
	if (deal == NULL)
		return;
	free(deal->to_come);
	free(deal->raised.chunks);
	free(deal->order.chunks);
	free(deal);
}

int deal_raise(struct deal *deal, uint64_t chunk, struct err *err)
{
	if (!is_ours(deal, chunk) || row_add(&deal->raised, chunk) == 0)
		return 0;
	return err_errno(err, ENOMEM, "chunk %llu is not raised", (unsigned long long)chunk);
}

static bool row_take(struct deal *deal, struct row *row, uint64_t *chunk)
{
	while (row->next < row->count) {
		*chunk = row->chunks[row->next++];
		if (is_ours(deal, *chunk))
			return true;
	}
	row->count = row->next = 0;
	return false;
}

static bool front_take(struct deal *deal, uint64_t *chunk)
{
	for (; deal->next < deal->count; deal->next += deal->readers)
		if (is_ours(deal, deal->next)) {
			*chunk = deal->next;
			return true;
		}
	return false;
}

bool deal_take(struct deal *deal, uint64_t *chunk)
{
	if (!row_take(deal, &deal->raised, chunk) && !row_take(deal, &deal->order, chunk) &&
	    !front_take(deal, chunk))
		return false;
	deal->to_come[*chunk] = 0;
	return true;
}
