/*
 * control.c - HELLO in, the other messages out (control.h).
 *
 * cmpi-bcast has nothing else to do while it waits for the HELLO, and cmpid reads what it is sent
 * from an event loop, so plain blocking calls do.
 */
#include "bcast/control.h"

#include <errno.h>
#include <sys/socket.h>

/* The largest HELLO: card, plan, path and their lengths. */
enum { HELLO_MAX = 8 + BCAST_CARD_MAX + BCAST_PLAN_MAX + PATH_MAX + 64 };

/* Appends what there is; -EPIPE at the end of the stream. */
static int read_some(int fd, struct buf *in, struct err *err)
{
	enum { READ_SIZE = 64 * 1024 };
	char *room = buf_reserve(in, READ_SIZE);
	if (room == NULL)
		return err_errno(err, ENOMEM, "message of cmpid");
	ssize_t got;
	do
		got = recv(fd, room, READ_SIZE, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_errno(err, errno, "receive from cmpid");
	if (got == 0)
		return err_set(err, EPIPE, "cmpid has ended");
	in->len += (size_t)got;
	return 0;
}

int control_read_hello(int fd, struct buf *in, struct bcast_hello *hello, struct err *err)
{
	struct frame frame;
	struct bcast_msg msg;
	long long len;
	int rc;
	while ((len = frame_parse(in->data, in->len, HELLO_MAX, &frame, err)) == 0)
		if ((rc = read_some(fd, in, err)) < 0)
			return rc;
	if (len < 0)
		return (int)len;
	if ((rc = bcast_msg_parse(&frame, &msg, err)) < 0)
		return rc;
	if (msg.type != BCAST_MSG_HELLO) {
		bcast_msg_free(&msg);
		return err_set(err, EPROTO, "the first message of cmpid has type %d", (int)msg.type);
	}
	*hello = msg.hello;
	return 0;
}

int control_send(int fd, const struct bcast_msg *msg, struct err *err)
{
	AUTO_BUF struct buf out = {0};
	bcast_msg_pack(msg, &out);
	if (out.failed)
		return err_errno(err, ENOMEM, "message to cmpid");
	for (size_t sent = 0; sent < out.len;) {
		ssize_t some = send(fd, out.data + sent, out.len - sent, MSG_NOSIGNAL);
		if (some < 0 && errno == EINTR)
			continue;
		if (some < 0)
			return err_errno(err, errno, "send to cmpid");
		sent += (size_t)some;
	}
	return 0;
}

bool control_alive(int fd, bool *cancelled)
{
	char byte;
	ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	*cancelled = got > 0;
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}
