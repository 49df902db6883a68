/*
 * layer_expand.h - the stored bytes of a member → the content of its file, holes as zeros.
 *
 * Used by both passes, so that what is hashed and what is written are one thing.
 */
#ifndef IMAGE_LAYER_EXPAND_H
#define IMAGE_LAYER_EXPAND_H

#include "common/err.h"
#include "image/layer_entry.h"

typedef int layer_content_fn(void *context, const void *bytes, size_t len, struct err *err);

struct layer_expand {
	const struct layer_entry *entry;  /* borrowed; its segments too */
	uint64_t at;        /* in the content */
	uint64_t taken;     /* bytes of the current segment */
	uint32_t segment;
};

static inline struct layer_expand layer_expand_of(const struct layer_entry *entry)
{
	return (struct layer_expand){.entry = entry};
}

/* The next stored bytes, at most entry->stored in all. */
int layer_expand_feed(struct layer_expand *expand, const void *bytes, size_t len,
		      layer_content_fn *content, void *context, struct err *err);
/* All were fed: the hole at the end. */
int layer_expand_end(struct layer_expand *expand, layer_content_fn *content, void *context,
		     struct err *err);

#endif
