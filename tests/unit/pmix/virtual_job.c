/*
 * virtual_job.c - see virtual_job.h.  Included by the tests that use it, since
 * a test here is one file.
 *
 * Frames of the daemons (common/frame.h) carry their target; those of this file
 * have types below 16 and go to the site itself.  A daemon stays until the
 * site closes its connection, because others may need it to forward.
 */
#include "tests/unit/pmix/virtual_job.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/frame.h"
#include "common/loop.h"
#include "pmix/pmi_server.h"

enum { FRAME_DONE = 1, FRAME_KILL = 2, RANK_FD = 10 };

struct virtual_daemon {
	const struct virtual_job *spec;
	struct virtual_result *result;
	struct loop *loop;
	struct pmi_server *server;
	struct pmi_job job;
	int fd;                /* to the site */
	struct buf in;
	pid_t pids[256];
	uint32_t running;
	int output_fd;
};

/* --- a daemon -------------------------------------------------------------- */

static void virtual_write(int fd, const struct buf *frame)
{
	for (size_t at = 0; at < frame->len;) {
		ssize_t len = write(fd, frame->data + at, frame->len - at);
		if (len < 0)
			_exit(99);
		at += (size_t)len;
	}
}

static void virtual_send(void *context, uint32_t target, uint16_t type, const void *payload,
			 size_t len)
{
	struct virtual_daemon *daemon = context;
	AUTO_BUF struct buf out = {0};
	frame_add(&out, &(struct frame){.type = type, .source = daemon->job.node,
					.target = target, .payload = payload, .len = len});
	virtual_write(daemon->fd, &out);
}

static void virtual_kill(struct virtual_daemon *daemon)
{
	for (uint32_t i = 0; i < daemon->spec->ranks_per_node; i++)
		if (daemon->pids[i] > 0)
			kill(daemon->pids[i], SIGKILL);
}

static void virtual_abort(void *context, uint32_t rank, int status, const char *text)
{
	struct virtual_daemon *daemon = context;
	if (__atomic_fetch_add(&daemon->result->abort_count, 1, __ATOMIC_SEQ_CST) == 0) {
		daemon->result->abort_rank = rank;
		daemon->result->abort_status = status;
		snprintf(daemon->result->abort_text, sizeof daemon->result->abort_text, "%s", text);
	}
	virtual_send(daemon, UINT32_MAX, FRAME_KILL, NULL, 0);
}

static void virtual_log(void *context, uint32_t rank, const char *text, size_t len)
{
	struct virtual_daemon *daemon = context;
	size_t at = strlen(daemon->result->log);
	snprintf(daemon->result->log + at, sizeof daemon->result->log - at, "%u: %.*s\n", rank,
		 (int)len, text);
}

static void virtual_event(void *context, uint32_t rank, enum pmi_event event)
{
	struct virtual_daemon *daemon = context;
	struct virtual_result *result = daemon->result;
	(void)rank;
	__atomic_fetch_add(event == PMI_EVENT_CONNECTED ? &result->connected
			   : event == PMI_EVENT_FENCED  ? &result->fenced
							: &result->finalized,
			   1, __ATOMIC_SEQ_CST);
}

static void virtual_failed(void *context, const struct err *why)
{
	struct virtual_daemon *daemon = context;
	daemon->result->failed = true;
	snprintf(daemon->result->why, sizeof daemon->result->why, "node %u: %s", daemon->job.node,
		 why->text);
	virtual_send(daemon, UINT32_MAX, FRAME_KILL, NULL, 0);
}

static const struct pmi_server_ops virtual_ops = {
	virtual_send, virtual_abort, virtual_log, virtual_event, virtual_failed,
};

