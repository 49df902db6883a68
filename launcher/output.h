/*
 * output.h - the ranks' stdout and stderr onto ours, whole lines at a time.
 *
 * Each rank has a pipe a stream.  Lines of different ranks never mix: what is
 * written ends in a newline, in pieces of at most PIPE_BUF bytes where lines are
 * shorter than that, since only those are atomic in a pipe that several daemons
 * share (pipe(7)).  When our own stdout or stderr is slow, the ranks' pipes are not read:
 * nothing is lost, nothing piles up.
 */
#ifndef LAUNCHER_OUTPUT_H
#define LAUNCHER_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/loop.h"

enum { OUTPUT_WORDS_MAX = 2048 };

struct output;

struct output_ops {
	/* All streams have ended and all is written. */
	void (*drained)(void *context);
	/* Nobody reads our stdout or stderr any more (EPIPE), or it is full. */
	void (*broken)(void *context, const struct err *why);
};

/* label: "RANK: " before each line. */
int output_new(struct loop *loop, bool label, const struct output_ops *ops, void *context,
	       struct output **output, struct err *err);
/* take_fd: the read end of rank's pipe, O_NONBLOCK; which: STDOUT_FILENO or STDERR_FILENO. */
int output_add(struct output *output, uint32_t rank, int which, int take_fd, struct err *err);
/* The end of what the rank has said on its stderr until now, at most OUTPUT_WORDS_MAX bytes; what is still in
 * its pipe is forwarded first.  "": nothing, or its stderr is ours. */
void output_last_words(struct output *output, uint32_t rank, struct buf *words);
/* No stream open and nothing queued. */
bool output_is_drained(const struct output *output);
void output_free(struct output **output);

#endif
