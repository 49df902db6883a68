/*
 * squash_cache.h - unpacked blocks of an image, bounded in bytes, for several threads.
 *
 * A block is named by its place in the image file.  Who asks for one that is not here fills it,
 * outside of any lock; who asks for it meanwhile waits for that and not longer.  A block that is
 * held stays as it is; what nobody holds goes, the longest unused first.
 */
#ifndef SQUASH_SQUASH_CACHE_H
#define SQUASH_SQUASH_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct squash_cache;

struct squash_block {
	uint64_t at;        /* its place in the image file */
	uint64_t next;      /* of a metadata block: where the following one begins */
	size_t len;         /* bytes that are here, at most the cache's room */
	char *bytes;
	/* The cache's own: */
	unsigned holders;
	int state;          /* 0: filled; 1: being filled; -errno: could not be */
	struct squash_block *same_bucket, *newer, *older;
};

/* Fills block->bytes, len and next from block->at; 0 or -errno. */
typedef int squash_fill_fn(void *context, struct squash_block *block, size_t room, struct err *err);

/* `room` is the size of a block, at least 1; at most `bytes` of them are kept (some blocks always
 * are), and as many more as are held at one time. */
int squash_cache_new(size_t room, size_t bytes, struct squash_cache **cache, struct err *err);
/* Nobody may hold a block any more. */
void squash_cache_free(struct squash_cache **cache);

/* The block at `at`, held until it is given back; filled by `fill` if it is not here.  A failure is
 * not kept: the next one who asks tries again. */
int squash_cache_get(struct squash_cache *cache, uint64_t at, squash_fill_fn *fill, void *context,
		     struct squash_block **block, struct err *err);
/* NULL is allowed; *block becomes NULL. */
void squash_cache_release(struct squash_cache *cache, struct squash_block **block);

/* Is it here, or on its way?  A hint: it may go at any time. */
bool squash_cache_has(struct squash_cache *cache, uint64_t at);

#endif
