/*
 * stdin_pump_test.c - a terminal's input through to a rank, on a pty of its own.
 *
 * The pump reads descriptor 0 of its process, and only while that is the
 * foreground of its terminal; so each case runs in a child of forkpty(3), whose
 * exit status is the verdict.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "launcher/stdin_pump.h"
#include "tests/unit/common/test_loop.h"

enum { SOON_MS = 5000, PASSED = 0, FAILED = 1 };

struct rank {
	struct loop *loop;
	struct stdin_pump *pump;
	int fd;
	char got[64 * 1024];
	size_t len, want;
	bool ended;
};

static void on_rank(void *context, int fd, uint32_t events)
{
	struct rank *rank = context;
	ssize_t len = read(fd, rank->got + rank->len, sizeof rank->got - rank->len);
	(void)events;
	rank->len += len > 0 ? (size_t)len : 0;
	rank->ended = len == 0;
	if (rank->ended || (rank->want > 0 && rank->len >= rank->want))
		loop_stop(rank->loop, 1);
}

/* Plays a daemon on the terminal; `check` says whether all was well. */
static int run_on_terminal(bool (*check)(struct rank *rank))
{
	static struct rank rank;
	rank = (struct rank){.fd = -1};
	signal(SIGPIPE, SIG_IGN);
	if (loop_new(&rank.loop, NULL) < 0 ||
	    stdin_pump_new(rank.loop, &rank.fd, &rank.pump, NULL) < 0)
		return FAILED;
	bool good = check(&rank);
	stdin_pump_free(&rank.pump);
	close_fd(&rank.fd);
	loop_free(&rank.loop);
	return good ? PASSED : FAILED;
}

/* Types `text` into the terminal, piece by piece as it is taken. */
static void type(int terminal, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t count = write(terminal, text, len < 1000 ? len : 1000);
		if (count < 0)
			return;
		text += count;
		len -= (size_t)count;
	}
}

static void on_terminal(bool (*check)(struct rank *rank), const char *text, size_t len, bool raw)
{
	int terminal, status;
	struct termios settings;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
	assert_true(pid >= 0);
	if (pid == 0) {
		tcgetattr(0, &settings);
		settings.c_lflag &= ~(tcflag_t)ECHO;
		if (raw)
			cfmakeraw(&settings);
		tcsetattr(0, TCSANOW, &settings);
		if (write(1, "!", 1) != 1)  /* the settings are made */
			_exit(FAILED);
		_exit(run_on_terminal(check));
	}
	char byte = 0;
	while (byte != '!' && read(terminal, &byte, 1) == 1)
		;
	type(terminal, text, len);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(terminal);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), PASSED);
}

static bool gets_line_and_end(struct rank *rank)
{
	loop_add_fd(rank->loop, rank->fd, EPOLLIN, on_rank, rank, NULL);
	return test_loop_run(rank->loop, SOON_MS) == 1 && rank->ended && rank->len == 6 &&
	       memcmp(rank->got, "hello\n", 6) == 0;
}

static void a_line_and_the_end_go_through(void **state)
{
	(void)state;
	on_terminal(gets_line_and_end, "hello\n\x04", 7, false);
}

/* The rank does not read at first: the pump waits with one piece in its hand. */
static bool gets_much_late(struct rank *rank)
{
	test_loop_run(rank->loop, 100);
	rank->want = 60000;
	loop_add_fd(rank->loop, rank->fd, EPOLLIN, on_rank, rank, NULL);
	if (test_loop_run(rank->loop, SOON_MS) != 1 || rank->len != 60000)
		return false;
	for (size_t i = 0; i < rank->len; i++)
		if (rank->got[i] != (char)('a' + i % 23))
			return false;
	return true;
}

static void a_late_reader_gets_all(void **state)
{
	static char text[60000];
	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)('a' + i % 23);
	on_terminal(gets_much_late, text, sizeof text, true);
}

/* The rank closed its stdin: what is typed then goes nowhere, and nothing breaks. */
static bool has_closed(struct rank *rank)
{
	close_fd(&rank->fd);
	return test_loop_run(rank->loop, 100) == -ETIME;
}

static void a_rank_that_reads_no_more_is_no_error(void **state)
{
	(void)state;
	on_terminal(has_closed, "hello\nagain\n", 12, false);
}

/* In the background nothing is read, as that would stop the whole group (SIGTTIN). */
static bool gets_the_end_at_once(struct rank *rank)
{
	loop_add_fd(rank->loop, rank->fd, EPOLLIN, on_rank, rank, NULL);
	return test_loop_run(rank->loop, SOON_MS) == 1 && rank->ended && rank->len == 0;
}

static bool in_background(struct rank *rank)
{
	int status = 0, go[2];
	(void)rank;
	if (pipe(go) < 0)
		return false;
	pid_t pid = fork();
	if (pid == 0) {
		char byte;
		setpgid(0, 0);
		if (read(go[0], &byte, 1) != 1)
			_exit(FAILED);
		_exit(run_on_terminal(gets_the_end_at_once));
	}
	setpgid(pid, pid);
	if (write(go[1], "x", 1) != 1)
		return false;
	return waitpid(pid, &status, WUNTRACED) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == PASSED;
}

static void the_background_reads_nothing(void **state)
{
	(void)state;
	on_terminal(in_background, "hello\n", 6, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_and_the_end_go_through),
		cmocka_unit_test(a_late_reader_gets_all),
		cmocka_unit_test(a_rank_that_reads_no_more_is_no_error),
		cmocka_unit_test(the_background_reads_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
