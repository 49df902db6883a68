/*
 * output.c - forwarding of lines with back-pressure (output.h).
 *
 * A stream collects bytes until a newline; its whole lines go to the queue of its
 * sink (our stdout or stderr), and the queue is written as far as poll(2) says
 * that it will not block: our descriptors are shared with other processes, so
 * O_NONBLOCK is not ours to set.  While a sink's queue is above a bound, streams
 * that want to add to it are parked: taken off the loop, put back when it is empty.
 */
#include "launcher/output.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"

enum { READ_SIZE = 16 * 1024, LINE_MAX_BYTES = 64 * 1024, QUEUE_HIGH = 256 * 1024 };

struct sink {
	struct output *output;
	int fd;
	struct buf queue;
	size_t written;
	bool is_watched, is_broken;
};

/* The end of a rank's stderr, which outlives its stream; ranks that said nothing there have none. */
struct words {
	struct words *next;
	uint32_t rank;
	struct buf text;  /* up to twice OUTPUT_WORDS_MAX, so that it is seldom moved */
};

struct stream {
	struct stream *next, **where;
	struct output *output;
	struct sink *sink;
	uint32_t rank;
	int fd;
	bool is_parked;
	struct words *words;
	struct buf line;  /* what came after the last newline */
};

struct output {
	struct loop *loop;
	bool label;
	const struct output_ops *ops;
	void *context;
	struct stream *streams;
	struct words *words;
	struct sink sinks[2];
};

int output_new(struct loop *loop, bool label, const struct output_ops *ops, void *context,
	       struct output **out, struct err *err)
{
	struct output *output = calloc(1, sizeof *output);
	if (output == NULL)
		return err_errno(err, ENOMEM, "output");
	*output = (struct output){.loop = loop, .label = label, .ops = ops, .context = context};
	for (int i = 0; i < 2; i++)
		output->sinks[i] = (struct sink){.output = output, .fd = STDOUT_FILENO + i};
	*out = output;
	return 0;
}

static void stream_free(struct stream *stream)
{
	if (!stream->is_parked)
		loop_remove_fd(stream->output->loop, stream->fd);
	close_fd(&stream->fd);
	*stream->where = stream->next;
	if (stream->next != NULL)
		stream->next->where = stream->where;
	buf_free(&stream->line);
	free(stream);
}

void output_free(struct output **where)
{
	struct output *output = take_ptr(where);
	if (output == NULL)
		return;
	while (output->streams != NULL)
		stream_free(output->streams);
	for (struct words *words = output->words, *next; words != NULL; words = next) {
		next = words->next;
		buf_free(&words->text);
		free(words);
	}
	for (int i = 0; i < 2; i++) {
		if (output->sinks[i].is_watched)
			loop_remove_fd(output->loop, output->sinks[i].fd);
		buf_free(&output->sinks[i].queue);
	}
	free(output);
}

bool output_is_drained(const struct output *output)
{
	return output->streams == NULL && output->sinks[0].queue.len == 0 &&
	       output->sinks[1].queue.len == 0;
}

/* -- sinks -------------------------------------------------------------- */

/* How much to write at once: whole lines within PIPE_BUF, else one long line. */
static size_t piece_of(const char *bytes, size_t len)
{
	if (len <= PIPE_BUF)
		return len;
	const char *newline = memrchr(bytes, '\n', PIPE_BUF);
	if (newline != NULL)
		return (size_t)(newline - bytes) + 1;
	return PIPE_BUF;
}

static void sink_broke(struct sink *sink, int number)
{
	struct err err;
	sink->is_broken = true;
	sink->queue.len = sink->written = 0;
	err_errno(&err, number, "write %s", sink->fd == STDOUT_FILENO ? "stdout" : "stderr");
	sink->output->ops->broken(sink->output->context, &err);
}

/* Writes what can be written without waiting; false when the rest must wait. */
static bool sink_write(struct sink *sink)
{
	while (sink->written < sink->queue.len) {
		struct pollfd ready = {.fd = sink->fd, .events = POLLOUT};
		if (poll(&ready, 1, 0) == 0)
			return false;
		const char *bytes = sink->queue.data + sink->written;
		ssize_t count = write(sink->fd, bytes, piece_of(bytes, sink->queue.len - sink->written));
		int number = errno;
		if (count < 0 && number == EAGAIN)
			return false;
		if (count < 0 && number != EINTR) {
			sink_broke(sink, number);
			return true;
		}
		sink->written += count > 0 ? (size_t)count : 0;
	}
	sink->queue.len = sink->written = 0;
	return true;
}

static void on_stream(void *context, int fd, uint32_t events);

static void unpark_all(struct sink *sink)
{
	struct output *output = sink->output;
	for (struct stream *stream = output->streams; stream != NULL; stream = stream->next) {
		if (!stream->is_parked || stream->sink != sink)
			continue;
		stream->is_parked = false;
		loop_add_fd(output->loop, stream->fd, EPOLLIN, on_stream, stream, NULL);
	}
}

static void report_if_drained(struct output *output)
{
	if (output_is_drained(output))
		output->ops->drained(output->context);
}

static void on_sink(void *context, int fd, uint32_t events)
{
	struct sink *sink = context;
	struct output *output = sink->output;
	(void)events;
	if (!sink_write(sink))
		return;
	loop_remove_fd(output->loop, fd);
	sink->is_watched = false;
	unpark_all(sink);
	report_if_drained(output);
}

