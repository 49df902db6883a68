/*
 * loop.c - the event loop of every daemon (loop.h).
 *
 * Watchers stand in an array indexed by descriptor, with a generation number
 * that travels in epoll's data word: a descriptor that was removed, closed and
 * opened again in one batch of events is thereby not confused with its
 * predecessor.  Timers are few (grace periods, timeouts): a small array,
 * searched.
 */
#include "common/loop.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

enum { TIMERS_MAX = 64, SIGNALS_MAX = 16, BATCH = 64 };

struct watcher {
	loop_fd_fn *function;  /* NULL: no watcher */
	void *context;
	uint32_t generation;
};

struct timer {
	uint64_t due;
	loop_timer_fn *function;  /* NULL: free */
	void *context;
	uint32_t id;
};

struct signal_watcher {
	int signo;
	loop_signal_fn *function;
	void *context;
};

struct loop {
	int epoll_fd, signal_fd;
	struct watcher *watchers;
	size_t watcher_count;
	struct timer timers[TIMERS_MAX];
	uint32_t last_timer_id, generation;
	struct signal_watcher signals[SIGNALS_MAX];
	size_t signal_count;
	sigset_t mask;
	bool stopped;
	int value;
};

int loop_new(struct loop **out, struct err *err)
{
	struct loop *loop = calloc(1, sizeof *loop);
	if (loop == NULL)
		return err_errno(err, ENOMEM, "event loop");
	sigemptyset(&loop->mask);
	loop->signal_fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int number = errno;
		free(loop);
		return err_errno(err, number, "epoll_create1");
	}
	*out = loop;
	return 0;
}

void loop_free(struct loop **where)
{
	struct loop *loop = take_ptr(where);
	if (loop == NULL)
		return;
	close_fd(&loop->epoll_fd);
	close_fd(&loop->signal_fd);
	free(loop->watchers);
	free(loop);
}

static int grow_watchers(struct loop *loop, int fd, struct err *err)
{
	if ((size_t)fd < loop->watcher_count)
		return 0;
	size_t count = loop->watcher_count ? loop->watcher_count : 64;
	while (count <= (size_t)fd)
		count *= 2;
	struct watcher *watchers = realloc(loop->watchers, count * sizeof *watchers);
	if (watchers == NULL)
		return err_errno(err, ENOMEM, "event loop");
	memset(watchers + loop->watcher_count, 0, (count - loop->watcher_count) * sizeof *watchers);
	loop->watchers = watchers;
	loop->watcher_count = count;
	return 0;
}

static struct epoll_event event_for(int fd, uint64_t generation, uint32_t events)
{
	return (struct epoll_event){.events = events, .data.u64 = generation << 32 | (uint32_t)fd};
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn *function, void *context,
		struct err *err)
{
	int rc = grow_watchers(loop, fd, err);
	if (rc < 0)
		return rc;
	struct epoll_event event = event_for(fd, ++loop->generation, events);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return err_errno(err, errno, "watch descriptor %d", fd);
	loop->watchers[fd] = (struct watcher){function, context, loop->generation};
	return 0;
}

void loop_set_events(struct loop *loop, int fd, uint32_t events)
{
	struct epoll_event event = event_for(fd, loop->watchers[fd].generation, events);
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

void loop_remove_fd(struct loop *loop, int fd)
{
	if (fd < 0 || (size_t)fd >= loop->watcher_count || loop->watchers[fd].function == NULL)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	loop->watchers[fd].function = NULL;
}

int loop_add_timer(struct loop *loop, uint64_t delay_ns, loop_timer_fn *function, void *context,
		   uint32_t *id, struct err *err)
{
	for (size_t i = 0; i < TIMERS_MAX; i++) {
		struct timer *timer = &loop->timers[i];
		if (timer->function != NULL)
			continue;
		if (++loop->last_timer_id == 0)
			loop->last_timer_id = 1;
		*timer = (struct timer){clock_now_ns() + delay_ns, function, context,
					loop->last_timer_id};
		if (id != NULL)
			*id = timer->id;
		return 0;
	}
	return err_set(err, ENOSPC, "event loop: more than %d timers", TIMERS_MAX);
}

void loop_remove_timer(struct loop *loop, uint32_t *id)
{
	for (size_t i = 0; i < TIMERS_MAX && *id != 0; i++)
		if (loop->timers[i].id == *id)
			loop->timers[i].function = NULL;
	*id = 0;
}

static void on_signal(void *context, int fd, uint32_t events)
{
	struct loop *loop = context;
	struct signalfd_siginfo info;
	(void)events;
	while (read(fd, &info, sizeof info) == (ssize_t)sizeof info)
		for (size_t i = 0; i < loop->signal_count; i++)
			if (loop->signals[i].signo == (int)info.ssi_signo)
				loop->signals[i].function(loop->signals[i].context, &info);
}

int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *function, void *context,
		    struct err *err)
{
	if (loop->signal_count == SIGNALS_MAX)
		return err_set(err, ENOSPC, "event loop: more than %d signals", SIGNALS_MAX);
	sigaddset(&loop->mask, signo);
	int fd = signalfd(loop->signal_fd, &loop->mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_errno(err, errno, "signalfd");
	sigprocmask(SIG_BLOCK, &loop->mask, NULL);
	loop->signals[loop->signal_count++] = (struct signal_watcher){signo, function, context};
	if (fd == loop->signal_fd)
		return 0;
	loop->signal_fd = fd;
	return loop_add_fd(loop, fd, EPOLLIN, on_signal, loop, err);
}

void loop_child_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The timer that is due first; NULL: none. */
static struct timer *first_timer(struct loop *loop)
{
	struct timer *first = NULL;
	for (size_t i = 0; i < TIMERS_MAX; i++) {
		struct timer *timer = &loop->timers[i];
		if (timer->function != NULL && (first == NULL || timer->due < first->due))
			first = timer;
	}
	return first;
}

/* Milliseconds until the next timer, rounded up; -1: none. */
static int next_timeout(struct loop *loop)
{
	const struct timer *first = first_timer(loop);
	uint64_t now = clock_now_ns();
	if (first == NULL)
		return -1;
	if (first->due <= now)
		return 0;
	uint64_t ms = (first->due - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms > 1000000 ? 1000000 : (int)ms;
}

/* What is due, in the order of its times. */
static void fire_timers(struct loop *loop)
{
	uint64_t now = clock_now_ns();
	struct timer *timer;
	while (!loop->stopped && (timer = first_timer(loop)) != NULL && timer->due <= now) {
		loop_timer_fn *function = timer->function;
		timer->function = NULL;
		function(timer->context);
	}
}

static void dispatch(struct loop *loop, const struct epoll_event *event)
{
	int fd = (int)(uint32_t)event->data.u64;
	const struct watcher *watcher = &loop->watchers[fd];
	if (watcher->function != NULL && watcher->generation == event->data.u64 >> 32)
		watcher->function(watcher->context, fd, event->events);
}

int loop_run(struct loop *loop, struct err *err)
{
	loop->stopped = false;
	while (!loop->stopped) {
		struct epoll_event events[BATCH];
		int count = epoll_wait(loop->epoll_fd, events, BATCH, next_timeout(loop));
		if (count < 0 && errno != EINTR)
			return err_errno(err, errno, "epoll_wait");
		for (int i = 0; i < count && !loop->stopped; i++)
			dispatch(loop, &events[i]);
		fire_timers(loop);
	}
	return loop->value;
}

void loop_stop(struct loop *loop, int value)
{
	loop->stopped = true;
	loop->value = value;
}