static void virtual_from_site(void *context, int fd, uint32_t events)
{
	struct virtual_daemon *daemon = context;
	struct frame frame;
	struct err err;
	char bytes[65536];
	(void)events;
	ssize_t len = read(fd, bytes, sizeof bytes);
	if (len <= 0) {
		loop_stop(daemon->loop, 0);
		return;
	}
	buf_add(&daemon->in, bytes, (size_t)len);
	long long took;
	while ((took = frame_parse(daemon->in.data, daemon->in.len, PMI_FRAME_PAYLOAD_MAX, &frame,
				   &err)) > 0) {
		if (frame.type == FRAME_KILL)
			virtual_kill(daemon);
		else
			pmi_server_receive(daemon->server, frame.source, frame.type, frame.payload,
					   frame.len);
		buf_consume(&daemon->in, (size_t)took);
	}
}

static void virtual_child(void *context, const struct signalfd_siginfo *info)
{
	struct virtual_daemon *daemon = context;
	pid_t pid;
	int status;
	(void)info;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		for (uint32_t i = 0; i < daemon->spec->ranks_per_node; i++) {
			if (daemon->pids[i] != pid)
				continue;
			daemon->pids[i] = 0;
			daemon->running--;
			pmi_server_rank_ended(daemon->server, daemon->job.node_first_rank[daemon->job.node] + i);
			if (code > daemon->result->status)
				daemon->result->status = code;
			/* A rank's failure ends the job, as in the real one. */
			if (code != 0)
				virtual_send(daemon, UINT32_MAX, FRAME_KILL, NULL, 0);
		}
	}
	if (daemon->running == 0)
		virtual_send(daemon, UINT32_MAX, FRAME_DONE, NULL, 0);
}

static void virtual_putenv(const struct buf *block)
{
	for (size_t at = 0; at < block->len; at += strlen(block->data + at) + 1)
		putenv(block->data + at);
}

static void virtual_write_file(const char *path, const char *text)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		return;
}

static void virtual_become(uint32_t uid)
{
	char map[64];
	if (unshare(CLONE_NEWUSER) < 0)
		_exit(97);
	virtual_write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "%u 0 1", uid);
	virtual_write_file("/proc/self/uid_map", map);
	virtual_write_file("/proc/self/gid_map", map);
}

static void virtual_exec(struct virtual_daemon *daemon, const struct buf *common,
			 const struct buf *own, int client_fd)
{
	loop_child_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(client_fd, RANK_FD) < 0 || dup2(daemon->output_fd, 1) < 0 || dup2(1, 2) < 0)
		_exit(98);
	if (daemon->spec->rank_uid != 0)
		virtual_become(daemon->spec->rank_uid);
	virtual_putenv(common);
	virtual_putenv(own);
	for (size_t i = 0; daemon->spec->env != NULL && daemon->spec->env[i] != NULL; i++)
		putenv((char *)daemon->spec->env[i]);
	execv(daemon->spec->argv[0], (char **)daemon->spec->argv);
	_exit(127);
}

static int virtual_start_ranks(struct virtual_daemon *daemon, struct err *err)
{
	AUTO_BUF struct buf common = {0};
	int rc = 0;
	if (pmi_job_local_count(&daemon->job) == 0)
		virtual_send(daemon, UINT32_MAX, FRAME_DONE, NULL, 0);
	else
		rc = pmi_server_env(daemon->server, &common, err);
	for (uint32_t i = 0; rc == 0 && i < pmi_job_local_count(&daemon->job); i++) {
		AUTO_BUF struct buf own = {0};
		AUTO_FD int client_fd = -1;
		rc = pmi_server_add_rank(daemon->server,
					 daemon->job.node_first_rank[daemon->job.node] + i,
					 &client_fd, &own, err);
		if (rc < 0)
			return rc;
		pid_t pid = fork();
		if (pid == 0)
			virtual_exec(daemon, &common, &own, client_fd);
		daemon->pids[i] = pid;
		daemon->running++;
	}
	return rc;
}

/* Processes, too: UCX tells nodes apart by the namespaces that it can see, and
 * in one PID namespace it would take shared memory between two of them. */
static bool virtual_node_make(uint32_t node)
{
	char name[32];
	int status;
	snprintf(name, sizeof name, "virtual%u", node);
	if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID) < 0)
		return false;
	pid_t pid = fork();
	if (pid > 0) {
		waitpid(pid, &status, 0);
		_exit(0);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid == 0 && sethostname(name, strlen(name)) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("proc", "/proc", "proc", 0, NULL) == 0 &&
	       mount("shm", "/dev/shm", "tmpfs", 0, "mode=1777") == 0;
}

