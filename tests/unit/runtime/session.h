/*
 * session.h - one whole life of cmpi-init as a function call, for init_test.c.
 *
 * In: a plan, a job, how many ranks.  Out: everything that init_client told, and what the ranks
 * wrote.  A watchdog ends what hangs.
 */
#ifndef TESTS_RUNTIME_SESSION_H
#define TESTS_RUNTIME_SESSION_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"
#include "runtime/init_client.h"

enum { SESSION_RANKS_MAX = 8192, SESSION_OUTPUT_MAX = 65536 };

struct session {
	/* in */
	struct mount_plan plan;
	const char *image;            /* a path */
	enum init_backend backend;
	int arrival_fd;               /* 0: all of the image is here */
	struct init_job job;
	uint32_t ranks;
	int signo;                    /* sent to the ranks when all are started; 0: none */
	bool kill_when_started;       /* KILL */
	int kill_init_with;           /* a signal for cmpi-init when all are started */
	bool keep_after_exit;         /* wait for GONE, not for the ranks, before QUIT */
	bool drop_client;             /* close our socket when all are started */
	struct init_spawn spawn;      /* its rank is overwritten */
	/* out */
	bool attached;
	struct init_attached timing;
	uint32_t started, exited, gone, failures;
	int status;                   /* of the rank that exited last */
	int exit_code;                /* of the first failure */
	struct err err;
	int init_status, server_status;
	bool ended, server_died, timed_out;
	char output[SESSION_OUTPUT_MAX];
	uint64_t started_ns, attached_ns, exited_ns;  /* from the start */
	pid_t first_pid;
	/* private */
	struct loop *loop;
	struct init_client *client;
	int output_fd;
	size_t output_len;
	uint64_t start_ns;
};

static char *session_no_environment[] = {NULL};

static void session_finish(struct session *session)
{
	init_client_quit(session->client, NULL);
}

static void session_on_attached(void *context, const struct init_attached *attached)
{
	struct session *session = context;
	session->attached = true;
	session->timing = *attached;
	session->attached_ns = clock_now_ns() - session->start_ns;
	if (session->ranks == 0)
		session_finish(session);
}

static void session_act(struct session *session)
{
	if (session->signo != 0)
		init_client_signal(session->client, session->signo, NULL);
	if (session->kill_when_started)
		init_client_kill(session->client, NULL);
	if (session->kill_init_with != 0)
		kill(init_client_pid(session->client), session->kill_init_with);
	if (session->drop_client)
		loop_stop(session->loop, 0);
}

static void session_on_spawned(void *context, uint32_t rank, pid_t pid)
{
	struct session *session = context;
	if (rank == 0)
		session->first_pid = pid;
	if (++session->started < session->ranks)
		return;
	session->started_ns = clock_now_ns() - session->start_ns;
	/* Time for what a rank starts itself. */
	if (session->signo != 0 || session->kill_when_started || session->kill_init_with != 0)
		usleep(200000);
	session_act(session);
}

static void session_on_exited(void *context, const struct init_exited *exited)
{
	struct session *session = context;
	session->status = exited->status;
	if (++session->exited < session->ranks)
		return;
	session->exited_ns = clock_now_ns() - session->start_ns;
	if (!session->keep_after_exit && !session->kill_when_started)
		session_finish(session);
}

static void session_on_failed(void *context, int32_t rank, int exit_code, const struct err *err)
{
	struct session *session = context;
	(void)rank;
	if (session->failures++ > 0)
		return;
	session->exit_code = exit_code;
	session->err = *err;
	session_finish(session);
}

static void session_on_server_died(void *context, int status)
{
	struct session *session = context;
	session->server_died = true;
	session->server_status = status;
}

static void session_on_gone(void *context)
{
	struct session *session = context;
	session->gone++;
	if (session->keep_after_exit || session->kill_when_started)
		session_finish(session);
}

static void session_on_ended(void *context, int status)
{
	struct session *session = context;
	session->ended = true;
	session->init_status = status;
	loop_stop(session->loop, 0);
}

static void session_on_timeout(void *context)
{
	struct session *session = context;
	session->timed_out = true;
	kill(init_client_pid(session->client), SIGKILL);
	loop_stop(session->loop, 0);
}

static const struct init_client_events session_events = {
	.attached = session_on_attached,
	.spawned = session_on_spawned,
	.exited = session_on_exited,
	.failed = session_on_failed,
	.server_died = session_on_server_died,
	.gone = session_on_gone,
	.ended = session_on_ended,
};

static void session_on_output(void *context, int fd, uint32_t events)
{
	struct session *session = context;
	(void)events;
	size_t room = sizeof session->output - 1 - session->output_len;
	ssize_t len = read(fd, session->output + session->output_len, room);
	if (len <= 0) {
		loop_remove_fd(session->loop, fd);
		return;
	}
	session->output_len += (size_t)len;
	session->output[session->output_len] = '\0';
}

static void session_spawn_all(struct session *session, int write_fd, int null_fd)
{
	for (uint32_t rank = 0; rank < session->ranks; rank++) {
		const int fds[4] = {fcntl(null_fd, F_DUPFD_CLOEXEC, 3), fcntl(write_fd, F_DUPFD_CLOEXEC, 3),
				    fcntl(write_fd, F_DUPFD_CLOEXEC, 3), fcntl(null_fd, F_DUPFD_CLOEXEC, 3)};
		struct init_spawn spawn = session->spawn;
		spawn.rank = spawn.local_rank = rank;
		if (spawn.pmi_fd == INIT_PMI_NONE)
			close(fds[3]);
		init_client_spawn(session->client, &spawn, fds, NULL);
	}
}

/* 0 when the client could be started; everything else is in the session. */
static int session_run(struct session *session, const char *init_path, const char *imgfs_path)
{
	struct init_client_options options = {init_path, imgfs_path};
	struct err err = ERR_NONE;
	int pipe_fds[2];
	if (session->job.environment == NULL)
		session->job.environment = session_no_environment;
	if (loop_new(&session->loop, &err) < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -1;
	session->start_ns = clock_now_ns();
	int rc = init_client_start(session->loop, &options, &session_events, session,
				   &session->client, &err);
	if (rc < 0)
		return rc;
	int image_fd = open(session->image, O_RDONLY | O_CLOEXEC);
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	session->output_fd = pipe_fds[0];
	loop_add_fd(session->loop, pipe_fds[0], EPOLLIN, session_on_output, session, &err);
	loop_add_timer(session->loop, 60 * NS_PER_S, session_on_timeout, session, NULL, &err);
	mount_plan_sort(&session->plan);
	const struct init_attach attach = {.plan = &session->plan, .backend = session->backend,
					   .image_fd = image_fd, .profile_fd = -1,
					   .arrival_fd = session->arrival_fd > 0 ? session->arrival_fd : -1};
	init_client_attach(session->client, &attach, &err);
	if (session->job.argv != NULL)
		init_client_set_job(session->client, &session->job, &err);
	session_spawn_all(session, pipe_fds[1], null_fd);
	close(image_fd);
	close(null_fd);
	close(pipe_fds[1]);
	loop_run(session->loop, &err);
	if (!session->drop_client) {
		fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
		while (session->output_len < sizeof session->output - 1) {
			ssize_t len = read(pipe_fds[0], session->output + session->output_len,
					   sizeof session->output - 1 - session->output_len);
			if (len <= 0)
				break;
			session->output_len += (size_t)len;
		}
	}
	session->output[session->output_len] = '\0';
	init_client_free(&session->client);
	loop_free(&session->loop);
	close(pipe_fds[0]);
	mount_plan_free(&session->plan);
	return 0;
}

#endif
