/*
 * pmi1_fuzz.c - any bytes of a rank: the PMI-1 engine answers or refuses.
 *
 * The first byte says in which pieces the rest arrives.  A barrier is let out
 * at once, so that what follows it is reached too.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "pmix/pmi1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pmi1_space space = {.name = "job", .rank_count = 4, .kvs = kvs_new(1 << 16)};
	struct pmi1_client client = {0};
	struct pmi1_event event;
	struct err err;
	int rc = 0;
	if (size == 0 || space.kvs == NULL)
		return kvs_free(&space.kvs), 0;
	size_t piece = data[0] + 1u;
	for (size_t at = 1; at < size && rc >= 0; at += piece) {
		struct buf out = {0};
		size_t len = size - at < piece ? size - at : piece;
		rc = pmi1_feed(&client, (const char *)data + at, len, &err);
		while (rc >= 0 && (rc = pmi1_step(&client, &space, &out, &event, &err)) > 0)
			if (event.type == PMI1_EVENT_BARRIER)
				pmi1_barrier_done(&client, &space, false, &out);
		/* Every reply is whole lines. */
		if (out.len > 0 && out.data[out.len - 1] != '\n')
			abort();
		buf_free(&out);
	}
	pmi1_client_free(&client, &space);
	if (space.in_barrier != 0)
		abort();
	kvs_free(&space.kvs);
	return 0;
}
