/*
 * layer_expand.c - sparse members unfolded (layer_expand.h).  Pure.
 *
 * Invariant: the tar parser has checked that the segments ascend, lie inside of the file,
 * and have `stored` bytes together.
 */
#include "image/layer_expand.h"

static const char zeros[128 * 1024];

static int hole_until(struct layer_expand *expand, uint64_t end, layer_content_fn *content,
		      void *context, struct err *err)
{
	while (expand->at < end) {
		uint64_t left = end - expand->at;
		size_t part = left < sizeof zeros ? (size_t)left : sizeof zeros;
		int rc = content(context, zeros, part, err);
		if (rc != 0)
			return rc;
		expand->at += part;
	}
	return 0;
}

int layer_expand_feed(struct layer_expand *expand, const void *data, size_t len,
		      layer_content_fn *content, void *context, struct err *err)
{
	const struct layer_entry *entry = expand->entry;
	const char *bytes = data;
	if (!entry->segments) {
		expand->at += len;
		return len ? content(context, bytes, len, err) : 0;
	}
	while (len > 0 && expand->segment < entry->segment_count) {
		const struct layer_segment *segment = &entry->segments[expand->segment];
		int rc = hole_until(expand, segment->at, content, context, err);
		if (rc != 0)
			return rc;
		uint64_t left = segment->len - expand->taken;
		size_t part = len < left ? len : (size_t)left;
		if (part > 0 && (rc = content(context, bytes, part, err)) != 0)
			return rc;
		expand->at += part;
		expand->taken += part;
		bytes += part;
		len -= part;
		if (expand->taken == segment->len) {
			expand->segment++;
			expand->taken = 0;
		}
	}
	return 0;
}

int layer_expand_end(struct layer_expand *expand, layer_content_fn *content, void *context,
		     struct err *err)
{
	return expand->entry->segments ? hole_until(expand, expand->entry->size, content, context, err)
				       : 0;
}
