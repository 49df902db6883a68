/*
 * crew.c - two lists of tasks under one lock (crew.h).
 *
 * In: tasks in the order in which they were submitted.  Out: the same with hash or error, in the order
 * in which they got done, which with several threads is another one.
 *
 * The threads take no signal: those are the main thread's.  `load` is the caller's alone.
 */
#include "bcast/crew.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/cleanup.h"

enum { THREADS_MAX = 16 };

struct node {
	struct node *next;
	struct crew_task task;
};

struct list {
	struct node *first, **end;
};

struct crew {
	struct source *source;
	pthread_t threads[THREADS_MAX];
	int thread_count;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
	struct list to_do, done;
	_Atomic size_t done_count;
	size_t load;
};

static void list_add(struct list *list, struct node *node)
{
	node->next = NULL;
	*list->end = node;
	list->end = &node->next;
}

static struct node *list_take(struct list *list)
{
	struct node *node = list->first;
	if (node == NULL)
		return NULL;
	list->first = node->next;
	if (list->first == NULL)
		list->end = &list->first;
	return node;
}

static void work(struct crew *crew, struct crew_task *task)
{
	if (task->read &&
	    source_read(crew->source, task->offset, task->bytes, task->len, &task->err) < 0)
		return;
	manifest_hash(task->bytes, task->len, task->hash);
}

static void *run(void *context)
{
	struct crew *crew = context;
	pthread_mutex_lock(&crew->lock);
	while (!crew->stop) {
		struct node *node = list_take(&crew->to_do);
		if (node == NULL) {
			pthread_cond_wait(&crew->wake, &crew->lock);
			continue;
		}
		pthread_mutex_unlock(&crew->lock);
		work(crew, &node->task);
		pthread_mutex_lock(&crew->lock);
		list_add(&crew->done, node);
		atomic_fetch_add(&crew->done_count, 1);
	}
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

static int start(struct crew *crew, int threads, struct err *err)
{
	sigset_t all, before;
	int rc = 0;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	while (rc == 0 && crew->thread_count < threads && crew->thread_count < THREADS_MAX) {
		rc = pthread_create(&crew->threads[crew->thread_count], NULL, run, crew);
		crew->thread_count += rc == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	/* One is as good as several, but slower. */
	return rc == 0 || crew->thread_count > 0 ? 0 : err_errno(err, rc, "start a thread");
}

int crew_new(int threads, struct source *source, struct crew **out, struct err *err)
{
	struct crew *crew = calloc(1, sizeof *crew);
	if (crew == NULL)
		return err_errno(err, ENOMEM, "threads for reading");
	crew->source = source;
	crew->to_do.end = &crew->to_do.first;
	crew->done.end = &crew->done.first;
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->wake, NULL);
	int rc = start(crew, threads, err);
	if (rc < 0)
		crew_free(&crew);
	else
		*out = crew;
	return rc;
}

static void list_free(struct list *list)
{
	struct node *node;
	while ((node = list_take(list)) != NULL)
		free(node);
}

void crew_free(struct crew **where)
{
	struct crew *crew = take_ptr(where);
	if (crew == NULL)
		return;
	pthread_mutex_lock(&crew->lock);
	crew->stop = true;
	pthread_cond_broadcast(&crew->wake);
	pthread_mutex_unlock(&crew->lock);
	while (crew->thread_count > 0)
		pthread_join(crew->threads[--crew->thread_count], NULL);
	pthread_cond_destroy(&crew->wake);
	pthread_mutex_destroy(&crew->lock);
	list_free(&crew->to_do);
	list_free(&crew->done);
	free(crew);
}

int crew_submit(struct crew *crew, const struct crew_task *task, struct err *err)
{
	struct node *node = malloc(sizeof *node);
	if (node == NULL)
		return err_errno(err, ENOMEM, "a task for chunk %llu", (unsigned long long)task->chunk);
	node->task = *task;
	node->task.err.number = 0;
	crew->load++;
	pthread_mutex_lock(&crew->lock);
	list_add(&crew->to_do, node);
	pthread_cond_signal(&crew->wake);
	pthread_mutex_unlock(&crew->lock);
	return 0;
}

static struct node *take_done(struct crew *crew)
{
	if (crew->thread_count == 0) {
		struct node *node = list_take(&crew->to_do);
		if (node != NULL)
			work(crew, &node->task);
		return node;
	}
	if (atomic_load(&crew->done_count) == 0)
		return NULL;
	pthread_mutex_lock(&crew->lock);
	struct node *node = list_take(&crew->done);
	pthread_mutex_unlock(&crew->lock);
	atomic_fetch_sub(&crew->done_count, 1);
	return node;
}

bool crew_take(struct crew *crew, struct crew_task *task)
{
	struct node *node = take_done(crew);
	if (node == NULL)
		return false;
	crew->load--;
	*task = node->task;
	free(node);
	return true;
}

size_t crew_load(const struct crew *crew)
{
	return crew->load;
}
