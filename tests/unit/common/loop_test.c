/*
 * loop_test.c - events, timers, signals; removal and re-use inside of callbacks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/unit/common/test_loop.h"

enum { SOON_MS = 3000 };

/* Two socket pairs; the near ends ([0]) are watched, the far ends speak. */
struct fixture {
	struct loop *loop;
	int a[2], b[2];
	int calls, last_fd;
	uint32_t events;
	uint32_t timer;
	char trace[16];
	size_t trace_len;
};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof *fix);
	assert_int_equal(loop_new(&fix->loop, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fix->a), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fix->b), 0);
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;
	loop_free(&fix->loop);
	for (int i = 0; i < 2; i++) {
		close_fd(&fix->a[i]);
		close_fd(&fix->b[i]);
	}
	free(fix);
	return 0;
}

static void say(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

static void note(void *context, int fd, uint32_t events)
{
	struct fixture *fix = context;
	fix->calls++;
	fix->last_fd = fd;
	fix->events = events;
	loop_stop(fix->loop, 42);
}

static void input_arrives_and_stop_gives_its_value(void **state)
{
	struct fixture *fix = *state;
	loop_add_fd(fix->loop, fix->a[0], EPOLLIN, note, fix, NULL);
	say(fix->a[1]);
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 42);
	assert_int_equal(fix->calls, 1);
	assert_int_equal(fix->last_fd, fix->a[0]);
	assert_int_equal(fix->events, EPOLLIN);
}

static void events_can_be_changed(void **state)
{
	struct fixture *fix = *state;
	loop_add_fd(fix->loop, fix->a[0], EPOLLIN, note, fix, NULL);
	loop_set_events(fix->loop, fix->a[0], EPOLLOUT);
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 42);
	assert_int_equal(fix->events, EPOLLOUT);
	loop_set_events(fix->loop, fix->a[0], 0);
	say(fix->a[1]);
	assert_int_equal(test_loop_run(fix->loop, 20), -ETIME);
	close_fd(&fix->a[1]);
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 42);
	assert_true((fix->events & EPOLLHUP) != 0);
}

static void removed_means_silent(void **state)
{
	struct fixture *fix = *state;
	loop_add_fd(fix->loop, fix->a[0], EPOLLIN, note, fix, NULL);
	say(fix->a[1]);
	loop_remove_fd(fix->loop, fix->a[0]);
	loop_remove_fd(fix->loop, fix->a[0]);
	loop_remove_fd(fix->loop, -1);
	loop_remove_fd(fix->loop, 100000);
	assert_int_equal(test_loop_run(fix->loop, 20), -ETIME);
	assert_int_equal(fix->calls, 0);
}

static void regular_files_are_refused(void **state)
{
	struct fixture *fix = *state;
	AUTO_FD int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct err err;
	assert_int_equal(loop_add_fd(fix->loop, fd, EPOLLIN, note, fix, &err), -EPERM);
}

/* The second watch fails, and the first one lives on. */
static void adding_twice_is_an_error_without_harm(void **state)
{
	struct fixture *fix = *state;
	struct err err;
	loop_add_fd(fix->loop, fix->a[0], EPOLLIN, note, fix, NULL);
	assert_int_equal(loop_add_fd(fix->loop, fix->a[0], EPOLLIN, note, NULL, &err), -EEXIST);
	say(fix->a[1]);
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 42);
	assert_int_equal(fix->calls, 1);
}

/* Whichever is called first removes both: the other's event is dropped. */
static void remove_both(void *context, int fd, uint32_t events)
{
	struct fixture *fix = context;
	(void)fd;
	(void)events;
	fix->calls++;
	loop_remove_fd(fix->loop, fix->a[0]);
	loop_remove_fd(fix->loop, fix->b[0]);
}

static void a_fetched_event_of_a_removed_descriptor_is_dropped(void **state)
{
	struct fixture *fix = *state;
	loop_add_fd(fix->loop, fix->a[0], EPOLLIN, remove_both, fix, NULL);
	loop_add_fd(fix->loop, fix->b[0], EPOLLIN, remove_both, fix, NULL);
	say(fix->a[1]);
	say(fix->b[1]);
	assert_int_equal(test_loop_run(fix->loop, 30), -ETIME);
	assert_int_equal(fix->calls, 1);
}

static void must_not_come(void *context, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	loop_stop(((struct fixture *)context)->loop, -1);
}

/* Closes the other descriptor, and opens its number again for a silent peer. */
static void reopen_other(void *context, int fd, uint32_t events)
{
	struct fixture *fix = context;
	int *other = fd == fix->a[0] ? fix->b : fix->a, fresh[2];
	(void)events;
	fix->calls++;
	loop_remove_fd(fix->loop, fd);
	loop_remove_fd(fix->loop, other[0]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fresh), 0);
	assert_int_equal(dup3(fresh[0], other[0], O_CLOEXEC), other[0]);
	assert_int_equal(dup3(fresh[1], other[1], O_CLOEXEC), other[1]);
	close(fresh[0]);
	close(fresh[1]);
	loop_add_fd(fix->loop, other[0], EPOLLIN, must_not_come, fix, NULL);
}

static void a_number_opened_again_is_not_its_predecessor(void **state)
{
	struct fixture *fix = *state;
	loop_add_fd(fix->loop, fix->a[0], EPOLLIN, reopen_other, fix, NULL);
	loop_add_fd(fix->loop, fix->b[0], EPOLLIN, reopen_other, fix, NULL);
	say(fix->a[1]);
	say(fix->b[1]);
	assert_int_equal(test_loop_run(fix->loop, 30), -ETIME);
	assert_int_equal(fix->calls, 1);
}

