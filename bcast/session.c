/*
 * session.c - waiting and agreeing (session.h).
 *
 * Everything collective is non-blocking underneath: MPI's own blocking calls spin without a look
 * to the left or right, so a daemon that died would leave a spinning process behind, and on a
 * machine with more ranks than cores they take the core from the one that they wait for.
 */
#include "bcast/session.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/exitcode.h"

enum { WATCH_EVERY_NS = 5 * (int)NS_PER_MS };

/* Every rank knows its own; this is what travels of a failure. */
struct failure_wire {
	int32_t exit_code, number;
	char text[ERR_TEXT_MAX];
};

int session_check(struct session *session, int code, const char *what, struct err *err)
{
	char text[MPI_MAX_ERROR_STRING];
	int len = 0;
	if (code == MPI_SUCCESS)
		return 0;
	session->broken = true;
	if (MPI_Error_string(code, text, &len) != MPI_SUCCESS)
		len = snprintf(text, sizeof text, "error %d", code);
	return err_set(err, ECOMM, "MPI: %s: %.*s", what, len, text);
}

int session_open(struct session *session, struct err *err)
{
	int len = 0, rc;
	*session = (struct session){.comm = MPI_COMM_NULL};
	if ((rc = session_check(session, MPI_Init(NULL, NULL), "MPI_Init", err)) < 0)
		return rc;
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	rc = session_check(session, MPI_Comm_dup(MPI_COMM_WORLD, &session->comm), "MPI_Comm_dup", err);
	if (rc < 0)
		return rc;
	MPI_Comm_rank(session->comm, &session->rank);
	MPI_Comm_size(session->comm, &session->size);
	return session_check(session, MPI_Get_processor_name(session->node, &len),
			     "MPI_Get_processor_name", err);
}

/* MPICH before 4.2 over UCX and TCP often hangs in MPI_Finalize on several nodes: a rank that waits in its last
 * PMI barrier answers no peer that still closes its connections (MPICH's pull request 6596 removed that barrier). */
static bool finalize_hangs(const struct session *session)
{
	char text[MPI_MAX_LIBRARY_VERSION_STRING];
	int len = 0, major = 0, minor = 0;
	MPI_Get_library_version(text, &len);
	return session->size > 1 && getenv("PMI_FD") != NULL &&
	       sscanf(text, "MPICH Version: %d.%d", &major, &minor) == 2 &&
	       (major < 4 || (major == 4 && minor < 2));
}

/* What MPI_Finalize would do at its end: the launcher's PMI server is told that this is no
 * crash.  Slurm's pmi2 plug-in understands the words of PMI-1 as well. */
static void say_goodbye(struct session *session)
{
	static const char bye[] = "cmd=finalize\n";
	MPI_Request request = MPI_REQUEST_NULL;
	int fd = atoi(getenv("PMI_FD"));
	char answer[256];
	if (MPI_Ibarrier(session->comm, &request) != MPI_SUCCESS ||
	    session_wait(session, &request, NULL) < 0)
		return;
	if (write(fd, bye, sizeof bye - 1) == (ssize_t)(sizeof bye - 1))
		while (read(fd, answer, sizeof answer) < 0 && errno == EINTR)
			;
}

void session_close(struct session *session)
{
	if (session->broken)
		return;
	if (finalize_hangs(session)) {
		say_goodbye(session);
		return;
	}
	MPI_Comm_free(&session->comm);
	MPI_Finalize();
}

_Noreturn void session_abort(struct session *session, int exit_code)
{
	int ready = 0;
	MPI_Initialized(&ready);
	if (ready)
		MPI_Abort(session->comm != MPI_COMM_NULL ? session->comm : MPI_COMM_WORLD, exit_code);
	_exit(exit_code);
}

int session_poll(struct session *session, struct err *err)
{
	uint64_t now = clock_now_ns();
	if (session->watch == NULL || now - session->watched_ns < WATCH_EVERY_NS)
		return 0;
	session->watched_ns = now;
	int rc = session->watch(session->watch_context, err);
	if (rc < 0)
		session->broken = true;
	return rc;
}

void session_idle(struct session *session)
{
	uint64_t pause_ns = idle_pause(&session->idle, clock_now_ns());
	if (session->sleep_ns > 0)
		pause_ns = session->sleep_ns;
	const struct timespec pause = {.tv_sec = (time_t)(pause_ns / NS_PER_S),
				       .tv_nsec = (long)(pause_ns % NS_PER_S)};
	if (pause_ns == 0)
		sched_yield();
	else
		nanosleep(&pause, NULL);
	idle_woke(&session->idle, clock_now_ns());
}

void session_active(struct session *session)
{
	idle_end(&session->idle);
}

int session_wait(struct session *session, MPI_Request *request, struct err *err)
{
	for (;;) {
		int done = 0, rc;
		int code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
		if ((rc = session_check(session, code, "wait", err)) < 0 || done) {
			session_active(session);
			return rc;
		}
		if ((rc = session_poll(session, err)) < 0)
			return rc;
		session_idle(session);
	}
}

int session_broadcast(struct session *session, int root, void *bytes, size_t len,
		      struct err *err)
{
	enum { PIECE = 64 << 20 };  /* an MPI count is an int */
	for (size_t at = 0; at < len; at += PIECE) {
		MPI_Request request = MPI_REQUEST_NULL;
		size_t piece = len - at < PIECE ? len - at : PIECE;
		int code = MPI_Ibcast((char *)bytes + at, (int)piece, MPI_BYTE, root, session->comm,
				      &request);
		int rc = session_check(session, code, "MPI_Ibcast", err);
		if (rc < 0 || (rc = session_wait(session, &request, err)) < 0)
			return rc;
	}
	return 0;
}

int session_fail(const struct session *session, int exit_code, const struct err *err,
		 struct bcast_failed *failed)
{
	*failed = (struct bcast_failed){
		.rank = (uint32_t)session->rank,
		.exit_code = exit_code,
		.err = *err,
	};
	if (session->size > 1)
		err_prefix(&failed->err, "node %s", session->node);
	return -failed->err.number;
}

/* The lowest rank with a failure, or the number of ranks. */
static int find_failed(struct session *session, bool mine, int *rank, struct err *err)
{
	MPI_Request request = MPI_REQUEST_NULL;
	int candidate = mine ? session->rank : session->size;
	int code = MPI_Iallreduce(&candidate, rank, 1, MPI_INT, MPI_MIN, session->comm, &request);
	int rc = session_check(session, code, "MPI_Iallreduce", err);
	return rc < 0 ? rc : session_wait(session, &request, err);
}

int session_agree(struct session *session, int exit_code, const struct err *mine,
		  struct bcast_failed *failed)
{
	struct err err = ERR_NONE;
	struct failure_wire wire = {0};
	int rank = session->size;
	if (find_failed(session, mine->number != 0, &rank, &err) < 0)
		return session_fail(session, EXITCODE_NODE, &err, failed);
	if (rank == session->size)
		return 0;
	if (rank == session->rank) {
		session_fail(session, exit_code, mine, failed);
		wire.exit_code = exit_code;
		wire.number = failed->err.number;
		memcpy(wire.text, failed->err.text, sizeof wire.text);
	}
	if (session_broadcast(session, rank, &wire, sizeof wire, &err) < 0)
		return session_fail(session, EXITCODE_NODE, &err, failed);
	*failed = (struct bcast_failed){.rank = (uint32_t)rank, .exit_code = wire.exit_code};
	wire.text[sizeof wire.text - 1] = '\0';
	return err_set(&failed->err, wire.number, "%s", wire.text);
}
