/*
 * bcast_client.c - starts cmpi-bcast and turns what it says into events (bcast_client.h).
 *
 * In: the HELLO's values; frames from a socket; the child's death from a pidfd.  Out: events.
 *
 * Order is the point: the process's last words are in the socket when its death is seen, or even
 * after, so `ended` comes only when the socket has been read to its end.  No process that outlives
 * cmpi-bcast has the other end (it starts none), so that end always comes.
 *
 * An event function may free the client.  While one runs (`busy`), bcast_client_free() only stops
 * everything and leaves the memory to the function that called the event.
 */
#include "bcast/bcast_client.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "common/exitcode.h"
#include "common/spawn_attr.h"

struct bcast_client {
	struct loop *loop;
	const struct bcast_client_events *events;
	void *context;
	pid_t pid;                 /* 0: reaped */
	int socket, pidfd;         /* -1: closed */
	int status;
	bool settled;              /* done or failed was given, or nobody wants it any more */
	bool busy, freed;          /* an event function runs; it has freed the client */
	struct buf in, out;
};

static void kill_process(struct bcast_client *client)
{
	if (client->pid > 0)
		kill(client->pid, SIGKILL);
}

static void close_socket(struct bcast_client *client)
{
	loop_remove_fd(client->loop, client->socket);
	close_fd(&client->socket);
}

static void close_pidfd(struct bcast_client *client)
{
	loop_remove_fd(client->loop, client->pidfd);
	close_fd(&client->pidfd);
}

void bcast_client_free(struct bcast_client **where)
{
	struct bcast_client *client = take_ptr(where);
	if (client == NULL)
		return;
	kill_process(client);
	while (client->pid > 0 && waitpid(client->pid, NULL, 0) < 0 && errno == EINTR)
		;
	client->pid = 0;
	client->settled = client->freed = true;
	close_socket(client);
	close_pidfd(client);
	if (client->busy)
		return;
	buf_free(&client->in);
	buf_free(&client->out);
	free(client);
}

/* Behind the calls of event functions: frees what one of them has freed. */
static void leave_events(struct bcast_client *client)
{
	client->busy = false;
	if (client->freed)
		bcast_client_free(&client);
}

void bcast_client_kill(struct bcast_client *client)
{
	client->settled = true;
	kill_process(client);
}

void bcast_client_cancel(struct bcast_client *client)
{
	const struct bcast_msg cancel = {.type = BCAST_MSG_CANCEL};
	if (client->settled || client->socket < 0)
		return;
	bcast_msg_pack(&cancel, &client->out);
	loop_set_events(client->loop, client->socket, EPOLLIN | EPOLLOUT);
}

pid_t bcast_client_pid(const struct bcast_client *client)
{
	return client->pid;
}

static void fail(struct bcast_client *client, const struct bcast_failed *failed)
{
	if (client->settled)
		return;
	client->settled = true;
	if (client->events->failed != NULL)
		client->events->failed(client->context, failed);
}

/* Our own reason, with its errno. */
static void fail_locally(struct bcast_client *client, const struct err *err)
{
	struct bcast_failed failed = {.exit_code = EXITCODE_INTERNAL, .err = *err};
	fail(client, &failed);
}

static void dispatch(struct bcast_client *client, const struct bcast_msg *msg)
{
	const struct bcast_client_events *events = client->events;
	if (client->settled)
		return;
	switch (msg->type) {
	case BCAST_MSG_SESSION:
		if (events->session != NULL)
			events->session(client->context, &msg->session);
		return;
	case BCAST_MSG_PROGRESS:
		if (events->progress != NULL)
			events->progress(client->context, &msg->progress);
		return;
	case BCAST_MSG_MOUNTABLE:
		if (events->mountable != NULL)
			events->mountable(client->context, &msg->mountable);
		return;
	case BCAST_MSG_DONE:
		client->settled = true;
		if (events->done != NULL)
			events->done(client->context, &msg->done);
		return;
	case BCAST_MSG_CANCELLED:
		client->settled = true;
		if (events->cancelled != NULL)
			events->cancelled(client->context, &msg->done);
		return;
	case BCAST_MSG_FAILED:
		fail(client, &msg->failed);
		return;
	case BCAST_MSG_HELLO:
	case BCAST_MSG_CANCEL:
		return;  /* ours to say; harmless */
	}
}

/* What it says cannot be used: it is killed, and the rest of its words dropped. */
static void give_up(struct bcast_client *client, const struct err *err)
{
	kill_process(client);
	fail_locally(client, err);
	client->settled = true;
}

/* Gives the events of all whole frames. */
static void take_frames(struct bcast_client *client)
{
	size_t used = 0;
	while (!client->settled) {
		struct err err = ERR_NONE;
		struct frame frame;
		struct bcast_msg msg;
		long long len = frame_parse(client->in.data + used, client->in.len - used,
					    BCAST_MSG_PAYLOAD_MAX, &frame, &err);
		if (len == 0)
			break;
		if (len < 0 || bcast_msg_parse(&frame, &msg, &err) < 0) {
			give_up(client, &err);
			break;
		}
		used += (size_t)len;
		dispatch(client, &msg);
		bcast_msg_free(&msg);
	}
	buf_consume(&client->in, client->settled ? client->in.len : used);
}

static void describe_end(int status, struct err *err)
{
	if (WIFSIGNALED(status))
		err_set(err, ECHILD, "cmpi-bcast was ended by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		err_set(err, ECHILD, "cmpi-bcast ended with status %d before the image was here; its "
			"MPI's message, if any, is above", WEXITSTATUS(status));
}

