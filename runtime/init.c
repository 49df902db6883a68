/*
 * init.c - the event code of cmpi-init (init.h).
 *
 * In: packets of cmpid, one an event, and SIGCHLD.  Out: answers, one for each thing that happened.  The
 * socket is blocking on our side: cmpid never waits for us, so an answer that has to wait for room
 * waits for cmpid's loop and for nothing else.
 *
 * Invariants
 * - After an ERROR, nothing more is attached or started; signals, KILL and QUIT are still served.
 * - We are the sub-reaper: every descendant is our child in the end.  Killing means: kill the
 *   children and those below them, reap, look again (orphans came to us), until only the image server
 *   is left; the server goes last, for the others may need it to die.
 * - Nothing is polled.  The one timer runs while killing, at most three seconds: it catches children
 *   that came between two looks, and gives up on what the kernel cannot end.
 *
 * Caveat: SIGKILL of cmpi-init leaves the grandchildren of ranks to the next sub-reaper, cmpid, whose client
 * (init_client.c) ends them.
 */
#include "runtime/init.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/exitcode.h"
#include "common/fdpass.h"
#include "common/loop.h"
#include "common/remove_tree.h"
#include "common/squash_file.h"
#include "runtime/backend.h"
#include "runtime/descendants.h"
#include "runtime/init_msg.h"
#include "runtime/job.h"
#include "runtime/mount_apply.h"
#include "runtime/namespace.h"
#include "runtime/node_memory.h"
#include "runtime/rank_table.h"

enum { KILL_TICKS_MAX = 30 };
static const uint64_t kill_tick_ns = 100 * NS_PER_MS;

struct init {
	struct loop *loop;
	int socket_fd, proc_fd;
	int session_dir_fd;  /* -1: none */
	char session_name[64];
	const char *imgfs_path;
	uint64_t unshare_ns;
	struct job *job;
	struct rank_table ranks;
	pid_t server;
	size_t doomed;       /* children killed in the last look and not reaped yet */
	unsigned kill_ticks;
	uint32_t kill_timer;
	bool privileged;
	bool failed;         /* an ERROR was sent */
	bool busy;           /* something was started since the last GONE */
	bool killing, quitting;
};

static void send_msg(struct init *init, const struct init_msg *msg, const int *fd)
{
	AUTO_BUF struct buf packed = {0};
	struct err err = ERR_NONE;
	init_msg_pack(msg, &packed);
	/* A failure means that cmpid is gone: the end of the socket comes as an event. */
	fdpass_send(init->socket_fd, packed.data, packed.len, fd, fd != NULL, &err);
}

static void send_error(struct init *init, int32_t rank, int exit_code, const struct err *err)
{
	struct init_msg msg = {.type = INIT_MSG_ERROR};
	msg.error.rank = rank;
	msg.error.exit_code = exit_code;
	msg.error.err = *err;
	init->failed = true;
	send_msg(init, &msg, NULL);
}

/* ---- killing ---- */

static bool count_child(void *context, pid_t pid)
{
	struct init *init = context;
	if (pid == init->server)
		return true;
	init->doomed++;
	if (init->killing)
		descendants_kill(init->proc_fd, pid);
	return true;
}

/* How many children there are but the server; while killing they are killed. */
static size_t look_at_children(struct init *init)
{
	init->doomed = 0;
	descendants_each(init->proc_fd, count_child, init);
	return init->doomed;
}

static void finish(struct init *init)
{
	if (init->server > 0) {
		kill(init->server, SIGKILL);
		waitpid(init->server, NULL, 0);
		init->server = 0;
	}
	if (init->session_dir_fd >= 0)
		remove_tree(init->session_dir_fd, init->session_name);
	loop_stop(init->loop, 0);
}

/* Called when there may be none left. */
static void check_gone(struct init *init)
{
	if (look_at_children(init) > 0)
		return;
	if (init->busy)
		send_msg(init, &(struct init_msg){.type = INIT_MSG_GONE}, NULL);
	init->busy = false;
	init->killing = false;
	loop_remove_timer(init->loop, &init->kill_timer);
	if (init->quitting)
		finish(init);
}

static void kill_tick(void *context)
{
	struct init *init = context;
	init->kill_timer = 0;
	if (++init->kill_ticks < KILL_TICKS_MAX) {
		loop_add_timer(init->loop, kill_tick_ns, kill_tick, init, &init->kill_timer, NULL);
		check_gone(init);
	} else if (init->quitting) {
		finish(init);
	}
}