static int virtual_daemon_start(struct virtual_daemon *daemon, struct err *err)
{
	int rc = loop_new(&daemon->loop, err);
	if (rc == 0)
		rc = loop_add_fd(daemon->loop, daemon->fd, EPOLLIN, virtual_from_site, daemon, err);
	if (rc == 0)
		rc = loop_add_signal(daemon->loop, SIGCHLD, virtual_child, daemon, err);
	if (rc == 0)
		rc = pmi_server_new(daemon->loop, &daemon->job, &virtual_ops, daemon,
				    &daemon->server, err);
	if (rc == 0 && !daemon->spec->without_pmix && pmi_job_local_count(&daemon->job) > 0)
		rc = pmi_server_start_pmix(daemon->server, NULL, err);
	if (rc == 0)
		rc = virtual_start_ranks(daemon, err);
	return rc;
}

static _Noreturn void virtual_daemon_main(const struct virtual_job *spec, uint32_t node, int fd,
					  int output_fd, const char *dir,
					  struct virtual_result *result)
{
	static char names[VIRTUAL_NODES_MAX][32];
	static const char *name_list[VIRTUAL_NODES_MAX], *cpus[256];
	static uint32_t first[VIRTUAL_NODES_MAX], count[VIRTUAL_NODES_MAX];
	char session[512];
	uint32_t rank_count = 0;
	struct err err = ERR_NONE;
	for (uint32_t i = 0; i < spec->nodes; i++) {
		snprintf(names[i], sizeof names[i], "virtual%u", i);
		name_list[i] = names[i];
		first[i] = rank_count;
		count[i] = i == 0 && spec->first_node_is_empty ? 0 : spec->ranks_per_node;
		rank_count += count[i];
	}
	for (uint32_t i = 0; i < 256; i++)
		cpus[i] = "0";
	snprintf(session, sizeof session, "%s/%u", dir, node);
	struct virtual_daemon daemon = {
		.spec = spec, .result = result, .fd = fd, .output_fd = output_fd,
		.job = {
			.name = "test.job-1", .node_count = spec->nodes,
			.rank_count = rank_count, .node_names = name_list,
			.node_first_rank = first, .node_rank_count = count, .node = node,
			.fanout = spec->fanout, .uid = spec->rank_uid ? spec->rank_uid : geteuid(),
			.gid = spec->rank_uid ? spec->rank_uid : getegid(),
			.session_dir = session, .rank_fd = RANK_FD, .program = spec->argv[0],
			.workdir = "/", .local_cpus = spec->with_cpus ? cpus : NULL,
		},
	};
	if (!virtual_node_make(node) || mkdir(session, 0700) < 0)
		result->cannot = true;
	else if (virtual_daemon_start(&daemon, &err) < 0)
		virtual_failed(&daemon, &err);
	else
		loop_run(daemon.loop, &err);
	virtual_kill(&daemon);
	pmi_server_free(&daemon.server);
	loop_free(&daemon.loop);
	buf_free(&daemon.in);
	_exit(0);
}

/* --- the site -------------------------------------------------------------- */

/* A network of its own, with an address that is not loopback, for Open MPI. */
static bool virtual_site_make(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];
	if (uid != 0) {
		if (unshare(CLONE_NEWUSER) < 0)
			return false;
		virtual_write_file("/proc/self/setgroups", "deny");
		snprintf(map, sizeof map, "0 %u 1", uid);
		virtual_write_file("/proc/self/uid_map", map);
		snprintf(map, sizeof map, "0 %u 1", gid);
		virtual_write_file("/proc/self/gid_map", map);
	}
	return unshare(CLONE_NEWNET) == 0 &&
	       system("ip link set lo up && ip link add veth0 type veth peer name veth1 && "
		      "ip addr add 10.99.0.1/24 dev veth0 && ip link set veth0 up && "
		      "ip link set veth1 up") == 0;
}