/* Gives `ended` when both the process and its socket are at their end. */
static void maybe_end(struct bcast_client *client)
{
	if (client->pid > 0 || client->socket >= 0 || client->freed)
		return;
	struct err err = ERR_NONE;
	describe_end(client->status, &err);
	fail_locally(client, &err);
	if (!client->freed && client->events->ended != NULL)
		client->events->ended(client->context, client->status);
}

static void on_readable(struct bcast_client *client)
{
	enum { READ_SIZE = 64 * 1024 };
	struct err err = ERR_NONE;
	char *room = buf_reserve(&client->in, READ_SIZE);
	ssize_t got = room ? recv(client->socket, room, READ_SIZE, MSG_DONTWAIT) : 0;
	int number = room ? errno : ENOMEM;
	if (got > 0) {
		client->in.len += (size_t)got;
		take_frames(client);
		return;
	}
	if (got < 0 && (number == EAGAIN || number == EINTR))
		return;
	if (room == NULL) {
		err_errno(&err, number, "message of cmpi-bcast");
		give_up(client, &err);
	}
	if (!client->freed)
		close_socket(client);
	maybe_end(client);
}

static void on_writable(struct bcast_client *client)
{
	ssize_t sent = send(client->socket, client->out.data, client->out.len,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0)
		buf_consume(&client->out, (size_t)sent);
	/* A peer that is gone shows on the reading side. */
	else if (errno != EAGAIN && errno != EINTR)
		client->out.len = 0;
	if (client->out.len == 0) {
		buf_free(&client->out);
		loop_set_events(client->loop, client->socket, EPOLLIN);
	}
}

static void on_socket(void *context, int fd, uint32_t events)
{
	struct bcast_client *client = context;
	(void)fd;
	if (events & EPOLLOUT && client->out.len > 0)
		on_writable(client);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;
	client->busy = true;
	on_readable(client);
	leave_events(client);
}

static void on_death(void *context, int fd, uint32_t events)
{
	struct bcast_client *client = context;
	(void)fd;
	(void)events;
	if (waitpid(client->pid, &client->status, WNOHANG) != client->pid)
		return;
	client->pid = 0;
	close_pidfd(client);
	client->busy = true;
	maybe_end(client);
	leave_events(client);
}

/* The descriptors keep their numbers in the child, where others of the launcher's have theirs
 * (PMI_FD): dup2 onto itself only takes close-on-exec away (posix_spawn(3), glibc 2.29). */
static int spawn(const struct bcast_client_options *options, int socket, pid_t *pid,
		 struct err *err)
{
	char daemon_fd[32], image_fd[32], arrival_fd[32];
	const int files[] = {options->image_fd, options->arrival_fd};
	snprintf(daemon_fd, sizeof daemon_fd, "--daemon-fd=%d", socket);
	snprintf(image_fd, sizeof image_fd, "--image-fd=%d", options->image_fd);
	snprintf(arrival_fd, sizeof arrival_fd, "--arrival-fd=%d", options->arrival_fd);
	char *argv[5] = {(char *)options->bcast_path, daemon_fd};
	if (options->image_fd >= 0)
		argv[2] = image_fd;
	if (options->arrival_fd >= 0)
		argv[options->image_fd >= 0 ? 3 : 2] = arrival_fd;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	int rc = posix_spawn_file_actions_adddup2(&actions, socket, socket);
	for (size_t i = 0; rc == 0 && i < sizeof files / sizeof *files; i++)
		if (files[i] >= 0)
			rc = posix_spawn_file_actions_adddup2(&actions, files[i], files[i]);
	spawn_attr_reset_signals(&attributes, 0, 0);
	if (rc == 0)
		rc = posix_spawn(pid, options->bcast_path, &actions, &attributes, argv,
				 options->environment ? options->environment : environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return rc == 0 ? 0 : err_errno(err, rc, "start %s", options->bcast_path);
}

static int watch(struct bcast_client *client, struct err *err)
{
	client->pidfd = pidfd_open(client->pid, 0);  /* close-on-exec from birth */
	if (client->pidfd < 0)
		return err_errno(err, errno, "pidfd_open of cmpi-bcast (Linux 5.3 has it)");
	int rc = loop_add_fd(client->loop, client->pidfd, EPOLLIN, on_death, client, err);
	if (rc < 0)
		return rc;
	return loop_add_fd(client->loop, client->socket, EPOLLIN | EPOLLOUT, on_socket, client, err);
}

int bcast_client_start(struct loop *loop, const struct bcast_client_options *options,
		       const struct bcast_client_events *events, void *context,
		       struct bcast_client **out, struct err *err)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(err, errno, "socketpair for cmpi-bcast");
	AUTO_FD int theirs = ends[1];
	struct bcast_client *client = calloc(1, sizeof *client);
	if (client == NULL) {
		close(ends[0]);
		return err_errno(err, ENOMEM, "client of cmpi-bcast");
	}
	*client = (struct bcast_client){.loop = loop, .events = events, .context = context,
					.socket = ends[0], .pidfd = -1};
	struct bcast_msg hello = {.type = BCAST_MSG_HELLO, .hello = *options->hello};
	bcast_msg_pack(&hello, &client->out);
	int rc = client->out.failed ? err_errno(err, ENOMEM, "message to cmpi-bcast") : 0;
	if (rc == 0)
		rc = spawn(options, theirs, &client->pid, err);
	if (rc == 0)
		rc = watch(client, err);
	if (rc < 0) {
		bcast_client_free(&client);
		return rc;
	}
	*out = client;
	return 0;
}
