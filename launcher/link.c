/*
 * link.c - non-blocking frames over one TCP connection (link.h).
 *
 * A dead peer is found by the kernel, which costs no wake-up here: keepalive
 * probes each second and TCP_USER_TIMEOUT end the connection after about four
 * seconds without an answer (tcp(7)); a process that died closes it at once.
 *
 * Frames that are sent before both sides have proven the key wait in `early`.
 * When sending fails, the end is reported from the loop, after the last words
 * that the peer may have left for us were read: a daemon that goes says why first.
 *
 * A callback may free the link while we are still inside of a function of it:
 * `busy` counts us, and the last one out frees.
 */
#include "launcher/link.h"

#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "common/cleanup.h"

enum link_state {
	LINK_CONNECTING,  /* child: connect(2) under way */
	LINK_WANT_PROOF,  /* child: HELLO sent */
	LINK_WANT_HELLO,  /* parent: nothing seen */
	LINK_WANT_REPLY,  /* parent: PROOF sent */
	LINK_OPEN,
	LINK_CLOSED,
};

enum { DEAD_AFTER_MS = 4000, READ_SIZE = 64 * 1024 };

struct link {
	struct loop *loop;
	int fd;
	enum link_state state;
	struct auth auth;
	const uint8_t *key;
	struct buf in, out, early;
	size_t sent;     /* bytes of `out` that the kernel has */
	int send_error;  /* errno: nothing is sent any more */
	const struct link_ops *ops;
	void *context;
	int busy;
	bool doomed;
};

static const struct {
	int level, name, value;
} socket_options[] = {
	{IPPROTO_TCP, TCP_NODELAY, 1},
	{SOL_SOCKET, SO_KEEPALIVE, 1},
	{IPPROTO_TCP, TCP_KEEPIDLE, 1},
	{IPPROTO_TCP, TCP_KEEPINTVL, 1},
	{IPPROTO_TCP, TCP_KEEPCNT, 3},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_AFTER_MS},
};

static void set_options(int fd)
{
	for (size_t i = 0; i < sizeof socket_options / sizeof socket_options[0]; i++)
		setsockopt(fd, socket_options[i].level, socket_options[i].name,
			   &socket_options[i].value, sizeof socket_options[i].value);
}

static void leave(struct link *link)
{
	if (--link->busy > 0 || !link->doomed)
		return;
	buf_free(&link->in);
	buf_free(&link->out);
	buf_free(&link->early);
	free(link);
}

static void shut(struct link *link)
{
	loop_remove_fd(link->loop, link->fd);
	close_fd(&link->fd);
	link->state = LINK_CLOSED;
}

void link_free(struct link **where)
{
	struct link *link = take_ptr(where);
	if (link == NULL)
		return;
	link->busy++;
	link->doomed = true;
	shut(link);
	leave(link);
}

static void fail(struct link *link, const struct err *why)
{
	if (link->state == LINK_CLOSED)
		return;
	shut(link);
	link->ops->closed(link->context, link, why);
}

static void fail_errno(struct link *link, int number, const char *what)
{
	struct err err;
	err_errno(&err, number, "%s", what);
	fail(link, &err);
}

/* Sends no more; what is still to be read, and then the end, come as an event. */
static void stop_sending(struct link *link, int number)
{
	link->send_error = number;
	link->out.len = link->sent = 0;
	shutdown(link->fd, SHUT_RDWR);
	loop_set_events(link->loop, link->fd, EPOLLIN);
}

