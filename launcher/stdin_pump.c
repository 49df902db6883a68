/*
 * stdin_pump.c - terminal to pipe, at the reader's pace (stdin_pump.h).
 *
 * Bytes are read only when the last ones have been taken, so at most one piece
 * is held here.  While we are in the background ourselves, nothing is read: that
 * would stop us.
 */
#include "launcher/stdin_pump.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"

struct stdin_pump {
	struct loop *loop;
	int pipe_fd;
	char bytes[4096];
	size_t len, at;
};

static void on_stdin(void *context, int fd, uint32_t events);

static void pump_end(struct stdin_pump *pump)
{
	loop_remove_fd(pump->loop, STDIN_FILENO);
	loop_remove_fd(pump->loop, pump->pipe_fd);
	close_fd(&pump->pipe_fd);
}

/* Writes what is held; true when all is out. */
static bool pump_write(struct stdin_pump *pump)
{
	while (pump->at < pump->len) {
		ssize_t count = write(pump->pipe_fd, pump->bytes + pump->at, pump->len - pump->at);
		if (count < 0 && errno == EAGAIN)
			return false;
		if (count < 0) {
			pump_end(pump);  /* the rank reads no more */
			return false;
		}
		pump->at += (size_t)count;
	}
	return true;
}

static void on_pipe(void *context, int fd, uint32_t events)
{
	struct stdin_pump *pump = context;
	(void)events;
	if (!pump_write(pump))
		return;
	loop_remove_fd(pump->loop, fd);
	loop_add_fd(pump->loop, STDIN_FILENO, EPOLLIN, on_stdin, pump, NULL);
}

static void on_stdin(void *context, int fd, uint32_t events)
{
	struct stdin_pump *pump = context;
	(void)events;
	if (tcgetpgrp(fd) != getpgrp()) {
		pump_end(pump);
		return;
	}
	ssize_t count = read(fd, pump->bytes, sizeof pump->bytes);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		pump_end(pump);
		return;
	}
	pump->len = (size_t)count;
	pump->at = 0;
	if (pump_write(pump) || pump->pipe_fd < 0)
		return;
	loop_remove_fd(pump->loop, fd);
	loop_add_fd(pump->loop, pump->pipe_fd, EPOLLOUT, on_pipe, pump, NULL);
}

int stdin_pump_new(struct loop *loop, int *rank_fd, struct stdin_pump **out, struct err *err)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe for stdin");
	AUTO_FD int reader = ends[0];
	AUTO_FD int writer = ends[1];
	AUTO_FREE struct stdin_pump *pump = calloc(1, sizeof *pump);
	if (pump == NULL)
		return err_errno(err, ENOMEM, "pipe for stdin");
	fcntl(writer, F_SETFL, O_NONBLOCK);
	*pump = (struct stdin_pump){.loop = loop, .pipe_fd = writer};
	int rc = loop_add_fd(loop, STDIN_FILENO, EPOLLIN, on_stdin, pump, err);
	if (rc < 0)
		return rc;
	take_fd(&writer);
	*rank_fd = take_fd(&reader);
	*out = take_ptr(&pump);
	return 0;
}

void stdin_pump_free(struct stdin_pump **where)
{
	struct stdin_pump *pump = take_ptr(where);
	if (pump == NULL)
		return;
	if (pump->pipe_fd >= 0)
		pump_end(pump);
	free(pump);
}