static void kill_all(struct init *init)
{
	init->killing = true;
	init->kill_ticks = 0;
	loop_remove_timer(init->loop, &init->kill_timer);
	loop_add_timer(init->loop, kill_tick_ns, kill_tick, init, &init->kill_timer, NULL);
	check_gone(init);
}

static void quit(struct init *init)
{
	init->quitting = true;
	kill_all(init);
}

/* ---- reaping ---- */

static void send_exited(struct init *init, uint32_t rank, int status, const struct rusage *usage)
{
	struct init_msg msg = {.type = INIT_MSG_EXITED};
	msg.exited = (struct init_exited){
		.rank = rank,
		.status = status,
		.max_rss_kb = (uint64_t)usage->ru_maxrss,
		.user_us = (uint64_t)usage->ru_utime.tv_sec * 1000000u + (uint64_t)usage->ru_utime.tv_usec,
		.system_us = (uint64_t)usage->ru_stime.tv_sec * 1000000u + (uint64_t)usage->ru_stime.tv_usec,
	};
	send_msg(init, &msg, NULL);
}

static void server_ended(struct init *init, int status)
{
	struct init_msg msg = {.type = INIT_MSG_SERVER_DIED};
	msg.server_died.status = status;
	init->server = 0;
	send_msg(init, &msg, NULL);
}

static void on_child(void *context, const struct signalfd_siginfo *info)
{
	struct init *init = context;
	struct rusage usage;
	int status;
	pid_t pid;
	(void)info;
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		uint32_t rank;
		if (pid == init->server) {
			server_ended(init, status);
			continue;
		}
		if (init->doomed > 0)
			init->doomed--;
		if (rank_table_remove(&init->ranks, pid, &rank))
			send_exited(init, rank, status, &usage);
	}
	bool wanted = init->killing ? init->doomed == 0 : init->busy && init->ranks.count == 0;
	if (wanted)
		check_gone(init);
}

/* ---- requests ---- */

static int read_memfd(int fd, struct buf *out, struct err *err)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return err_errno(err, errno, "read a request of cmpid");
	if (status.st_size > MOUNT_PLAN_BYTES_MAX)
		return err_set(err, EFBIG, "a request of cmpid has %lld bytes", (long long)status.st_size);
	size_t len = (size_t)status.st_size;
	char *room = buf_reserve(out, len + 1);
	if (room == NULL)
		return err_errno(err, ENOMEM, "read a request of cmpid");
	ssize_t got = pread(fd, room, len, 0);
	if (got < 0 || (size_t)got != len)
		return err_errno(err, got < 0 ? errno : EIO, "read a request of cmpid");
	out->len = len;
	return 0;
}

static void on_memory(struct init *init, const struct init_msg *msg)
{
	struct err err = ERR_NONE;
	AUTO_FD int fd = node_memory_new(msg->memory.size, &err);
	if (fd < 0)
		send_error(init, INIT_NO_RANK, EXITCODE_SETUP, &err);
	else
		send_msg(init, &(struct init_msg){.type = INIT_MSG_IMAGE_FILE}, &fd);
}

/* A file tree that answers ENOTCONN lost its server: say what that died of. */
static int blame_server(struct init *init, int exit_code, struct err *err)
{
	int status;
	if (init->server <= 0 || (err->number != ENOTCONN && err->number != ECONNABORTED))
		return exit_code;
	/* Its descriptors are closed, so its fate is sealed: SIGKILL only makes sure of it. */
	kill(init->server, SIGKILL);
	if (waitpid(init->server, &status, 0) == init->server) {
		init->server = 0;
		err_set(err, EIO, "the image server ended: %s", backend_server_words(status));
		return EXITCODE_IMAGE;
	}
	return exit_code;
}

static int attach(struct init *init, const struct mount_plan *plan,
		  const struct backend_input *input, struct init_msg *answer, enum init_backend wanted,
		  struct err *err)
{
	struct backend_root root;
	uint64_t start = clock_now_ns();
	int exit_code = EXITCODE_SETUP;
	int rc = backend_attach(wanted, input, &root, &answer->attached.backend, err);
	init->server = root.server;
	if (rc == 0)
		rc = mount_apply(plan, root.root_fd, root.image_fd, &exit_code, err);
	uint64_t mounted = clock_now_ns();
	if (rc == 0)
		rc = namespace_pivot(root.root_fd, err);
	close_fd(&root.root_fd);
	close_fd(&root.image_fd);
	answer->attached.unshare_ns = init->unshare_ns;
	answer->attached.mount_ns = mounted - start;
	answer->attached.pivot_ns = clock_now_ns() - mounted;
	return rc < 0 ? blame_server(init, exit_code, err) : 0;
}

