/*
 * spawn_loop.c - the limit of starting N processes: nothing but that.
 *
 *   spawn_loop N PROGRAM [ARGUMENTS]
 *
 * In: a number and a command. Out: N processes of it, started one after the other by posix_spawn(3), then
 * waited for; status 0 if all ended with 0. No container, pipes, binding, environment or PMI: what a
 * launcher adds is what it needs beyond this.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int fail(const char *what, int number)
{
	fprintf(stderr, "spawn_loop: %s: %s\n", what, strerror(number));
	return 1;
}

int main(int argc, char **argv)
{
	char *end;
	long count = argc > 2 ? strtol(argv[1], &end, 10) : 0;
	int failed = 0, status;
	if (count < 1 || *end != '\0') {
		fprintf(stderr, "usage: spawn_loop N PROGRAM [ARGUMENTS]\n");
		return 2;
	}
	for (long i = 0; i < count; i++) {
		pid_t pid;
		int number = posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ);
		if (number != 0)
			return fail(argv[2], number);
	}
	for (long i = 0; i < count; i++) {
		if (wait(&status) < 0)
			return fail("wait", errno);
		failed |= status != 0;
	}
	return failed;
}
