/*
 * loop.h - one epoll loop: descriptors, timers, signals.
 *
 * One thread.  Callbacks may add and remove anything, themselves included; an
 * event that was already fetched for a removed descriptor is dropped.  The
 * loop does not own descriptors: remove before closing.  Signals named by
 * loop_add_signal are blocked in this process and arrive through a signalfd
 * (signalfd(2)), so a child must restore its mask before exec:
 * loop_child_signals().
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

#include "common/err.h"

struct loop;
struct signalfd_siginfo;

typedef void loop_fd_fn(void *context, int fd, uint32_t events);
typedef void loop_timer_fn(void *context);
typedef void loop_signal_fn(void *context, const struct signalfd_siginfo *info);

int loop_new(struct loop **loop, struct err *err);
/* Also accepts NULL.  Unblocks nothing; forgets all watchers. */
void loop_free(struct loop **loop);

/* `events`: EPOLLIN, EPOLLOUT or 0 (then only EPOLLHUP and EPOLLERR arrive).
 * -EPERM for a regular file (epoll_ctl(2)): such a descriptor never blocks. */
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn *function, void *context,
		struct err *err);
void loop_set_events(struct loop *loop, int fd, uint32_t events);
/* No error when it is not there. */
void loop_remove_fd(struct loop *loop, int fd);

/* One shot, after `delay_ns`; *id (may be NULL) is never 0. */
int loop_add_timer(struct loop *loop, uint64_t delay_ns, loop_timer_fn *function, void *context,
		   uint32_t *id, struct err *err);
/* No error when it has fired or *id is 0; sets *id to 0. */
void loop_remove_timer(struct loop *loop, uint32_t *id);

int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *function, void *context,
		    struct err *err);
/* In a child between fork and exec: nothing is blocked any more. Async-signal-safe. */
void loop_child_signals(void);

/* Runs until loop_stop(); returns the value given to it, or -errno. */
int loop_run(struct loop *loop, struct err *err);
void loop_stop(struct loop *loop, int value);

#endif
