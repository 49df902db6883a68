/*
 * output_test.c - the ranks' lines through to a captured stdout or stderr.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "launcher/output.h"
#include "tests/unit/common/test_loop.h"

enum { SOON_MS = 10000, RANKS_MAX = 4 };

struct fixture {
	struct loop *loop;
	struct output *output;
	int writers[RANKS_MAX];
	int saved[2], sink[2];  /* the test's own stdout and stderr; what we read of the new ones */
	int drained, broken;
	struct err why;
	struct buf got;         /* what stdout has received */
	uint64_t read_size;     /* of on_sink: how much at a time; 0: everything */
};

static void on_drained(void *context)
{
	struct fixture *fix = context;
	fix->drained++;
	loop_stop(fix->loop, 1);
}

static void on_broken(void *context, const struct err *why)
{
	struct fixture *fix = context;
	fix->broken++;
	fix->why = *why;
}

static const struct output_ops ops = {on_drained, on_broken};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof *fix);
	fflush(stdout);
	fflush(stderr);
	for (int i = 0; i < 2; i++) {
		int ends[2];
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		fix->saved[i] = fcntl(STDOUT_FILENO + i, F_DUPFD_CLOEXEC, 10);
		dup2(ends[1], STDOUT_FILENO + i);
		close(ends[1]);
		fix->sink[i] = ends[0];
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
	}
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < RANKS_MAX; i++)
		fix->writers[i] = -1;
	loop_new(&fix->loop, NULL);
	*state = fix;
	return 0;
}

/* Gives the test its own stdout and stderr back; assertions print there. */
static void restore(struct fixture *fix)
{
	for (int i = 0; i < 2; i++) {
		if (fix->saved[i] >= 0)
			dup2(fix->saved[i], STDOUT_FILENO + i);
		close_fd(&fix->saved[i]);
	}
}

static int teardown(void **state)
{
	struct fixture *fix = *state;
	restore(fix);
	output_free(&fix->output);
	loop_free(&fix->loop);
	for (int i = 0; i < RANKS_MAX; i++)
		close_fd(&fix->writers[i]);
	for (int i = 0; i < 2; i++)
		close_fd(&fix->sink[i]);
	buf_free(&fix->got);
	free(fix);
	return 0;
}

static void start(struct fixture *fix, bool label, int which, int ranks)
{
	assert_int_equal(output_new(fix->loop, label, &ops, fix, &fix->output, NULL), 0);
	for (int rank = 0; rank < ranks; rank++) {
		int ends[2];
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		fix->writers[rank] = ends[1];
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
		assert_int_equal(output_add(fix->output, (uint32_t)rank, which, ends[0], NULL), 0);
	}
}

static void say(struct fixture *fix, int rank, const char *text)
{
	assert_int_equal(write(fix->writers[rank], text, strlen(text)), strlen(text));
}

/* Lets everything pass that can. */
static void pass(struct fixture *fix)
{
	test_loop_run(fix->loop, 20);
}

static void end_all(struct fixture *fix)
{
	for (int i = 0; i < RANKS_MAX; i++)
		close_fd(&fix->writers[i]);
}

/* What has come out so far, since the last call. */
static const char *heard(struct fixture *fix, int which)
{
	static char text[8192];
	ssize_t len = read(fix->sink[which - STDOUT_FILENO], text, sizeof text - 1);
	text[len > 0 ? len : 0] = '\0';
	return text;
}

static void whole_lines_only(void **state)
{
	struct fixture *fix = *state;
	start(fix, false, STDOUT_FILENO, 2);
	say(fix, 0, "one\ntw");
	say(fix, 1, "ONE\nTW");
	pass(fix);
	say(fix, 1, "O\n");
	pass(fix);
	say(fix, 0, "o\n");
	pass(fix);
	restore(fix);
	const char *text = heard(fix, STDOUT_FILENO);
	if (text[1] == 'n')
		assert_string_equal(text, "one\nONE\nTWO\ntwo\n");
	else
		assert_string_equal(text, "ONE\none\nTWO\ntwo\n");
	assert_string_equal(heard(fix, STDERR_FILENO), "");
}

static void the_end_takes_what_is_left(void **state)
{
	struct fixture *fix = *state;
	start(fix, false, STDERR_FILENO, 1);
	say(fix, 0, "line\nno newline");
	end_all(fix);
	int rc = test_loop_run(fix->loop, SOON_MS);
	restore(fix);
	assert_int_equal(rc, 1);
	assert_int_equal(fix->drained, 1);
	assert_true(output_is_drained(fix->output));
	assert_string_equal(heard(fix, STDERR_FILENO), "line\nno newline");
	assert_string_equal(heard(fix, STDOUT_FILENO), "");
}

