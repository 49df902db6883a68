/*
 * squash_cache.c - a hash table of blocks and a list of those that nobody holds (squash_cache.h).
 *
 * One lock a cache: it guards the table, the list and the counts, never the work of filling, so a
 * thread holds it for some dozens of instructions.
 *
 * Invariants: a block is in the table from the moment somebody fills it until it is evicted or its
 * filling fails; it is in the list exactly when it has no holder and is in the table.  Only
 * blocks of the list are evicted.  A block that failed leaves the table at once and is freed by its
 * last holder.
 */
#include "squash/squash_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/cleanup.h"

enum { BLOCKS_MIN = 8, FILLING = 1 };

struct squash_cache {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	size_t room, count, count_max, waiting;
	size_t bucket_mask;
	struct squash_block **buckets;
	struct squash_block unheld;  /* the head of the list: newer is the oldest, a ring */
};

int squash_cache_new(size_t room, size_t bytes, struct squash_cache **out, struct err *err)
{
	AUTO_FREE struct squash_cache *cache = calloc(1, sizeof *cache);
	if (cache == NULL)
		return err_set(err, ENOMEM, "no memory for blocks of the image");
	cache->room = room;
	cache->count_max = bytes / room > BLOCKS_MIN ? bytes / room : BLOCKS_MIN;
	size_t buckets = 16;
	while (buckets < cache->count_max)
		buckets *= 2;
	cache->bucket_mask = buckets - 1;
	cache->buckets = calloc(buckets, sizeof *cache->buckets);
	if (cache->buckets == NULL)
		return err_set(err, ENOMEM, "no memory for blocks of the image");
	cache->unheld.newer = cache->unheld.older = &cache->unheld;
	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->filled, NULL);
	*out = take_ptr(&cache);
	return 0;
}

static void block_free(struct squash_block *block)
{
	free(block->bytes);
	free(block);
}

void squash_cache_free(struct squash_cache **where)
{
	struct squash_cache *cache = take_ptr(where);
	if (cache == NULL)
		return;
	for (size_t i = 0; i <= cache->bucket_mask; i++) {
		for (struct squash_block *block = cache->buckets[i]; block != NULL;) {
			struct squash_block *next = block->same_bucket;
			block_free(block);
			block = next;
		}
	}
	pthread_cond_destroy(&cache->filled);
	pthread_mutex_destroy(&cache->lock);
	free(cache->buckets);
	free(cache);
}

/* ---- the table and the list; under the lock ---- */

static struct squash_block **bucket_of(struct squash_cache *cache, uint64_t at)
{
	/* Fibonacci hashing: places are clustered in their low and high bits. */
	return &cache->buckets[(at * 0x9e3779b97f4a7c15u) >> 32 & cache->bucket_mask];
}

static struct squash_block *table_find(struct squash_cache *cache, uint64_t at)
{
	struct squash_block *block = *bucket_of(cache, at);
	while (block != NULL && block->at != at)
		block = block->same_bucket;
	return block;
}

static void table_add(struct squash_cache *cache, struct squash_block *block)
{
	struct squash_block **bucket = bucket_of(cache, block->at);
	block->same_bucket = *bucket;
	*bucket = block;
}

static void table_remove(struct squash_cache *cache, struct squash_block *block)
{
	struct squash_block **link = bucket_of(cache, block->at);
	while (*link != block)
		link = &(*link)->same_bucket;
	*link = block->same_bucket;
}

static void list_remove(struct squash_block *block)
{
	block->older->newer = block->newer;
	block->newer->older = block->older;
}

static void list_add_newest(struct squash_cache *cache, struct squash_block *block)
{
	block->newer = &cache->unheld;
	block->older = cache->unheld.older;
	block->older->newer = block;
	cache->unheld.older = block;
}

/* An empty block: a new one while there may be more, else the longest unused. */
static struct squash_block *block_take(struct squash_cache *cache)
{
	struct squash_block *oldest = cache->unheld.newer;
	if (cache->count >= cache->count_max && oldest != &cache->unheld) {
		list_remove(oldest);
		table_remove(cache, oldest);
		return oldest;
	}
	struct squash_block *block = calloc(1, sizeof *block);
	if (block == NULL || (block->bytes = malloc(cache->room)) == NULL) {
		free(block);
		return NULL;
	}
	cache->count++;
	return block;
}

static void evict_oldest(struct squash_cache *cache)
{
	struct squash_block *oldest = cache->unheld.newer;
	list_remove(oldest);
	table_remove(cache, oldest);
	block_free(oldest);
	cache->count--;
}

/* ---- the calls ---- */

static int wait_filled(struct squash_cache *cache, struct squash_block *block, struct err *err)
{
	if (block->holders++ == 0)
		list_remove(block);
	cache->waiting++;
	while (block->state == FILLING)
		pthread_cond_wait(&cache->filled, &cache->lock);
	cache->waiting--;
	int rc = block->state;
	if (rc == 0)
		return 0;
	if (--block->holders == 0) {
		block_free(block);
		cache->count--;
	}
	return err_set(err, -rc, "broken image: a block that another thread reads, too");
}

static int fill_new(struct squash_cache *cache, struct squash_block *block, squash_fill_fn *fill,
		    void *context, struct err *err)
{
	pthread_mutex_unlock(&cache->lock);
	int rc = fill(context, block, cache->room, err);
	pthread_mutex_lock(&cache->lock);
	block->state = rc;
	if (rc < 0) {
		table_remove(cache, block);
		if (--block->holders == 0) {
			block_free(block);
			cache->count--;
		}
	}
	if (cache->waiting > 0)
		pthread_cond_broadcast(&cache->filled);
	return rc;
}

int squash_cache_get(struct squash_cache *cache, uint64_t at, squash_fill_fn *fill, void *context,
		     struct squash_block **out, struct err *err)
{
	int rc;
	pthread_mutex_lock(&cache->lock);
	struct squash_block *block = table_find(cache, at);
	if (block != NULL) {
		rc = wait_filled(cache, block, err);
	} else if ((block = block_take(cache)) == NULL) {
		rc = err_set(err, ENOMEM, "no memory for a block of the image");
	} else {
		block->at = at;
		block->next = 0;
		block->len = 0;
		block->holders = 1;
		block->state = FILLING;
		table_add(cache, block);
		rc = fill_new(cache, block, fill, context, err);
	}
	pthread_mutex_unlock(&cache->lock);
	*out = rc == 0 ? block : NULL;
	return rc;
}

void squash_cache_release(struct squash_cache *cache, struct squash_block **where)
{
	struct squash_block *block = take_ptr(where);
	if (block == NULL)
		return;
	pthread_mutex_lock(&cache->lock);
	if (--block->holders == 0)
		list_add_newest(cache, block);
	if (cache->count > cache->count_max && block->holders == 0)
		evict_oldest(cache);
	pthread_mutex_unlock(&cache->lock);
}

bool squash_cache_has(struct squash_cache *cache, uint64_t at)
{
	pthread_mutex_lock(&cache->lock);
	bool has = table_find(cache, at) != NULL;
	pthread_mutex_unlock(&cache->lock);
	return has;
}
