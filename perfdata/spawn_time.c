/*
 * spawn_time.c - the wall time of whole processes, of several commands in turn.
 *
 *   spawn_time [-w WARM_UPS] [-t SECONDS] FILE
 *
 * In: FILE, a command a line: `NAME REPEATS PROGRAM [ARGUMENTS]`, words apart by white space, no
 * quoting; "#" begins a line of remarks. Out: a line a sample: `NAME ROUND WALL_NS GONE_NS CPU_US`:
 * until the process ended, until its last descendant did, and the processor time of them all.
 *
 * We are the sub-reaper, so what a command leaves behind comes to us: its time is counted, and it
 * is over before the next sample begins.
 *
 * No shell and no script stands in between: posix_spawn(3), wait4(2), and the monotonic clock before and
 * after. Commands take turns, and each round begins with another one, so that what the machine does
 * besides falls on all alike; those with fewer repeats are spread over the rounds.
 *
 * Invariants: a command that fails, or does not end within SECONDS (60), is left out from then on: a
 * failure is often fast, and no figure. It says so on stderr and by a line `NAME ROUND failed`, and
 * the status at the end is 1. The commands' stdin and stdout are /dev/null; stderr is ours.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMANDS_MAX = 64, WORDS_MAX = 64, LINE_BYTES = 4096 };

extern char **environ;

struct command {
	const char *name;
	long repeats;
	bool has_failed;
	char *argv[WORDS_MAX + 1];
};

struct sample {
	uint64_t wall_ns, gone_ns;
	long cpu_us;
};

struct settings {
	long warm_ups, seconds;
	const char *file;
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	fputs("spawn_time: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static long number_of(const char *word, long least)
{
	char *end;
	long number = word != NULL ? strtol(word, &end, 10) : -1;
	if (number < least || *end != '\0')
		die("'%s' is not a number from %ld on", word != NULL ? word : "", least);
	return number;
}

/* The words point into the line, which is the command's from then on. */
static void command_parse(char *line, struct command *command)
{
	size_t count = 0;
	char *rest;
	command->name = strtok_r(line, " \t\n", &rest);
	command->repeats = number_of(strtok_r(NULL, " \t\n", &rest), 1);
	for (char *word; (word = strtok_r(NULL, " \t\n", &rest)) != NULL; count++) {
		if (count == WORDS_MAX)
			die("%s: more than %d words", command->name, WORDS_MAX);
		command->argv[count] = word;
	}
	command->argv[count] = NULL;
	if (count == 0)
		die("%s: no program", command->name);
}

static size_t commands_read(const char *path, struct command commands[COMMANDS_MAX])
{
	char line[LINE_BYTES];
	size_t count = 0;
	FILE *file = fopen(path, "re");
	if (file == NULL)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof line, file) != NULL) {
		if (line[0] == '#' || line[strspn(line, " \t\n")] == '\0')
			continue;
		char *kept = strdup(line);
		if (kept == NULL || count == COMMANDS_MAX)
			die("%s: more than %d commands", path, COMMANDS_MAX);
		command_parse(kept, &commands[count++]);
	}
	fclose(file);
	return count;
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static long microseconds(const struct timeval *time)
{
	return (long)time->tv_sec * 1000000 + (long)time->tv_usec;
}

/* SIGALRM is there to interrupt wait4(). */
static void on_alarm(int signo)
{
	(void)signo;
}