static const char *last_words(struct fixture *fix, uint32_t rank)
{
	static char text[OUTPUT_WORDS_MAX + 1];
	AUTO_BUF struct buf words = {0};
	output_last_words(fix->output, rank, &words);
	memcpy(text, words.len ? words.data : "", words.len);
	text[words.len] = '\0';
	return text;
}

/* Those that nobody has read yet, and those of a stream that has ended. */
static void last_words_are_kept(void **state)
{
	struct fixture *fix = *state;
	char lines[5000];
	start(fix, false, STDERR_FILENO, 3);
	say(fix, 0, "hello\nbye\n");
	bool is_read = strcmp(last_words(fix, 0), "hello\nbye\n") == 0;
	bool is_silent = last_words(fix, 1)[0] == '\0';
	memset(lines, 'x', sizeof lines);
	for (int i = 0; i < 3; i++) {
		lines[sizeof lines - 2] = (char)('1' + i);
		lines[sizeof lines - 1] = '\0';
		say(fix, 2, lines);
		pass(fix);
	}
	say(fix, 2, "end\n");
	end_all(fix);
	int rc = test_loop_run(fix->loop, SOON_MS);
	char ended[OUTPUT_WORDS_MAX + 1], first[64];
	strcpy(ended, last_words(fix, 2));
	snprintf(first, sizeof first, "%s", last_words(fix, 0));
	restore(fix);
	assert_true(is_read && is_silent);
	assert_int_equal(rc, 1);
	assert_string_equal(first, "hello\nbye\n");
	assert_int_equal(strlen(ended), OUTPUT_WORDS_MAX);
	assert_string_equal(ended + OUTPUT_WORDS_MAX - 6, "x3end\n");
	assert_non_null(strstr(heard(fix, STDERR_FILENO), "hello\nbye\n"));
}

static void labels_stand_before_every_line(void **state)
{
	struct fixture *fix = *state;
	start(fix, true, STDOUT_FILENO, 3);
	say(fix, 2, "a\n\nb\nrest");
	end_all(fix);
	int rc = test_loop_run(fix->loop, SOON_MS);
	restore(fix);
	assert_int_equal(rc, 1);
	assert_string_equal(heard(fix, STDOUT_FILENO), "2: a\n2: \n2: b\n2: rest\n");
}

static void an_empty_stream_drains(void **state)
{
	struct fixture *fix = *state;
	start(fix, true, STDOUT_FILENO, 2);
	assert_false(output_is_drained(fix->output));
	end_all(fix);
	int rc = test_loop_run(fix->loop, SOON_MS);
	restore(fix);
	assert_int_equal(rc, 1);
	assert_string_equal(heard(fix, STDOUT_FILENO), "");
}

/* -- much ----------------------------------------------------------------- */

static void on_sink(void *context, int fd, uint32_t events)
{
	struct fixture *fix = context;
	size_t most = fix->read_size ? fix->read_size : 1 << 20;
	char *room = buf_reserve(&fix->got, most);
	ssize_t len = read(fd, room, most);
	(void)events;
	if (len > 0)
		fix->got.len += (size_t)len;
}

/* A child that writes `lines` lines "RANK.LINE....\n" of `width` bytes; its pid. */
static pid_t writer(struct fixture *fix, int rank, unsigned lines, size_t width)
{
	pid_t pid = fork();
	if (pid == 0) {
		FILE *file = fdopen(fix->writers[rank], "w");
		for (unsigned i = 0; i < lines; i++) {
			int len = fprintf(file, "%d.%u", rank, i);
			for (size_t more = (size_t)len; more + 1 < width; more++)
				fputc('.', file);
			fputc('\n', file);
		}
		fclose(file);
		_exit(0);
	}
	close_fd(&fix->writers[rank]);
	return pid;
}

static void drain_sink(struct fixture *fix)
{
	size_t before;
	do {
		before = fix->got.len;
		on_sink(fix, fix->sink[0], 0);
	} while (fix->got.len > before);
}

/* Every line whole, of the right width, each rank's in order. */
static void assert_lines(const struct buf *got, int ranks, unsigned lines, size_t width)
{
	unsigned next[RANKS_MAX] = {0};
	assert_int_equal(got->len, (size_t)ranks * lines * width);
	for (size_t at = 0; at < got->len; at += width) {
		char expected[32];
		int rank = got->data[at] - '0';
		assert_in_range(rank, 0, ranks - 1);
		int len = snprintf(expected, sizeof expected, "%d.%u", rank, next[rank]++);
		assert_memory_equal(got->data + at, expected, len);
		assert_ptr_equal(memchr(got->data + at, '\n', got->len - at),
				 got->data + at + width - 1);
	}
}

