/*
 * pmi1_socket.c - bytes between a rank's socket and the PMI-1 engine
 * (pmi1_socket.h).
 *
 * A rank that writes and never reads is not read from once OUT_MAX bytes of
 * replies wait.  End of file is no event: a program need not finalize, and
 * whoever reaps it knows how it ended.
 */
#include "pmix/pmi1_socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"

enum { READ_SIZE = 4096, OUT_MAX = 64 * 1024 };

void pmi1_socket_close(struct pmi1_socket *sock)
{
	if (sock->fd < 0)
		return;
	loop_remove_fd(sock->loop, sock->fd);
	close_fd(&sock->fd);
	pmi1_client_free(&sock->client, sock->space);
	buf_free(&sock->out);
}

static void watch(struct pmi1_socket *sock)
{
	uint32_t events = sock->out.len > 0 ? EPOLLOUT : 0;
	if (sock->out.len < OUT_MAX)
		events |= EPOLLIN;
	if (events != sock->events)
		loop_set_events(sock->loop, sock->fd, events);
	sock->events = events;
}

/* Sends what the socket takes; the rest waits for EPOLLOUT. */
static void flush(struct pmi1_socket *sock)
{
	ssize_t sent = 1;
	while (sock->out.len > 0 && sent > 0) {
		sent = send(sock->fd, sock->out.data, sock->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			pmi1_socket_close(sock);
			return;
		}
		if (sent > 0)
			buf_consume(&sock->out, (size_t)sent);
	}
	watch(sock);
}

static void give_up(struct pmi1_socket *sock, const struct err *why)
{
	pmi1_socket_close(sock);
	sock->ops->broken(sock->context, sock->rank, why->text);
}

/* Handles the whole lines that are here. */
static void step_all(struct pmi1_socket *sock)
{
	struct err why = ERR_NONE;
	struct pmi1_event event;
	int rc;
	while ((rc = pmi1_step(&sock->client, sock->space, &sock->out, &event, &why)) > 0) {
		if (event.type == PMI1_EVENT_NONE)
			continue;
		sock->ops->event(sock->context, sock->rank, &event);
		if (sock->fd < 0)
			return;
	}
	if (rc == 0 && sock->out.failed)
		rc = err_errno(&why, ENOMEM, "PMI-1");
	if (rc < 0)
		give_up(sock, &why);
}

static void on_socket(void *context, int fd, uint32_t events)
{
	struct pmi1_socket *sock = context;
	struct err why = ERR_NONE;
	char bytes[READ_SIZE];
	if (events & EPOLLOUT)
		flush(sock);
	if (sock->fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	ssize_t len = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		pmi1_socket_close(sock);
		return;
	}
	if (pmi1_feed(&sock->client, bytes, (size_t)len, &why) < 0) {
		give_up(sock, &why);
		return;
	}
	step_all(sock);
	if (sock->fd >= 0)
		flush(sock);
}

int pmi1_socket_open(struct pmi1_socket *sock, int *client_fd, struct err *err)
{
	int ends[2];
	/* The rank's end blocks: its library expects that. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(err, errno, "PMI-1 socket of rank %u", sock->rank);
	int rc = loop_add_fd(sock->loop, ends[0], EPOLLIN, on_socket, sock, err);
	if (rc < 0) {
		close_fd(&ends[0]);
		close_fd(&ends[1]);
		return rc;
	}
	sock->fd = ends[0];
	sock->events = EPOLLIN;
	*client_fd = ends[1];
	return 0;
}

void pmi1_socket_barrier_done(struct pmi1_socket *sock, bool failed)
{
	if (sock->fd < 0 || !sock->client.in_barrier)
		return;
	pmi1_barrier_done(&sock->client, sock->space, failed, &sock->out);
	flush(sock);
}