/* A pidfd of cmpid, who made our socket. */
static int owner_open(const struct init *init, struct err *err)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	int fd = getsockopt(init->socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0
			 ? -1 : (int)syscall(SYS_pidfd_open, peer.pid, 0);
	return fd < 0 ? err_errno(err, errno, "watch cmpid") : fd;
}

static void on_attach(struct init *init, const struct init_msg *msg, const int *fds)
{
	struct err err = ERR_NONE;
	struct init_msg answer = {.type = INIT_MSG_ATTACHED};
	AUTO_BUF struct buf bytes = {0};
	AUTO_MOUNT_PLAN struct mount_plan plan = {0};
	struct squash_part part;
	struct squash_super super;
	bool arrives = msg->attach.has_arrival;
	AUTO_FD int owner_fd = arrives ? owner_open(init, &err) : -1;
	const struct backend_input input = {
		.image_fd = fds[1],
		.owner_fd = owner_fd,
		.arrival_fd = arrives ? fds[2] : -1,
		.profile_fd = msg->attach.has_profile ? fds[arrives ? 3 : 2] : -1,
		.root_hash = msg->attach.is_checked ? msg->attach.root_hash : NULL,
		.imgfs_path = init->imgfs_path,
		.privileged = init->privileged,
	};
	int code = 0;
	if ((arrives && owner_fd < 0) || read_memfd(fds[0], &bytes, &err) < 0 ||
	    mount_plan_parse(bytes.data, bytes.len, &plan, &err) < 0)
		code = EXITCODE_INTERNAL;
	else if (squash_file_look(fds[1], &part, &super, &err) < 0)
		code = EXITCODE_IMAGE;
	else
		code = attach(init, &plan, &input, &answer, msg->attach.backend, &err);
	if (code != 0)
		send_error(init, INIT_NO_RANK, code, &err);
	else
		send_msg(init, &answer, NULL);
}

static void on_job(struct init *init, const int *fds)
{
	struct err err = ERR_NONE;
	AUTO_BUF struct buf bytes = {0};
	int code = EXITCODE_INTERNAL;
	if (init->job != NULL)
		err_set(&err, EALREADY, "a second job for one cmpi-init");
	else if (read_memfd(fds[0], &bytes, &err) == 0)
		code = job_new(bytes.data, bytes.len, &init->job, &err);
	if (code != 0) {
		send_error(init, INIT_NO_RANK, code, &err);
		return;
	}
	/* The ranks' process group is ours, but a program at a terminal is in that of cmpid. */
	if (job_is_interactive(init->job))
		setpgid(0, getpgid(getppid()));
}

static void on_environment(struct init *init, const int *fds)
{
	struct err err = ERR_NONE;
	AUTO_BUF struct buf bytes = {0};
	int rc = init->job == NULL ? err_set(&err, EINVAL, "an environment without a job")
				   : read_memfd(fds[0], &bytes, &err);
	if (rc == 0)
		rc = job_add_environment(init->job, bytes.data, bytes.len, &err);
	if (rc < 0)
		send_error(init, INIT_NO_RANK, EXITCODE_INTERNAL, &err);
}

static void on_spawn(struct init *init, const struct init_msg *msg, const int *fds)
{
	struct err err = ERR_NONE;
	struct init_msg answer = {.type = INIT_MSG_SPAWNED};
	pid_t pid;
	int code = EXITCODE_INTERNAL;
	if (init->job == NULL)
		err_set(&err, EINVAL, "rank %u was to be started before its job was known",
			msg->spawn.rank);
	else if (!rank_table_reserve(&init->ranks))
		err_errno(&err, ENOMEM, "start rank %u", msg->spawn.rank);
	else
		code = job_spawn(init->job, &msg->spawn, fds, &pid, &err);
	if (code != 0) {
		send_error(init, (int32_t)msg->spawn.rank, code, &err);
		return;
	}
	rank_table_add(&init->ranks, pid, msg->spawn.rank);
	init->busy = true;
	answer.spawned.rank = msg->spawn.rank;
	answer.spawned.pid = pid;
	send_msg(init, &answer, NULL);
}

