/*
 * imgfs_reads.c - reads put aside until their part of the image has come (imgfs_reads.h).
 *
 * A read is tried as a whole; if a part is missing, nothing of it counts, and it is tried again as a
 * whole when that part is here.  It may then miss another one.
 *
 * The threads are started by the first read that has to wait, and sleep on the arrival's counter of
 * marks while there are such reads.  Each looks through the list for one whose part is here.
 *
 * Invariants: a read is in the list or in one thread's hands, and answered exactly once; the lock is
 * never held while the image is read or an answer given.
 */
#include "runtime/imgfs_reads.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/cleanup.h"

enum { THREADS = 2 };

struct waiting_read {
	struct waiting_read *next;
	void *token;
	uint64_t ino, offset;
	size_t size;
	struct imgfs_range missing;
};

struct imgfs_reads {
	struct imgfs *imgfs;
	imgfs_answer_fn *answer;
	void *context;
	pthread_mutex_t lock;      /* of what follows */
	pthread_cond_t changed;    /* a read was added, or the end has come */
	struct waiting_read *first, **last;  /* in the order in which they came */
	pthread_t threads[THREADS];
	size_t thread_count;
	bool ending;
};

int imgfs_reads_new(struct imgfs *imgfs, imgfs_answer_fn *answer, void *context,
		    struct imgfs_reads **out, struct err *err)
{
	struct imgfs_reads *reads = calloc(1, sizeof *reads);
	if (reads == NULL)
		return err_errno(err, ENOMEM, "serve the image");
	reads->imgfs = imgfs;
	reads->answer = answer;
	reads->context = context;
	reads->last = &reads->first;
	pthread_mutex_init(&reads->lock, NULL);
	pthread_cond_init(&reads->changed, NULL);
	*out = reads;
	return 0;
}

/* ---- trying ---- */

/* false: a part is missing; which one is in read->missing. */
static bool try_read(struct imgfs_reads *reads, struct waiting_read *read)
{
	AUTO_FREE char *bytes = malloc(read->size > 0 ? read->size : 1);
	ssize_t length = bytes == NULL ? -ENOMEM
				       : imgfs_try_read(reads->imgfs, read->ino, bytes, read->size,
							read->offset, &read->missing);
	if (length == -EAGAIN)
		return false;
	reads->answer(reads->context, read->token, bytes, length);
	return true;
}

/* ---- the list; under the lock ---- */

static void list_add(struct imgfs_reads *reads, struct waiting_read *read)
{
	read->next = NULL;
	*reads->last = read;
	reads->last = &read->next;
}

/* The first read whose missing part is here, or will never be. */
static struct waiting_read *list_take_ready(struct imgfs_reads *reads)
{
	const struct imgfs_source *source = imgfs_source(reads->imgfs);
	for (struct waiting_read **link = &reads->first; *link != NULL; link = &(*link)->next) {
		struct waiting_read *read = *link;
		if (imgfs_source_check(source, read->missing.at, read->missing.len) == -EAGAIN)
			continue;
		*link = read->next;
		if (reads->last == &read->next)
			reads->last = link;
		return read;
	}
	return NULL;
}

/* ---- the threads ---- */

static void *retry(void *context)
{
	struct imgfs_reads *reads = context;
	const struct imgfs_source *source = imgfs_source(reads->imgfs);
	pthread_mutex_lock(&reads->lock);
	while (!reads->ending) {
		uint32_t seen = arrival_marks(source->arrival);
		struct waiting_read *read = list_take_ready(reads);
		if (read == NULL && reads->first == NULL) {
			pthread_cond_wait(&reads->changed, &reads->lock);
			continue;
		}
		pthread_mutex_unlock(&reads->lock);
		if (read == NULL)
			imgfs_source_sleep(source, seen);
		else if (try_read(reads, read))
			free(take_ptr(&read));
		pthread_mutex_lock(&reads->lock);
		if (read != NULL)
			list_add(reads, read);
	}
	pthread_mutex_unlock(&reads->lock);
	return NULL;
}

static bool threads_start(struct imgfs_reads *reads)
{
	while (reads->thread_count < THREADS &&
	       pthread_create(&reads->threads[reads->thread_count], NULL, retry, reads) == 0)
		reads->thread_count++;
	return reads->thread_count > 0;
}

void imgfs_reads_submit(struct imgfs_reads *reads, void *token, uint64_t ino, size_t size,
			uint64_t offset)
{
	struct waiting_read read = {.token = token, .ino = ino, .size = size, .offset = offset};
	if (try_read(reads, &read))
		return;
	struct waiting_read *copy = malloc(sizeof *copy);
	pthread_mutex_lock(&reads->lock);
	bool waits = copy != NULL && threads_start(reads);
	if (waits) {
		*copy = read;
		list_add(reads, copy);
		pthread_cond_broadcast(&reads->changed);
	}
	pthread_mutex_unlock(&reads->lock);
	if (waits)
		return;
	free(copy);
	reads->answer(reads->context, token, NULL, -ENOMEM);
}

void imgfs_reads_free(struct imgfs_reads **where)
{
	struct imgfs_reads *reads = take_ptr(where);
	if (reads == NULL)
		return;
	pthread_mutex_lock(&reads->lock);
	reads->ending = true;
	pthread_cond_broadcast(&reads->changed);
	pthread_mutex_unlock(&reads->lock);
	for (size_t i = 0; i < reads->thread_count; i++)
		pthread_join(reads->threads[i], NULL);
	while (reads->first != NULL) {
		struct waiting_read *read = reads->first;
		reads->first = read->next;
		reads->answer(reads->context, read->token, NULL, -EIO);
		free(read);
	}
	pthread_cond_destroy(&reads->changed);
	pthread_mutex_destroy(&reads->lock);
	free(reads);
}
