/*
 * modex.c - who waits for a direct modex, and its two frames (modex.h).  Pure.
 *
 * Request: u64 tag, u32 rank.  Reply: u64 tag, u32 status, then the data.
 */
#include "pmix/modex.h"

#include <errno.h>
#include <stdlib.h>

struct modex *modex_add(struct modex_table *table)
{
	struct modex *modex = calloc(1, sizeof *modex);
	if (modex == NULL)
		return NULL;
	modex->tag = ++table->last_tag;
	modex->next = table->first;
	table->first = modex;
	return modex;
}

struct modex *modex_take(struct modex_table *table, uint64_t tag, bool is_ours)
{
	for (struct modex **at = &table->first; *at != NULL; at = &(*at)->next) {
		struct modex *modex = *at;
		if (modex->tag != tag || (modex->reply != NULL) != is_ours)
			continue;
		*at = modex->next;
		return modex;
	}
	return NULL;
}

void modex_table_free(struct modex_table *table)
{
	for (struct modex *modex = table->first, *next; modex != NULL; modex = next) {
		next = modex->next;
		free(modex->reply);
		free(modex);
	}
	table->first = NULL;
}

void modex_request_add(struct buf *frame, const struct modex_request *request)
{
	buf_add_u64(frame, request->tag);
	buf_add_u32(frame, request->rank);
}

void modex_reply_add(struct buf *frame, const struct modex_reply *reply)
{
	buf_add_u64(frame, reply->tag);
	buf_add_u32(frame, (uint32_t)reply->status);
	buf_add(frame, reply->data, reply->len);
}

int modex_request_parse(const void *payload, size_t len, struct modex_request *request)
{
	struct cursor cursor = cursor_of(payload, len);
	request->tag = cursor_u64(&cursor);
	request->rank = cursor_u32(&cursor);
	return cursor.bad || cursor_left(&cursor) > 0 ? -EPROTO : 0;
}

int modex_reply_parse(const void *payload, size_t len, struct modex_reply *reply)
{
	struct cursor cursor = cursor_of(payload, len);
	reply->tag = cursor_u64(&cursor);
	uint32_t status = cursor_u32(&cursor);
	if (cursor.bad || status > 4095)
		return -EPROTO;
	reply->status = (int)status;
	reply->data = cursor.at;
	reply->len = cursor_left(&cursor);
	return 0;
}
