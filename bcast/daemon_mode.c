/*
 * daemon_mode.c - the session as cmpid wants it (daemon_mode.h).
 *
 * HELLO in → MPI_Init → cards, plan and key → SESSION out (cmpid builds its tree now) → the image
 * → DONE out, descriptors closed → MPI_Finalize.
 *
 * cmpid's death is ours: at once by the kernel (PR_SET_PDEATHSIG), and by the end of the socket,
 * for which every wait looks.  A failure is told to cmpid; it ends the job in good order.  Only
 * when the session is broken and cmpid does not react do we end it by MPI_Abort.
 */
#include "bcast/daemon_mode.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "bcast/chunk.h"
#include "bcast/control.h"
#include "bcast/exchange.h"
#include "bcast/session.h"
#include "bcast/source.h"
#include "bcast/transfer.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/exitcode.h"

enum { ABORT_GRACE_MS = 2000 };

struct daemon {
	int fd, image_fd;
	uint64_t image_size;
	struct session session;
	struct bcast_hello hello;
	struct source source;
	struct bcast_done done;
};

static int watch_daemon(void *context, struct err *err)
{
	const struct daemon *daemon = context;
	if (control_alive(daemon->fd))
		return 0;
	return err_set(err, EPIPE, "cmpid has ended");
}

static void tell_progress(void *context, uint64_t bytes)
{
	const struct daemon *daemon = context;
	struct bcast_msg msg = {
		.type = BCAST_MSG_PROGRESS,
		.progress = {.bytes = bytes, .total = daemon->image_size},
	};
	control_send(daemon->fd, &msg, NULL);  /* the watch sees a cmpid that is gone */
}

/* Tells cmpid, which then ends us; the exit status if it does not. */
static int fail(struct daemon *daemon, const struct bcast_failed *failed)
{
	struct bcast_msg msg = {.type = BCAST_MSG_FAILED, .failed = *failed};
	control_send(daemon->fd, &msg, NULL);
	return failed->exit_code;
}

static int fail_early(struct daemon *daemon, int exit_code, const struct err *err)
{
	struct bcast_failed failed = {.exit_code = exit_code, .err = *err};
	return fail(daemon, &failed);
}

/* The others cannot be told by MPI: their cmpids tell them.  If ours does not end us, MPI does. */
static int fail_broken(struct daemon *daemon, const struct bcast_failed *failed)
{
	int exit_code = fail(daemon, failed);
	struct pollfd end = {.fd = daemon->fd, .events = POLLRDHUP};
	if (poll(&end, 1, ABORT_GRACE_MS) == 0)
		session_abort(&daemon->session, exit_code);
	return exit_code;
}

/* The size that is told with SESSION; a failure waits in *err until all ranks meet. */
static void open_source(struct daemon *daemon, struct err *err)
{
	if (daemon->session.rank != 0 || daemon->hello.image_path[0] == '\0')
		return;
	if (source_open(daemon->hello.image_path, &daemon->source, err) == 0)
		daemon->image_size = daemon->source.size;
}

static int exchange(struct daemon *daemon, struct bcast_failed *failed)
{
	struct exchange exchange;
	struct err err = ERR_NONE;
	uint64_t started = clock_now_ns();
	int rc = exchange_run(&daemon->session, &daemon->hello, daemon->image_size, &exchange, failed);
	if (rc == 0) {
		daemon->image_size = exchange.session.image_size;
		daemon->done.exchange_ns = clock_now_ns() - started;
		struct bcast_msg msg = {.type = BCAST_MSG_SESSION, .session = exchange.session};
		rc = control_send(daemon->fd, &msg, &err);
		daemon->session.broken |= rc < 0;
		if (rc < 0)
			session_fail(&daemon->session, EXITCODE_INTERNAL, &err, failed);
	}
	exchange_free(&exchange);
	return rc;
}

static int move_image(struct daemon *daemon, const struct err *earlier,
		      struct bcast_failed *failed)
{
	struct transfer transfer = {
		.kind = SCHEDULE_CHAIN,
		.size = daemon->image_size,
		.chunk_size = chunk_size_for(daemon->image_size),
		.source = daemon->source.fd >= 0 ? &daemon->source : NULL,
		.fd = daemon->image_fd,
		.earlier = *earlier,
		.earlier_exit_code = EXITCODE_IMAGE,
		.progress = tell_progress,
		.context = daemon,
	};
	return transfer_run(&daemon->session, &transfer, &daemon->done, failed);
}

/* cmpid goes on at once; what is left is our own affair. */
static int tell_done(struct daemon *daemon)
{
	struct bcast_msg msg = {.type = BCAST_MSG_DONE, .done = daemon->done};
	return control_send(daemon->fd, &msg, NULL);
}

static int run_session(struct daemon *daemon)
{
	struct bcast_failed failed;
	struct err earlier = ERR_NONE;
	open_source(daemon, &earlier);
	int rc = exchange(daemon, &failed);
	if (rc == 0)
		rc = move_image(daemon, &earlier, &failed);
	source_close(&daemon->source);
	close_fd(&daemon->image_fd);
	if (rc < 0 && daemon->session.broken)
		return fail_broken(daemon, &failed);
	if (rc < 0)
		rc = fail(daemon, &failed);
	else
		rc = tell_done(daemon) < 0 ? EXITCODE_INTERNAL : EXITCODE_OK;
	daemon->session.watch = NULL;
	close_fd(&daemon->fd);
	session_close(&daemon->session);
	return rc;
}

int daemon_mode_run(int take_daemon_fd, int take_image_fd, int take_arrival_fd)
{
	close_fd(&take_arrival_fd);
	struct daemon daemon = {.fd = take_daemon_fd, .image_fd = take_image_fd, .source.fd = -1};
	AUTO_BUF struct buf in = {0};
	struct err err = ERR_NONE;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Had cmpid died before that line, its socket would be at its end. */
	if (control_read_hello(daemon.fd, &in, &daemon.hello, &err) < 0)
		return fail_early(&daemon, EXITCODE_INTERNAL, &err);
	uint64_t started = clock_now_ns();
	if (session_open(&daemon.session, &err) < 0)
		return fail_early(&daemon, EXITCODE_NODE, &err);
	daemon.done.init_ns = clock_now_ns() - started;
	daemon.session.watch = watch_daemon;
	daemon.session.watch_context = &daemon;
	return run_session(&daemon);
}
