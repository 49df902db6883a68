/*
 * daemon_fabric.c - over what the ranks of this node talk, and whether the host has better; for --timing.
 *
 * The first local rank is looked at when its MPI is through its first fence (transport.h): by then addresses have been
 * exchanged, so what it talks over is open; or if it is not, a little later.  libpmix keeps fences of one node to
 * itself: such a job is looked at a second after its first word, if it lives that long.  Only where that is TCP
 * between nodes the host is asked, by a process of its own, beside everything else.  Each node's finding goes up with
 * its timing; node 0 says the worst.
 */
#include "launcher/daemon_impl.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "launcher/fabric_probe.h"

enum { PROBE_BYTES_MAX = 64 << 10, PROBE_WAIT_MS = 1500 };

#define LATE_LOOK_NS (1 * NS_PER_S)

/* -- the host --------------------------------------------------------------- */

/* False at its end. */
static bool read_probe(struct daemon *daemon)
{
	char *room = buf_reserve(&daemon->probe_lines, 4096);
	ssize_t got = room != NULL ? read(daemon->probe_fd, room, 4096) : 0;
	int number = errno;
	if (got < 0 && number == EINTR)
		return true;
	daemon->probe_lines.len += got > 0 ? (size_t)got : 0;
	return got > 0 && daemon->probe_lines.len < PROBE_BYTES_MAX;
}

/* It is fetched when the job is done: it has closed its output, but may be about to end. */
static void on_probe(void *context, int fd, uint32_t events)
{
	struct daemon *daemon = context;
	(void)events;
	if (read_probe(daemon))
		return;
	loop_remove_fd(daemon->loop, fd);
	close_fd(&daemon->probe_fd);
}

static void start_probe(struct daemon *daemon)
{
	char program[PATH_MAX], option[] = "--probe-fabric";
	char *argv[] = {program, option, NULL};
	posix_spawn_file_actions_t actions;
	int ends[2];
	snprintf(program, sizeof program, "%s/cmpid", daemon->options->helpers);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	/* What its providers have to say is not the job's. */
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int rc = posix_spawn(&daemon->probe_pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	daemon->probe_fd = ends[0];
	if (rc != 0)
		daemon->probe_pid = 0;
	if (rc != 0 || loop_add_fd(daemon->loop, ends[0], EPOLLIN, on_probe, daemon, NULL) < 0)
		daemon_end_probe(daemon);
}

void daemon_end_probe(struct daemon *daemon)
{
	loop_remove_timer(daemon->loop, &daemon->look_timer);
	struct pollfd ready = {.fd = daemon->probe_fd, .events = POLLIN};
	if (daemon->probe_fd >= 0) {
		while (poll(&ready, 1, PROBE_WAIT_MS) > 0 && read_probe(daemon))
			;
		loop_remove_fd(daemon->loop, daemon->probe_fd);
		close_fd(&daemon->probe_fd);
	}
	if (daemon->probe_pid > 0) {
		struct transport *transport = &daemon->timing.transport;
		kill(daemon->probe_pid, SIGKILL);
		while (waitpid(daemon->probe_pid, NULL, 0) < 0 && errno == EINTR)
			;
		daemon->probe_pid = 0;
		if (!daemon->probe_lines.failed && transport->grade == TRANSPORT_TCP)
			fabric_best(daemon->probe_lines.data, daemon->probe_lines.len, transport->better,
				    sizeof transport->better);
	}
	buf_free(&daemon->probe_lines);
	daemon->probe_lines = (struct buf){0};
}

/* -- the ranks -------------------------------------------------------------- */

static void on_late_look(void *context)
{
	struct daemon *daemon = context;
	daemon->look_timer = 0;
	daemon_look_at_transport(daemon);
}

void daemon_look_later(struct daemon *daemon)
{
	if (daemon->plan.timing != TIMING_NONE && daemon->look_timer == 0)
		loop_add_timer(daemon->loop, LATE_LOOK_NS, on_late_look, daemon, &daemon->look_timer, NULL);
}

/* Some MPIs have a fence before their transports are open; and TCP may be but the first of what is being opened. */
static void look_again(struct daemon *daemon)
{
	static const uint64_t pauses_ms[] = {30, 100, 400, 1500};
	if (daemon->looks < sizeof pauses_ms / sizeof *pauses_ms)
		loop_add_timer(daemon->loop, pauses_ms[daemon->looks++] * NS_PER_MS, on_late_look, daemon,
			       &daemon->look_timer, NULL);
}

void daemon_look_at_transport(struct daemon *daemon)
{
	struct transport *transport = &daemon->timing.transport, seen = {0};
	if (daemon->plan.timing == TIMING_NONE || daemon->ranks[0].pid == 0 || daemon->ranks[0].has_ended)
		return;
	loop_remove_timer(daemon->loop, &daemon->look_timer);
	snprintf(seen.node, sizeof seen.node, "%s", daemon->card.node);
	transport_look(daemon->ranks[0].pid, daemon->node_count, daemon->local_ranks, &seen);
	bool is_sure = seen.grade != TRANSPORT_UNKNOWN &&
		       (seen.grade != TRANSPORT_TCP || transport->grade == TRANSPORT_TCP);
	/* The first to know has seen most: a look that comes late may see an MPI that is being closed. */
	if (transport->grade == TRANSPORT_UNKNOWN || (seen.grade != TRANSPORT_UNKNOWN && seen.grade != transport->grade))
		*transport = seen;
	if (seen.grade == TRANSPORT_TCP && daemon->probe_pid == 0)
		start_probe(daemon);
	if (!is_sure)
		look_again(daemon);
}

void daemon_warn_of_transport(const struct daemon *daemon)
{
	const struct transport *transport = &daemon->timing.transport;
	if (daemon->plan.timing == TIMING_NONE || daemon->total_ns == 0)
		return;
	if (transport->better[0] != '\0')
		log_note("the ranks on node %s (%s) have no fabric open and wait for their peers on TCP, but the host has %s "
			 "(cmpi fabric ls); --mpi host or fabric brings the host's libraries under them",
			 transport->node, transport->words, transport->better);
	if (transport->no_cma[0] != '\0')
		log_note("%s switches copies from process to process (CMA) off for the ranks on node %s, which works there: "
			 "large messages within a node are copied twice", transport->no_cma, transport->node);
}
