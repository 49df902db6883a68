/*
 * imgfs_ahead.c - sequential readers, and a thread that is ahead of them (imgfs_ahead.h).
 *
 * There is no open file in the server to keep a position in (imgfs_serve.c): a small table has, for
 * each of the last files, where a read of it ended.  Two files that share a slot only lose the
 * help.  A file must have been read on a few times: most are over by then, and help would cost
 * more than it gives.  Wishes go into a short ring; when it is full the newest is dropped, and a
 * wish that its reader has overtaken is, too: who reads that fast unpacks by himself.
 */
#include "runtime/imgfs_ahead.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/cleanup.h"

enum { SLOTS = 256, RING = 16, BLOCKS_AHEAD = 2, STEPS_BEFORE = 3 };

struct wish {
	uint64_t ino, offset;
};

struct imgfs_ahead {
	struct imgfs *imgfs;
	pthread_mutex_t lock;         /* of what follows */
	pthread_cond_t wished;
	struct {
		uint64_t ino, end;    /* the last read of it ended here */
		uint64_t unpacked;    /* and blocks before this were wished for */
		unsigned steps;       /* reads that went on from the one before */
	} slots[SLOTS];
	struct wish ring[RING];
	size_t first, count;
	pthread_t thread;
	bool running, ending;
};

int imgfs_ahead_new(struct imgfs *imgfs, struct imgfs_ahead **out, struct err *err)
{
	struct imgfs_ahead *ahead = calloc(1, sizeof *ahead);
	if (ahead == NULL)
		return err_errno(err, ENOMEM, "serve the image");
	ahead->imgfs = imgfs;
	pthread_mutex_init(&ahead->lock, NULL);
	pthread_cond_init(&ahead->wished, NULL);
	*out = ahead;
	return 0;
}

void imgfs_ahead_free(struct imgfs_ahead **where)
{
	struct imgfs_ahead *ahead = take_ptr(where);
	if (ahead == NULL)
		return;
	pthread_mutex_lock(&ahead->lock);
	ahead->ending = true;
	pthread_cond_signal(&ahead->wished);
	pthread_mutex_unlock(&ahead->lock);
	if (ahead->running)
		pthread_join(ahead->thread, NULL);
	pthread_cond_destroy(&ahead->wished);
	pthread_mutex_destroy(&ahead->lock);
	free(ahead);
}

static size_t slot_of(uint64_t ino)
{
	return (ino * 0x9e3779b97f4a7c15u) >> 32 & (SLOTS - 1);
}

static void *unpack(void *context)
{
	struct imgfs_ahead *ahead = context;
	pthread_mutex_lock(&ahead->lock);
	while (!ahead->ending) {
		if (ahead->count == 0) {
			pthread_cond_wait(&ahead->wished, &ahead->lock);
			continue;
		}
		struct wish wish = ahead->ring[ahead->first];
		ahead->first = (ahead->first + 1) % RING;
		ahead->count--;
		if (ahead->slots[slot_of(wish.ino)].end > wish.offset)
			continue;
		pthread_mutex_unlock(&ahead->lock);
		imgfs_load(ahead->imgfs, wish.ino, wish.offset);
		pthread_mutex_lock(&ahead->lock);
	}
	pthread_mutex_unlock(&ahead->lock);
	return NULL;
}

/* Under the lock. */
static void wish_add(struct imgfs_ahead *ahead, uint64_t ino, uint64_t offset)
{
	if (ahead->count == RING)
		return;
	if (!ahead->running)
		ahead->running = pthread_create(&ahead->thread, NULL, unpack, ahead) == 0;
	if (!ahead->running)
		return;
	ahead->ring[(ahead->first + ahead->count++) % RING] = (struct wish){ino, offset};
	pthread_cond_signal(&ahead->wished);
}

void imgfs_ahead_note(struct imgfs_ahead *ahead, uint64_t ino, uint64_t offset, size_t size,
		      bool wanted)
{
	uint64_t block = imgfs_block_size(ahead->imgfs), end = offset + size;
	size_t slot = slot_of(ino);
	pthread_mutex_lock(&ahead->lock);
	bool goes_on = ahead->slots[slot].ino == ino && ahead->slots[slot].end == offset;
	if (!goes_on)
		ahead->slots[slot].unpacked = ahead->slots[slot].steps = 0;
	else if (ahead->slots[slot].steps < STEPS_BEFORE)
		ahead->slots[slot].steps++;
	ahead->slots[slot].ino = ino;
	ahead->slots[slot].end = end;
	if (ahead->slots[slot].steps == STEPS_BEFORE && wanted && size > 0) {
		/* Behind the block that was read last. */
		uint64_t from = end - 1 - (end - 1) % block + block, to = from + BLOCKS_AHEAD * block;
		if (from < ahead->slots[slot].unpacked)
			from = ahead->slots[slot].unpacked;
		for (; from < to; from += block)
			wish_add(ahead, ino, from);
		ahead->slots[slot].unpacked = to;
	}
	pthread_mutex_unlock(&ahead->lock);
}
