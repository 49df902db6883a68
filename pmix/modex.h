/*
 * modex.h - direct modex between nodes, as values: who waits, and the frames.
 *
 * PMIx fetches a remote rank's data when somebody asks for it.  The node that
 * wants it sends (tag, rank) to that rank's node, which asks its own libpmix
 * and answers (tag, status, data).  A tag is a counter of the node that made
 * it; the asked node has one of its own towards libpmix and remembers what it
 * stands for.
 */
#ifndef PMIX_MODEX_H
#define PMIX_MODEX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct pmix_reply;

/* Somebody waits: a rank of ours (reply), or another node (node, node_tag). */
struct modex {
	struct modex *next;
	uint64_t tag;
	struct pmix_reply *reply;
	uint64_t node_tag;
	uint32_t node;
};

struct modex_table {
	struct modex *first;
	uint64_t last_tag;
};

/* A new entry with a tag of its own, the table's. NULL: no memory. */
struct modex *modex_add(struct modex_table *table);
/* Takes the entry out, the caller's (free it). NULL: there is no such tag, or
 * it is of the other sort: foreign nodes name tags. */
struct modex *modex_take(struct modex_table *table, uint64_t tag, bool is_ours);
/* Frees what waits, replies included, unanswered. */
void modex_table_free(struct modex_table *table);

struct modex_request {
	uint64_t tag;
	uint32_t rank;
};

struct modex_reply {
	uint64_t tag;
	int status;        /* 0 or a positive errno */
	const char *data;  /* inside the payload */
	size_t len;
};

void modex_request_add(struct buf *frame, const struct modex_request *request);
void modex_reply_add(struct buf *frame, const struct modex_reply *reply);
/* -EPROTO for foreign bytes that make no sense. */
int modex_request_parse(const void *payload, size_t len, struct modex_request *request);
int modex_reply_parse(const void *payload, size_t len, struct modex_reply *reply);

#endif