/* Says what went wrong, if anything did; number is an errno value. */
static bool judge(const struct command *command, int number, int status)
{
	if (number != 0)
		fprintf(stderr, "spawn_time: %s: %s\n", command->name, strerror(number));
	else if (WIFSIGNALED(status))
		fprintf(stderr, "spawn_time: %s: ended by signal %d\n", command->name, WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		fprintf(stderr, "spawn_time: %s: status %d\n", command->name, WEXITSTATUS(status));
	return number == 0 && status == 0;
}

/* The end of one that takes too long: it shall tidy up, but not for ever. */
static int stop(pid_t pid)
{
	kill(pid, SIGTERM);
	alarm(5);
	if (waitpid(pid, NULL, 0) < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	alarm(0);
	return ETIMEDOUT;
}

static long cpu_of(const struct rusage *usage)
{
	return microseconds(&usage->ru_utime) + microseconds(&usage->ru_stime);
}

/* Waits for what became our child; 0 or an errno value. */
static int reap_orphans(long *cpu_us)
{
	struct rusage usage;
	while (wait4(-1, NULL, 0, &usage) > 0)
		*cpu_us += cpu_of(&usage);
	return errno == ECHILD ? 0 : ETIMEDOUT;
}

static bool run(const struct command *command, const posix_spawn_file_actions_t *actions,
		long seconds, struct sample *sample)
{
	struct rusage usage;
	int status = 0;
	pid_t pid;
	alarm((unsigned)seconds);
	uint64_t start = now_ns();
	int number = posix_spawnp(&pid, command->argv[0], actions, NULL, command->argv, environ);
	if (number == 0 && wait4(pid, &status, 0, &usage) < 0)
		number = stop(pid);
	sample->wall_ns = now_ns() - start;
	if (number == 0) {
		sample->cpu_us = cpu_of(&usage);
		number = reap_orphans(&sample->cpu_us);
	}
	sample->gone_ns = now_ns() - start;
	alarm(0);
	return judge(command, number, status);
}

/* Whether the command has its turn in this round: `repeats` of `rounds` do, evenly. */
static bool has_turn(const struct command *command, long round, long rounds)
{
	return !command->has_failed &&
	       (round + 1) * command->repeats / rounds > round * command->repeats / rounds;
}

/* One run and its line; a round of -1 is a warm-up, which has none. */
static bool take(struct command *command, const posix_spawn_file_actions_t *actions, long seconds,
		 long round)
{
	struct sample sample;
	command->has_failed = !run(command, actions, seconds, &sample);
	if (command->has_failed)
		printf("%s %ld failed\n", command->name, round);
	else if (round >= 0)
		printf("%s %ld %llu %llu %ld\n", command->name, round, (unsigned long long)sample.wall_ns,
		       (unsigned long long)sample.gone_ns, sample.cpu_us);
	fflush(stdout);
	return !command->has_failed;
}

/* False when a command failed. */
static bool measure(const struct settings *settings, struct command *commands, size_t count,
		    long rounds)
{
	posix_spawn_file_actions_t actions;
	bool good = true;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	for (long i = 0; i < settings->warm_ups; i++)
		for (size_t j = 0; j < count; j++)
			if (!commands[j].has_failed)
				good &= take(&commands[j], &actions, settings->seconds, -1);
	for (long round = 0; round < rounds; round++) {
		for (size_t j = 0; j < count; j++) {
			struct command *command = &commands[(j + (size_t)round) % count];
			if (has_turn(command, round, rounds))
				good &= take(command, &actions, settings->seconds, round);
		}
	}
	posix_spawn_file_actions_destroy(&actions);
	return good;
}

static struct settings settings_parse(int argc, char **argv)
{
	struct settings settings = {.warm_ups = 1, .seconds = 60};
	int option;
	while ((option = getopt(argc, argv, "w:t:")) >= 0) {
		if (option == 'w')
			settings.warm_ups = number_of(optarg, 0);
		else if (option == 't')
			settings.seconds = number_of(optarg, 1);
		else
			exit(2);
	}
	if (optind + 1 != argc)
		die("usage: spawn_time [-w WARM_UPS] [-t SECONDS] FILE");
	settings.file = argv[optind];
	return settings;
}

int main(int argc, char **argv)
{
	static struct command commands[COMMANDS_MAX];
	struct settings settings = settings_parse(argc, argv);
	size_t count = commands_read(settings.file, commands);
	long rounds = 0;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
	for (size_t i = 0; i < count; i++)
		if (commands[i].repeats > rounds)
			rounds = commands[i].repeats;
	return measure(&settings, commands, count, rounds) ? 0 : 1;
}
