/*
 * run_peak.c - runs a command and tells how long it took and how much memory it needed.
 *
 *	run_peak FILE COMMAND ARGUMENT...
 *
 * FILE gets "NANOSECONDS KB": wall time, and the peak of the command's largest process.  It has to be
 * forked from something small: a child's peak begins with what its parent had in memory.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

int main(int argc, char **argv)
{
	FILE *file = argc > 2 ? fopen(argv[1], "we") : NULL;
	struct rusage usage;
	int status;
	if (!file) {
		fprintf(stderr, "usage: run_peak FILE COMMAND ARGUMENT...\n");
		return 125;
	}
	long long begun = now_ns();
	pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0) {
		perror("run_peak");
		return 125;
	}
	fprintf(file, "%lld %ld\n", now_ns() - begun, usage.ru_maxrss);
	fclose(file);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