static void much(struct fixture *fix, int ranks, unsigned lines, size_t width)
{
	start(fix, false, STDOUT_FILENO, ranks);
	loop_add_fd(fix->loop, fix->sink[0], EPOLLIN, on_sink, fix, NULL);
	for (int rank = 0; rank < ranks; rank++)
		writer(fix, rank, lines, width);
	int rc = test_loop_run(fix->loop, SOON_MS);
	drain_sink(fix);
	restore(fix);
	while (wait(NULL) > 0)
		;
	assert_int_equal(rc, 1);
	assert_lines(&fix->got, ranks, lines, width);
}

static void lines_of_many_ranks_never_mix(void **state)
{
	much(*state, 4, 5000, 61);
}

static void lines_above_pipe_buf_stay_whole(void **state)
{
	much(*state, 3, 40, 30000);
}

/* 4 MiB against a reader that takes 3 KiB at a time. */
static void a_slow_sink_loses_nothing(void **state)
{
	struct fixture *fix = *state;
	fix->read_size = 3000;
	much(fix, 2, 32768, 64);
}

/* Nobody reads: the ranks are held back, and little piles up here. */
static void a_stuck_sink_stops_the_ranks(void **state)
{
	struct fixture *fix = *state;
	char line[1000];
	size_t taken = 0;
	memset(line, 'x', sizeof line);
	line[sizeof line - 1] = '\n';
	start(fix, false, STDOUT_FILENO, 1);
	fcntl(fix->writers[0], F_SETFL, O_NONBLOCK);
	for (int round = 0; round < 60; round++) {
		ssize_t len;
		while ((len = write(fix->writers[0], line, sizeof line)) > 0)
			taken += (size_t)len;
		test_loop_run(fix->loop, 2);
	}
	fcntl(fix->writers[0], F_SETFL, 0);
	restore(fix);
	/* two pipes of 64 KiB, the queue of 256 KiB, and a read or two beyond */
	assert_in_range(taken, 256 * 1024, 512 * 1024);
	end_all(fix);
	loop_add_fd(fix->loop, fix->sink[0], EPOLLIN, on_sink, fix, NULL);
}

/* An endless line is let through in pieces, so that it cannot fill our memory. */
static void endless_lines_flow(void **state)
{
	struct fixture *fix = *state;
	static char piece[50000];
	memset(piece, 'y', sizeof piece);
	start(fix, false, STDOUT_FILENO, 1);
	loop_add_fd(fix->loop, fix->sink[0], EPOLLIN, on_sink, fix, NULL);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(write(fix->writers[0], piece, sizeof piece), sizeof piece);
		pass(fix);
	}
	restore(fix);
	assert_true(fix->got.len >= 3 * 64 * 1024 - 16 * 1024);
	assert_null(memchr(fix->got.data, '\n', fix->got.len));
}

static void a_reader_that_left_is_said_once(void **state)
{
	struct fixture *fix = *state;
	start(fix, false, STDOUT_FILENO, 1);
	close_fd(&fix->sink[0]);
	for (int i = 0; i < 3; i++) {
		say(fix, 0, "line\n");
		pass(fix);
	}
	end_all(fix);
	int rc = test_loop_run(fix->loop, SOON_MS);
	restore(fix);
	assert_int_equal(rc, 1);
	assert_int_equal(fix->broken, 1);
	assert_int_equal(fix->why.number, EPIPE);
	assert_string_equal(fix->why.text, "write stdout: Broken pipe");
	assert_true(output_is_drained(fix->output));
}

/* A regular file cannot be watched, and need not be. */
static void files_are_written(void **state)
{
	struct fixture *fix = *state;
	char path[] = "/tmp/cmpirun-output.XXXXXX", text[64] = "";
	AUTO_FD int fd = mkostemp(path, O_CLOEXEC);
	unlink(path);
	dup2(fd, STDOUT_FILENO);
	start(fix, true, STDOUT_FILENO, 1);
	say(fix, 0, "into a file\n");
	end_all(fix);
	int rc = test_loop_run(fix->loop, SOON_MS);
	restore(fix);
	assert_int_equal(rc, 1);
	assert_int_equal(pread(fd, text, sizeof text, 0), 15);
	assert_string_equal(text, "0: into a file\n");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_lines_only),
		TEST(the_end_takes_what_is_left), TEST(last_words_are_kept),
		TEST(labels_stand_before_every_line),
		TEST(an_empty_stream_drains),
		TEST(lines_of_many_ranks_never_mix),
		TEST(lines_above_pipe_buf_stay_whole),
		TEST(a_slow_sink_loses_nothing),
		TEST(a_stuck_sink_stops_the_ranks),
		TEST(endless_lines_flow),
		TEST(a_reader_that_left_is_said_once),
		TEST(files_are_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
