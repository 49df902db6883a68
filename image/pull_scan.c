/*
 * pull_scan.c - a thread that reads a blob's file as it grows (pull_scan.h).
 *
 * `available` and `generation` pass from the downloading thread to this one under the mutex; bytes below
 * `available` are written before it is raised, and not changed but by a new generation.
 */
#include "image/pull_scan.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/cleanup.h"

enum { PIECE = 256 << 10 };

struct pull_scan {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct build_layer layer;
	uint64_t available;
	unsigned generation;
	bool is_cancelled, has_ended;
	int rc;
	struct err err;
	struct layer_scan *found;
};

/* Waits until there is more than `at`, or the file started again, or nobody wants to know.
 * Returns how much there is. */
static uint64_t wait_for(struct pull_scan *scan, uint64_t at, unsigned *generation, bool *cancelled)
{
	pthread_mutex_lock(&scan->mutex);
	while (scan->available <= at && scan->generation == *generation && !scan->is_cancelled)
		pthread_cond_wait(&scan->changed, &scan->mutex);
	uint64_t available = scan->available;
	*cancelled = scan->is_cancelled;
	*generation = scan->generation;
	pthread_mutex_unlock(&scan->mutex);
	return available;
}

static int feed(struct pull_scan *scan, char *piece, uint64_t *at, uint64_t available, struct err *err)
{
	uint64_t left = available - *at;
	ssize_t got = pread(scan->layer.fd, piece, left < PIECE ? left : PIECE, (off_t)*at);
	if (got < 0 && errno != EINTR)
		return err_errno(err, errno, "read a layer");
	if (got <= 0)
		return 0;  /* the file started again: the next look at the generation tells */
	*at += (uint64_t)got;
	return layer_scan_feed(scan->found, piece, (size_t)got, err);
}

static unsigned generation_of(struct pull_scan *scan)
{
	pthread_mutex_lock(&scan->mutex);
	unsigned generation = scan->generation;
	pthread_mutex_unlock(&scan->mutex);
	return generation;
}

/* Reads one generation of the file to its end.  1: it started again meanwhile. */
static int read_once(struct pull_scan *scan, char *piece, struct err *err)
{
	uint64_t at = 0;
	bool cancelled = false;
	unsigned generation = generation_of(scan), seen = generation;
	layer_scan_free(&scan->found);
	int rc = layer_scan_new(&scan->layer, &scan->found, err);
	while (rc == 0 && at < scan->layer.size) {
		uint64_t available = wait_for(scan, at, &seen, &cancelled);
		if (cancelled)
			return err_set(err, ECANCELED, "ended");
		if (seen != generation)
			return 1;
		rc = feed(scan, piece, &at, available, err);
	}
	if (rc == 0)
		rc = layer_scan_end(scan->found, err);
	/* What is wrong with bytes that are void is no error. */
	return generation_of(scan) != generation ? 1 : rc;
}

static void *run(void *context)
{
	struct pull_scan *scan = context;
	struct err err = ERR_NONE;
	AUTO_FREE char *piece = malloc(PIECE);
	int rc = piece ? 1 : err_errno(&err, ENOMEM, "layer");
	while (rc == 1)
		rc = read_once(scan, piece, &err);
	pthread_mutex_lock(&scan->mutex);
	scan->rc = rc;
	scan->err = err;
	scan->has_ended = true;
	pthread_cond_broadcast(&scan->changed);
	pthread_mutex_unlock(&scan->mutex);
	return NULL;
}

int pull_scan_new(const struct build_layer *layer, uint64_t available, struct pull_scan **scan,
		  struct err *err)
{
	struct pull_scan *made = calloc(1, sizeof *made);
	if (made == NULL)
		return err_errno(err, ENOMEM, "layer");
	made->layer = *layer;
	made->available = available;
	pthread_mutex_init(&made->mutex, NULL);
	pthread_cond_init(&made->changed, NULL);
	int rc = pthread_create(&made->thread, NULL, run, made);
	if (rc != 0) {
		free(made);
		return err_errno(err, rc, "start a thread");
	}
	*scan = made;
	return 0;
}

void pull_scan_advance(struct pull_scan *scan, uint64_t available)
{
	pthread_mutex_lock(&scan->mutex);
	if (available < scan->available)
		scan->generation++;
	scan->available = available;
	pthread_cond_broadcast(&scan->changed);
	pthread_mutex_unlock(&scan->mutex);
}

bool pull_scan_ended(struct pull_scan *scan, int *rc, struct err *err)
{
	pthread_mutex_lock(&scan->mutex);
	bool has_ended = scan->has_ended;
	if (has_ended && (*rc = scan->rc) < 0)
		*err = scan->err;
	pthread_mutex_unlock(&scan->mutex);
	return has_ended;
}

void pull_scan_wait(struct pull_scan *scan, unsigned ms)
{
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_nsec += (long)ms % 1000 * 1000000;
	end.tv_sec += ms / 1000 + end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	pthread_mutex_lock(&scan->mutex);
	while (!scan->has_ended && pthread_cond_timedwait(&scan->changed, &scan->mutex, &end) == 0)
		;
	pthread_mutex_unlock(&scan->mutex);
}

struct layer_scan *pull_scan_take(struct pull_scan *scan)
{
	return take_ptr(&scan->found);
}

void pull_scan_free(struct pull_scan **where)
{
	struct pull_scan *scan = *where;
	if (scan == NULL)
		return;
	pthread_mutex_lock(&scan->mutex);
	scan->is_cancelled = true;
	pthread_cond_broadcast(&scan->changed);
	pthread_mutex_unlock(&scan->mutex);
	pthread_join(scan->thread, NULL);
	layer_scan_free(&scan->found);
	pthread_mutex_destroy(&scan->mutex);
	pthread_cond_destroy(&scan->changed);
	free(scan);
	*where = NULL;
}