static void on_session(struct init *init, const struct init_msg *msg, const int *fds)
{
	close_fd(&init->session_dir_fd);
	init->session_dir_fd = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
	memcpy(init->session_name, msg->session.name, sizeof init->session_name);
}

static void on_signal_request(struct init *init, int signo)
{
	if (signo == SIGKILL) {
		kill_all(init);
		return;
	}
	/* SIGSTOP would stop us with the group. */
	if (init->job != NULL && !job_is_interactive(init->job) && signo != SIGSTOP) {
		kill(0, signo);
		return;
	}
	for (size_t i = 0; i < init->ranks.count; i++)
		kill(init->ranks.entries[i].pid, signo);
}

static void dispatch(struct init *init, const struct init_msg *msg, const int *fds)
{
	bool stopped = init->failed || init->killing;
	switch (msg->type) {
	case INIT_MSG_MEMORY:
		if (!stopped)
			on_memory(init, msg);
		break;
	case INIT_MSG_ATTACH:
		if (!stopped)
			on_attach(init, msg, fds);
		break;
	case INIT_MSG_JOB:
		if (!stopped)
			on_job(init, fds);
		break;
	case INIT_MSG_ENVIRONMENT:
		if (!stopped)
			on_environment(init, fds);
		break;
	case INIT_MSG_SPAWN:
		if (!stopped)
			on_spawn(init, msg, fds);
		break;
	case INIT_MSG_SESSION:
		on_session(init, msg, fds);
		break;
	case INIT_MSG_SIGNAL:
		on_signal_request(init, msg->signal.signo);
		break;
	case INIT_MSG_KILL:
		kill_all(init);
		break;
	case INIT_MSG_QUIT:
		quit(init);
		break;
	default:
		break;
	}
}

static bool fds_complete(const struct init_msg *msg, const int fds[FDPASS_FDS_MAX])
{
	for (size_t i = 0; i < init_msg_fd_count(msg); i++)
		if (fds[i] < 0)
			return false;
	return true;
}

static void on_packet(void *context, int fd, uint32_t events)
{
	struct init *init = context;
	char bytes[FDPASS_BYTES_MAX];
	struct err err = ERR_NONE;
	struct init_msg msg;
	int fds[FDPASS_FDS_MAX];
	(void)events;
	ssize_t len = fdpass_receive(fd, bytes, sizeof bytes, fds, &err);
	if (len <= 0) {
		/* cmpid has ended, or talks nonsense: either way nobody needs us. */
		loop_remove_fd(init->loop, fd);
		quit(init);
		return;
	}
	if (init_msg_parse(bytes, (size_t)len, &msg, &err) < 0)
		send_error(init, INIT_NO_RANK, EXITCODE_INTERNAL, &err);
	else if (!fds_complete(&msg, fds))
		send_error(init, INIT_NO_RANK, EXITCODE_INTERNAL,
			   &(struct err){EPROTO, "a message of cmpid came without its descriptors"});
	else
		dispatch(init, &msg, fds);
	for (size_t i = 0; i < FDPASS_FDS_MAX; i++)
		close_fd(&fds[i]);
}

int init_run(int socket_fd, const char *imgfs_path, struct err *err)
{
	struct init init = {.socket_fd = socket_fd, .imgfs_path = imgfs_path, .proc_fd = -1,
			    .session_dir_fd = -1};
	struct err failure = ERR_NONE;
	/* We are the leader and live longest, so a signal to the group never meets a stranger's.  And a launcher
	 * that kills cmpid's group leaves us, who clean up; we block all other signals. */
	setpgid(0, 0);
	int rc = loop_new(&init.loop, err);
	if (rc == 0)
		rc = loop_add_signal(init.loop, SIGCHLD, on_child, &init, err);
	if (rc == 0)
		rc = loop_add_fd(init.loop, socket_fd, EPOLLIN, on_packet, &init, err);
	init.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t start = clock_now_ns();
	if (rc == 0 && namespace_enter(&init.privileged, &failure) < 0)
		send_error(&init, INIT_NO_RANK, EXITCODE_SETUP, &failure);
	init.unshare_ns = clock_now_ns() - start;
	if (rc == 0)
		rc = loop_run(init.loop, err);
	rank_table_free(&init.ranks);
	job_free(&init.job);
	close_fd(&init.proc_fd);
	close_fd(&init.session_dir_fd);
	loop_free(&init.loop);
	return rc;
}