struct virtual_link {
	int fd;
	pid_t pid;
	bool done;
	struct buf in;
};

/* Passes on what has come from one daemon. */
static void virtual_route(const struct virtual_job *spec, struct virtual_link *links, uint32_t from,
			  struct virtual_result *result)
{
	struct frame frame;
	struct err err;
	char bytes[65536];
	ssize_t len = read(links[from].fd, bytes, sizeof bytes);
	if (len <= 0) {
		links[from].done = true;
		close_fd(&links[from].fd);
		return;
	}
	buf_add(&links[from].in, bytes, (size_t)len);
	long long took;
	while ((took = frame_parse(links[from].in.data, links[from].in.len, PMI_FRAME_PAYLOAD_MAX,
				   &frame, &err)) > 0) {
		AUTO_BUF struct buf out = {0};
		frame_add(&out, &frame);
		result->frames += frame.type >= PMI_FRAME_FENCE_UP;
		if (frame.type == FRAME_DONE)
			links[from].done = true;
		for (uint32_t i = 0; frame.type != FRAME_DONE && i < spec->nodes; i++)
			if (links[i].fd >= 0 && (frame.target == i || frame.type == FRAME_KILL))
				virtual_write(links[i].fd, &out);
		buf_consume(&links[from].in, (size_t)took);
	}
}

static void virtual_route_all(const struct virtual_job *spec, struct virtual_link *links,
			      struct virtual_result *result)
{
	for (;;) {
		struct pollfd polls[VIRTUAL_NODES_MAX];
		bool all_done = true;
		for (uint32_t i = 0; i < spec->nodes; i++) {
			polls[i] = (struct pollfd){.fd = links[i].fd, .events = POLLIN};
			all_done = all_done && links[i].done;
		}
		if (all_done || poll(polls, spec->nodes, -1) < 0)
			return;
		for (uint32_t i = 0; i < spec->nodes; i++)
			if (polls[i].revents != 0)
				virtual_route(spec, links, i, result);
	}
}

static _Noreturn void virtual_site_main(const struct virtual_job *spec, unsigned seconds,
					const char *dir, int output_fd,
					struct virtual_result *result)
{
	struct virtual_link links[VIRTUAL_NODES_MAX] = {0};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!virtual_site_make()) {
		result->cannot = true;
		_exit(0);
	}
	alarm(seconds);
	for (uint32_t i = 0; i < spec->nodes; i++) {
		int ends[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
			_exit(1);
		links[i].fd = ends[0];
		links[i].pid = fork();
		if (links[i].pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (uint32_t j = 0; j <= i; j++)
				close(links[j].fd);
			virtual_daemon_main(spec, i, ends[1], output_fd, dir, result);
		}
		close(ends[1]);
	}
	virtual_route_all(spec, links, result);
	for (uint32_t i = 0; i < spec->nodes; i++) {
		close_fd(&links[i].fd);
		waitpid(links[i].pid, NULL, 0);
		buf_free(&links[i].in);
	}
	_exit(0);
}

struct virtual_result *virtual_job_run(const struct virtual_job *job, unsigned seconds)
{
	char dir[] = "/tmp/cmpirun-pmix-test.XXXXXX", command[64];
	struct virtual_result *result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE,
					     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result == MAP_FAILED || mkdtemp(dir) == NULL)
		abort();
	int output_fd = open(dir, O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600), status;
	pid_t pid = fork();
	if (pid == 0)
		virtual_site_main(job, seconds, dir, output_fd, result);
	waitpid(pid, &status, 0);
	result->timed_out = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
	ssize_t len = pread(output_fd, result->output, VIRTUAL_TEXT_MAX - 1, 0);
	result->output[len > 0 ? len : 0] = '\0';
	close(output_fd);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	if (system(command) != 0)
		fprintf(stderr, "%s stays\n", dir);
	return result;
}

void virtual_result_free(struct virtual_result *result)
{
	munmap(result, sizeof *result);
}
