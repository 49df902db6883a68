/*
 * shield_test.c - statuses and signals through the shield, and its death.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/shield.h"

static int ends[2];  /* the daemon tells by it */

static void on_signal(int signo)
{
	char byte = (char)signo;
	ssize_t ignored = write(ends[1], &byte, 1);
	(void)ignored;
	_exit(40 + signo % 20);
}

/* The shield's pid; the daemon behind it ends with `status`, or waits for a signal if that is -1. */
static pid_t start(int status)
{
	assert_int_equal(pipe(ends), 0);
	pid_t shield = fork();
	if (shield > 0) {
		close(ends[1]);
		return shield;
	}
	signal(SIGTERM, on_signal);
	signal(SIGUSR1, on_signal);
	if (shield_raise(NULL) < 0)
		_exit(99);
	char ready = 'r';
	ssize_t ignored = write(ends[1], &ready, 1);
	(void)ignored;
	for (int i = 0; status < 0 && i < 1000; i++)
		usleep(10000);
	_exit(status < 0 ? 98 : status);
}

static int heard(void)
{
	char byte = 0;
	return read(ends[0], &byte, 1) == 1 ? byte : -1;
}

static int status_of(pid_t shield)
{
	int status;
	assert_int_equal(waitpid(shield, &status, 0), shield);
	close(ends[0]);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void the_daemons_status_is_the_shields(void **state)
{
	(void)state;
	assert_int_equal(status_of(start(0)), 0);
	assert_int_equal(status_of(start(7)), 7);
}

static void signals_are_passed_on(void **state)
{
	(void)state;
	pid_t shield = start(-1);
	assert_int_equal(heard(), 'r');
	kill(shield, SIGUSR1);
	assert_int_equal(heard(), SIGUSR1);
	assert_int_equal(status_of(shield), 40 + SIGUSR1 % 20);
}

static void a_killed_shield_is_a_term(void **state)
{
	(void)state;
	int status;
	pid_t shield = start(-1);
	assert_int_equal(heard(), 'r');
	kill(shield, SIGKILL);
	assert_int_equal(waitpid(shield, &status, 0), shield);
	assert_int_equal(heard(), SIGTERM);
	assert_int_equal(heard(), -1);  /* the daemon has ended, and nobody else has the pipe */
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_daemons_status_is_the_shields),
		cmocka_unit_test(signals_are_passed_on),
		cmocka_unit_test(a_killed_shield_is_a_term),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