/* Another open file may be the same pipe: then a watch of it may fail with EEXIST;
 * regular files fail with EPERM but never make us wait. */
static void sink_flush(struct sink *sink)
{
	if (sink->is_watched || sink_write(sink))
		return;
	if (loop_add_fd(sink->output->loop, sink->fd, EPOLLOUT, on_sink, sink, NULL) == 0)
		sink->is_watched = true;
}

static void sink_add(struct sink *sink, const char *bytes, size_t len)
{
	if (sink->is_broken)
		return;
	buf_add(&sink->queue, bytes, len);
	if (sink->queue.failed)
		sink_broke(sink, ENOMEM);
}

/* -- streams ------------------------------------------------------------ */

static void stream_add_line(struct stream *stream, const char *line, size_t len, bool is_whole)
{
	char label[16];
	if (stream->output->label)
		sink_add(stream->sink, label,
			 (size_t)snprintf(label, sizeof label, "%u: ", stream->rank));
	sink_add(stream->sink, line, len);
	if (stream->output->label && !is_whole)
		sink_add(stream->sink, "\n", 1);  /* the next line's label starts a line */
}

/* Moves the whole lines to the sink; at the end of the stream (or of a line
 * beyond all bounds) the rest too. */
static void stream_emit(struct stream *stream, bool all)
{
	struct buf *line = &stream->line;
	size_t at = 0;
	while (at < line->len) {
		const char *newline = memchr(line->data + at, '\n', line->len - at);
		if (newline == NULL && !all && line->len - at < LINE_MAX_BYTES)
			break;
		size_t len = newline ? (size_t)(newline + 1 - (line->data + at)) : line->len - at;
		stream_add_line(stream, line->data + at, len, newline != NULL);
		at += len;
	}
	buf_consume(line, at);
}

static void stream_end(struct stream *stream)
{
	struct output *output = stream->output;
	struct sink *sink = stream->sink;
	stream_emit(stream, true);
	stream_free(stream);
	sink_flush(sink);
	report_if_drained(output);
}

/* Kept on a best effort: without memory there are none. */
static void keep_words(struct stream *stream, const char *bytes, size_t len)
{
	struct output *output = stream->output;
	if (stream->words == NULL) {
		stream->words = calloc(1, sizeof *stream->words);
		if (stream->words == NULL)
			return;
		*stream->words = (struct words){.next = output->words, .rank = stream->rank};
		output->words = stream->words;
	}
	struct buf *text = &stream->words->text;
	size_t least = len < OUTPUT_WORDS_MAX ? len : OUTPUT_WORDS_MAX;
	if (text->len + least > 2 * OUTPUT_WORDS_MAX)
		buf_consume(text, text->len + least - OUTPUT_WORDS_MAX);
	buf_add(text, bytes + len - least, least);
}

/* One read: how much came; 0 at the end, -1 when there is nothing now. */
static ssize_t stream_read(struct stream *stream)
{
	char *room = buf_reserve(&stream->line, READ_SIZE);
	ssize_t count = room ? read(stream->fd, room, READ_SIZE) : 0;
	int number = errno;
	if (count < 0 && (number == EAGAIN || number == EINTR))
		return -1;
	if (count <= 0)
		return 0;
	if (stream->sink->fd == STDERR_FILENO)
		keep_words(stream, room, (size_t)count);
	stream->line.len += (size_t)count;
	stream_emit(stream, false);
	sink_flush(stream->sink);
	return count;
}

void output_last_words(struct output *output, uint32_t rank, struct buf *out)
{
	enum { READS_MAX = 8 };  /* a pipe has 64 KiB */
	if (output == NULL)
		return;
	for (struct stream *stream = output->streams; stream != NULL; stream = stream->next)
		if (stream->rank == rank && stream->sink->fd == STDERR_FILENO)
			for (int i = 0; i < READS_MAX && stream_read(stream) > 0; i++)
				;
	for (const struct words *words = output->words; words != NULL; words = words->next) {
		size_t len = words->text.len < OUTPUT_WORDS_MAX ? words->text.len : OUTPUT_WORDS_MAX;
		if (words->rank == rank && !words->text.failed)
			buf_add(out, words->text.data + words->text.len - len, len);
	}
}

static void on_stream(void *context, int fd, uint32_t events)
{
	struct stream *stream = context;
	(void)events;
	if (stream->sink->queue.len - stream->sink->written > QUEUE_HIGH && stream->sink->is_watched) {
		stream->is_parked = true;
		loop_remove_fd(stream->output->loop, fd);
		return;
	}
	if (stream_read(stream) == 0)
		stream_end(stream);
}

int output_add(struct output *output, uint32_t rank, int which, int take, struct err *err)
{
	AUTO_FD int fd = take;
	struct stream *stream = calloc(1, sizeof *stream);
	if (stream == NULL)
		return err_errno(err, ENOMEM, "output of rank %u", rank);
	*stream = (struct stream){.next = output->streams, .where = &output->streams, .output = output,
				  .sink = &output->sinks[which - STDOUT_FILENO], .rank = rank, .fd = fd};
	int rc = loop_add_fd(output->loop, fd, EPOLLIN, on_stream, stream, err);
	if (rc < 0) {
		free(stream);
		return rc;
	}
	take_fd(&fd);
	if (output->streams != NULL)
		output->streams->where = &stream->next;
	output->streams = stream;
	return 0;
}