static void flush(struct link *link)
{
	while (link->send_error == 0 && link->sent < link->out.len) {
		ssize_t count = send(link->fd, link->out.data + link->sent,
				     link->out.len - link->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		int number = errno;
		if (count < 0 && number == EAGAIN) {
			loop_set_events(link->loop, link->fd, EPOLLIN | EPOLLOUT);
			return;
		}
		if (count < 0)
			return stop_sending(link, number);
		link->sent += (size_t)count;
	}
	link->out.len = link->sent = 0;
	loop_set_events(link->loop, link->fd, EPOLLIN);
}

static void queue(struct link *link, const void *bytes, size_t len)
{
	buf_add(&link->out, bytes, len);
	if (link->out.failed)
		stop_sending(link, ENOMEM);
}

void link_send(struct link *link, const struct frame *frame)
{
	if (link->state == LINK_CLOSED || link->send_error != 0)
		return;
	bool is_open = link->state == LINK_OPEN, idle = is_open && link->out.len == 0;
	struct buf *out = is_open ? &link->out : &link->early;
	frame_add(out, frame);
	if (out->failed)
		stop_sending(link, ENOMEM);
	else if (idle)
		flush(link);
}

size_t link_backlog(const struct link *link)
{
	return link->out.len - link->sent + link->early.len;
}

static void opened(struct link *link)
{
	link->state = LINK_OPEN;
	queue(link, link->early.data, link->early.len);
	buf_free(&link->early);
	link->ops->opened(link->context, link, link->auth.child);
}

/* Handles one handshake message if it is all here; returns its size, 0 to wait. */
static size_t handshake(struct link *link)
{
	const uint8_t *bytes = (const uint8_t *)link->in.data;
	uint8_t proof[AUTH_PROOF_SIZE], reply[AUTH_REPLY_SIZE];
	struct err err = ERR_NONE;
	static const size_t sizes[] = {
		[LINK_WANT_HELLO] = AUTH_HELLO_SIZE,
		[LINK_WANT_PROOF] = AUTH_PROOF_SIZE,
		[LINK_WANT_REPLY] = AUTH_REPLY_SIZE,
	};
	size_t size = sizes[link->state];
	if (link->in.len < size)
		return 0;
	switch (link->state) {
	case LINK_WANT_HELLO:
		if (auth_read_hello(&link->auth, bytes, &err) < 0)
			break;
		auth_prove(&link->auth, link->key, proof);
		queue(link, proof, sizeof proof);
		link->state = LINK_WANT_REPLY;
		break;
	case LINK_WANT_PROOF:
		if (auth_check_proof(&link->auth, link->key, bytes, reply, &err) < 0)
			break;
		queue(link, reply, sizeof reply);
		opened(link);
		break;
	default:
		if (auth_check_reply(&link->auth, link->key, bytes, &err) == 0)
			opened(link);
		break;
	}
	if (err.number != 0)
		fail(link, &err);
	return size;
}

/* One frame, if it is all here. */
static size_t next_frame(struct link *link, size_t at)
{
	struct frame frame;
	struct err err;
	long long used = frame_parse(link->in.data + at, link->in.len - at, LINK_PAYLOAD_MAX, &frame,
				     &err);
	if (used < 0) {
		fail(link, &err);
		return 0;
	}
	if (used > 0)
		link->ops->frame(link->context, link, &frame);
	return (size_t)used;
}

static void consume(struct link *link)
{
	while (link->state == LINK_WANT_HELLO || link->state == LINK_WANT_PROOF ||
	       link->state == LINK_WANT_REPLY) {
		size_t used = handshake(link);
		if (used == 0)
			return;
		buf_consume(&link->in, used);
		if (link->state != LINK_CLOSED)
			flush(link);
	}
	size_t at = 0, used = 1;
	while (link->state == LINK_OPEN && used > 0)
		at += used = next_frame(link, at);
	buf_consume(&link->in, at);
}

static void receive(struct link *link)
{
	char *room = buf_reserve(&link->in, READ_SIZE);
	if (room == NULL)
		return fail_errno(link, ENOMEM, "receive");
	ssize_t count = recv(link->fd, room, READ_SIZE, MSG_DONTWAIT);
	int number = errno;
	if (count < 0 && (number == EAGAIN || number == EINTR))
		return;
	if (count < 0)
		return fail_errno(link, number, "receive");
	if (count == 0 && link->send_error != 0)
		return fail_errno(link, link->send_error, "send");
	if (count == 0)
		return fail_errno(link, ECONNRESET, "the connection was closed");
	link->in.len += (size_t)count;
	consume(link);
}

static void finish_connect(struct link *link)
{
	int number = 0;
	socklen_t len = sizeof number;
	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &number, &len) < 0)
		number = errno;
	if (number != 0)
		return fail_errno(link, number, "connect");
	link->state = LINK_WANT_PROOF;
	flush(link);
}

static void on_event(void *context, int fd, uint32_t events)
{
	struct link *link = context;
	(void)fd;
	link->busy++;
	if (link->state == LINK_CONNECTING)
		finish_connect(link);
	if (link->state != LINK_CLOSED && (events & EPOLLOUT) != 0)
		flush(link);
	if (link->state != LINK_CLOSED && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		receive(link);
	leave(link);
}

static int link_new(struct loop *loop, int take, enum link_state state, uint32_t events,
		    const struct link *proto, struct link **out, struct err *err)
{
	AUTO_FD int fd = take;
	AUTO_FREE struct link *link = malloc(sizeof *link);
	if (link == NULL)
		return err_errno(err, ENOMEM, "connection");
	*link = *proto;
	link->loop = loop;
	link->state = state;
	set_options(fd);
	int rc = loop_add_fd(loop, fd, events, on_event, link, err);
	if (rc < 0)
		return rc;
	link->fd = take_fd(&fd);
	*out = take_ptr(&link);
	return 0;
}

int link_accept(struct loop *loop, int take, const uint8_t key[AUTH_KEY_SIZE],
		const struct link_ops *ops, void *context, struct link **link, struct err *err)
{
	struct link proto = {.key = key, .ops = ops, .context = context};
	return link_new(loop, take, LINK_WANT_HELLO, EPOLLIN, &proto, link, err);
}

int link_connect(struct loop *loop, const struct in6_addr *address, uint16_t port, uint32_t child,
		 const uint8_t key[AUTH_KEY_SIZE], const struct link_ops *ops, void *context,
		 struct link **link, struct err *err)
{
	AUTO_FD int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, errno, "socket");
	int off = 0;
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	struct sockaddr_in6 to = {
		.sin6_family = AF_INET6, .sin6_addr = *address, .sin6_port = htons(port)};
	if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
		return err_errno(err, errno, "connect");
	struct link proto = {.key = key, .ops = ops, .context = context};
	uint8_t hello[AUTH_HELLO_SIZE];
	auth_hello(&proto.auth, child, hello);
	buf_add(&proto.out, hello, sizeof hello);
	int rc = link_new(loop, take_fd(&fd), LINK_CONNECTING, EPOLLOUT, &proto, link, err);
	if (rc < 0)
		buf_free(&proto.out);
	return rc;
}