/* -- timers ------------------------------------------------------------- */

static void trace(struct fixture *fix, char letter)
{
	fix->trace[fix->trace_len++] = letter;
}

static void timer_a(void *context)
{
	trace(context, 'a');
}

static void timer_b(void *context)
{
	trace(context, 'b');
}

static void timer_last(void *context)
{
	trace(context, 'c');
	loop_stop(((struct fixture *)context)->loop, 7);
}

static void timers_fire_in_the_order_of_their_times(void **state)
{
	struct fixture *fix = *state;
	uint64_t started = clock_now_ns();
	loop_add_timer(fix->loop, 60 * NS_PER_MS, timer_last, fix, NULL, NULL);
	loop_add_timer(fix->loop, 30 * NS_PER_MS, timer_b, fix, NULL, NULL);
	loop_add_timer(fix->loop, 0, timer_a, fix, NULL, NULL);
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 7);
	assert_string_equal(fix->trace, "abc");
	assert_true(clock_now_ns() - started >= 60 * NS_PER_MS);
}

/* All are late at once: still in the order of their times. */
static void late_timers_keep_their_order(void **state)
{
	struct fixture *fix = *state;
	loop_add_timer(fix->loop, 3 * NS_PER_MS, timer_last, fix, NULL, NULL);
	loop_add_timer(fix->loop, 2 * NS_PER_MS, timer_b, fix, NULL, NULL);
	loop_add_timer(fix->loop, 1 * NS_PER_MS, timer_a, fix, NULL, NULL);
	usleep(10000);
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 7);
	assert_string_equal(fix->trace, "abc");
}

static void remove_other_timer(void *context)
{
	struct fixture *fix = context;
	trace(fix, 'r');
	loop_remove_timer(fix->loop, &fix->timer);
	loop_remove_timer(fix->loop, &fix->timer);
}

static void a_removed_timer_is_silent(void **state)
{
	struct fixture *fix = *state;
	loop_add_timer(fix->loop, 1 * NS_PER_MS, remove_other_timer, fix, NULL, NULL);
	loop_add_timer(fix->loop, 2 * NS_PER_MS, timer_a, fix, &fix->timer, NULL);
	assert_int_not_equal(fix->timer, 0);
	usleep(5000);  /* both are due in one round */
	assert_int_equal(test_loop_run(fix->loop, 20), -ETIME);
	assert_string_equal(fix->trace, "r");
	assert_int_equal(fix->timer, 0);
}

static void add_itself_again(void *context)
{
	struct fixture *fix = context;
	trace(fix, 'i');
	if (fix->trace_len == 3)
		loop_stop(fix->loop, 3);
	else
		loop_add_timer(fix->loop, NS_PER_MS, add_itself_again, fix, &fix->timer, NULL);
}

static void a_timer_may_add_itself(void **state)
{
	struct fixture *fix = *state;
	loop_add_timer(fix->loop, NS_PER_MS, add_itself_again, fix, &fix->timer, NULL);
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 3);
	assert_string_equal(fix->trace, "iii");
}

static void timers_are_bounded(void **state)
{
	struct fixture *fix = *state;
	struct err err;
	int rc = 0, count = 0;
	while (rc == 0 && count++ < 1000)
		rc = loop_add_timer(fix->loop, NS_PER_S, timer_a, fix, NULL, &err);
	assert_int_equal(rc, -ENOSPC);
	assert_string_equal(err.text, "event loop: more than 64 timers");
}

/* -- signals ------------------------------------------------------------ */

static void on_signal(void *context, const struct signalfd_siginfo *info)
{
	struct fixture *fix = context;
	trace(fix, info->ssi_signo == SIGUSR1 ? '1' : '2');
	if (fix->trace_len == 2)
		loop_stop(fix->loop, 12);
}

static void signals_arrive_on_the_loop(void **state)
{
	struct fixture *fix = *state;
	loop_add_signal(fix->loop, SIGUSR1, on_signal, fix, NULL);
	loop_add_signal(fix->loop, SIGUSR2, on_signal, fix, NULL);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 12);
	assert_string_equal(fix->trace, "12");
	loop_child_signals();
}

static void a_child_gets_its_mask_back(void **state)
{
	struct fixture *fix = *state;
	int status;
	loop_add_signal(fix->loop, SIGTERM, on_signal, fix, NULL);
	pid_t pid = fork();
	if (pid == 0) {
		loop_child_signals();
		raise(SIGTERM);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
	loop_child_signals();
}

static void free_takes_null(void **state)
{
	struct loop *none = NULL;
	(void)state;
	loop_free(&none);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(input_arrives_and_stop_gives_its_value),
		TEST(events_can_be_changed),
		TEST(removed_means_silent),
		TEST(regular_files_are_refused),
		TEST(adding_twice_is_an_error_without_harm),
		TEST(a_fetched_event_of_a_removed_descriptor_is_dropped),
		TEST(a_number_opened_again_is_not_its_predecessor),
		TEST(timers_fire_in_the_order_of_their_times),
		TEST(late_timers_keep_their_order),
		TEST(a_removed_timer_is_silent),
		TEST(a_timer_may_add_itself),
		TEST(timers_are_bounded),
		TEST(signals_arrive_on_the_loop),
		TEST(a_child_gets_its_mask_back),
		TEST(free_takes_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
