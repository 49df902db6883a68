/*
 * init_client.c - cmpid's end of cmpi-init (init_client.h).
 *
 * Out: requests stand in a queue and leave as the socket takes them.  SPAWNs are limited to SPAWN_WINDOW
 * unanswered ones: their descriptors count against the user's limit of descriptors in flight
 * (unix(7), ETOOMANYREFS), which a queue of thousands would exceed.
 *
 * In: packets become events.  The end of cmpi-init is seen by its pidfd; what it sent before is
 * handed out first.  If it was killed, processes of its mount namespace that came to us, the
 * sub-reaper, are killed as well, and only then `ended` is told.
 */
#include "runtime/init_client.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fdpass.h"
#include "common/spawn_attr.h"
#include "runtime/descendants.h"

enum { SPAWN_WINDOW = 64, CHILD_SOCKET_FD = 3, ORPHAN_LOOKS_MAX = 200 };
static const uint64_t orphan_look_ns = 5 * NS_PER_MS;

struct request {
	struct request *next;
	struct buf packet;
	int fds[FDPASS_FDS_MAX];
	size_t fd_count;
	bool is_spawn;
};

struct init_client {
	struct loop *loop;
	const struct init_client_events *events;
	void *context;
	pid_t pid;
	int socket_fd, pid_fd;
	struct request *first, **last;
	unsigned unanswered;       /* SPAWNs */
	bool waits_for_room;
	ino_t mount_namespace;     /* of cmpi-init; 0: not yet known */
	int status;                /* how cmpi-init ended */
	unsigned orphan_looks;
	size_t orphan_zombies;
	uint32_t orphan_timer, flush_timer;
};

#define TELL(client, event, ...)                                                                   \
	((client)->events->event != NULL                                                           \
		 ? (client)->events->event((client)->context __VA_OPT__(, ) __VA_ARGS__)           \
		 : (void)0)

static void flush(struct init_client *client);

/* ---- requests ---- */

static void request_free(struct request *request)
{
	if (request == NULL)
		return;
	for (size_t i = 0; i < request->fd_count; i++)
		close_fd(&request->fds[i]);
	buf_free(&request->packet);
	free(request);
}

static void on_flush(void *context)
{
	struct init_client *client = context;
	client->flush_timer = 0;
	flush(client);
}

/* Queues a packed message with descriptors, which are the request's from here on. */
static int enqueue(struct init_client *client, const struct init_msg *msg, const int *take_fds,
		   size_t fd_count, struct err *err)
{
	struct request *request = calloc(1, sizeof *request);
	if (request != NULL)
		init_msg_pack(msg, &request->packet);
	bool failed = request == NULL || request->packet.failed;
	bool too_large = !failed && request->packet.len > FDPASS_BYTES_MAX;
	if (failed || too_large || client->socket_fd < 0) {
		for (size_t i = 0; i < fd_count; i++)
			close_fd(&(int){take_fds[i]});
		request_free(request);
		return failed	   ? err_errno(err, ENOMEM, "request to cmpi-init")
		       : too_large ? err_set(err, E2BIG, "request to cmpi-init: the rank's environment is too large")
				   : err_set(err, EPIPE, "cmpi-init has ended");
	}
	for (size_t i = 0; i < fd_count; i++)
		request->fds[i] = take_fds[i];
	request->fd_count = fd_count;
	request->is_spawn = msg->type == INIT_MSG_SPAWN;
	*client->last = request;
	client->last = &request->next;
	flush(client);
	return 0;
}

static void set_waiting(struct init_client *client, bool waits)
{
	if (client->waits_for_room == waits)
		return;
	client->waits_for_room = waits;
	loop_set_events(client->loop, client->socket_fd, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Sends what can be sent now. */
static void flush(struct init_client *client)
{
	while (client->first != NULL && client->socket_fd >= 0) {
		struct request *request = client->first;
		struct err err = ERR_NONE;
		if (request->is_spawn && client->unanswered >= SPAWN_WINDOW)
			break;
		int rc = fdpass_send(client->socket_fd, request->packet.data, request->packet.len,
				     request->fds, request->fd_count, &err);
		if (rc == -EAGAIN) {
			set_waiting(client, true);
			return;
		}
		/* Other users' sockets of the same user are full of descriptors: try again soon. */
		if (rc == -ETOOMANYREFS && client->flush_timer == 0 &&
		    loop_add_timer(client->loop, NS_PER_MS, on_flush, client, &client->flush_timer, NULL) == 0)
			break;
		/* -EPIPE: cmpi-init has ended, which comes as an event; the rest is dropped then. */
		client->unanswered += request->is_spawn;
		client->first = request->next;
		if (client->first == NULL)
			client->last = &client->first;
		request_free(request);
	}
	if (client->socket_fd >= 0)
		set_waiting(client, false);
}

static int memfd_with(const struct buf *bytes, const char *name, struct err *err)
{
	if (bytes->failed)
		return err_errno(err, ENOMEM, "request to cmpi-init");
	AUTO_FD int fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "memory file for cmpi-init");
	for (size_t done = 0; done < bytes->len;) {
		ssize_t written = write(fd, bytes->data + done, bytes->len - done);
		if (written < 0)
			return err_errno(err, errno, "memory file for cmpi-init");
		done += (size_t)written;
	}
	return take_fd(&fd);
}

int init_client_request_memory(struct init_client *client, uint64_t size, struct err *err)
{
	struct init_msg msg = {.type = INIT_MSG_MEMORY};
	msg.memory.size = size;
	return enqueue(client, &msg, NULL, 0, err);
}

int init_client_attach(struct init_client *client, const struct init_attach *attach,
		       struct err *err)
{
	struct init_msg msg = {.type = INIT_MSG_ATTACH};
	AUTO_BUF struct buf packed = {0};
	const int given[] = {attach->image_fd, attach->arrival_fd, attach->profile_fd};
	int fds[1 + sizeof given / sizeof *given];
	size_t count = 1;
	msg.attach.backend = attach->backend;
	msg.attach.has_arrival = attach->arrival_fd >= 0;
	msg.attach.has_profile = attach->profile_fd >= 0;
	msg.attach.is_checked = attach->root_hash != NULL;
	if (attach->root_hash != NULL)
		memcpy(msg.attach.root_hash, attach->root_hash, sizeof msg.attach.root_hash);
	mount_plan_pack(attach->plan, &packed);
	if ((fds[0] = memfd_with(&packed, "cmpirun-mounts", err)) < 0)
		return fds[0];
	for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
		if (given[i] < 0 && i > 0)
			continue;
		fds[count] = fcntl(given[i], F_DUPFD_CLOEXEC, 3);
		if (fds[count] < 0) {
			int number = errno;
			while (count > 0)
				close(fds[--count]);
			return err_errno(err, number, "image for cmpi-init");
		}
		count++;
	}
	return enqueue(client, &msg, fds, count, err);
}

int init_client_set_job(struct init_client *client, const struct init_job *job, struct err *err)
{
	struct init_msg msg = {.type = INIT_MSG_JOB};
	AUTO_BUF struct buf packed = {0};
	init_job_pack(job, &packed);
	int fd = memfd_with(&packed, "cmpirun-job", err);
	return fd < 0 ? fd : enqueue(client, &msg, &fd, 1, err);
}

int init_client_add_environment(struct init_client *client, const struct buf *strings,
				struct err *err)
{
	struct init_msg msg = {.type = INIT_MSG_ENVIRONMENT};
	int fd = memfd_with(strings, "cmpirun-environment", err);
	return fd < 0 ? fd : enqueue(client, &msg, &fd, 1, err);
}

int init_client_set_session(struct init_client *client, int dir_fd, const char *name,
			    struct err *err)
{
	struct init_msg msg = {.type = INIT_MSG_SESSION};
	if (strlen(name) >= sizeof msg.session.name)
		return err_set(err, ENAMETOOLONG, "session directory %s", name);
	strcpy(msg.session.name, name);
	int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return err_errno(err, errno, "session directory for cmpi-init");
	return enqueue(client, &msg, &fd, 1, err);
}

int init_client_spawn(struct init_client *client, const struct init_spawn *spawn,
		      const int take_fds[4], struct err *err)
{
	struct init_msg msg = {.type = INIT_MSG_SPAWN};
	msg.spawn = *spawn;
	size_t count = init_msg_fd_count(&msg);
	if (spawn->environment_count <= INIT_ENV_MAX && spawn->cpu_bytes <= INIT_CPU_BYTES_MAX)
		return enqueue(client, &msg, take_fds, count, err);
	for (size_t i = 0; i < count; i++)
		close_fd(&(int){take_fds[i]});
	return err_set(err, E2BIG, "rank %u: more than %d variables or %d CPUs", spawn->rank, INIT_ENV_MAX,
		       8 * INIT_CPU_BYTES_MAX);
}

int init_client_signal(struct init_client *client, int signo, struct err *err)
{
	struct init_msg msg = {.type = INIT_MSG_SIGNAL};
	msg.signal.signo = signo;
	return enqueue(client, &msg, NULL, 0, err);
}

/* Nothing that was queued and not sent matters any more. */
static void drop_requests(struct init_client *client)
{
	while (client->first != NULL) {
		struct request *request = client->first;
		client->first = request->next;
		request_free(request);
	}
	client->last = &client->first;
}

int init_client_kill(struct init_client *client, struct err *err)
{
	drop_requests(client);
	return enqueue(client, &(struct init_msg){.type = INIT_MSG_KILL}, NULL, 0, err);
}

int init_client_quit(struct init_client *client, struct err *err)
{
	drop_requests(client);
	return enqueue(client, &(struct init_msg){.type = INIT_MSG_QUIT}, NULL, 0, err);
}

/* ---- events ---- */

/* Known as long as cmpi-init lives; asked for when there is something that could outlive it. */
static void note_namespace(struct init_client *client)
{
	char path[64];
	struct stat status;
	if (client->mount_namespace != 0)
		return;
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)client->pid);
	if (stat(path, &status) == 0)
		client->mount_namespace = status.st_ino;
}

static void answered(struct init_client *client)
{
	if (client->unanswered > 0)
		client->unanswered--;
	flush(client);
}

static void tell(struct init_client *client, const struct init_msg *msg, int fds[FDPASS_FDS_MAX])
{
	switch (msg->type) {
	case INIT_MSG_IMAGE_FILE:
		if (fds[0] >= 0)
			TELL(client, memory, client->events->memory ? take_fd(&fds[0]) : -1);
		break;
	case INIT_MSG_ATTACHED:
		TELL(client, attached, &msg->attached);
		break;
	case INIT_MSG_SPAWNED:
		note_namespace(client);
		answered(client);
		TELL(client, spawned, msg->spawned.rank, msg->spawned.pid);
		break;
	case INIT_MSG_EXITED:
		TELL(client, exited, &msg->exited);
		break;
	case INIT_MSG_SERVER_DIED:
		TELL(client, server_died, msg->server_died.status);
		break;
	case INIT_MSG_ERROR:
		if (msg->error.rank != INIT_NO_RANK)
			answered(client);
		TELL(client, failed, msg->error.rank, msg->error.exit_code, &msg->error.err);
		break;
	case INIT_MSG_GONE:
		TELL(client, gone);
		break;
	default:
		break;
	}
}

/* One packet; false when there is none (now, or ever again). */
static bool receive_one(struct init_client *client)
{
	char bytes[FDPASS_BYTES_MAX];
	int fds[FDPASS_FDS_MAX];
	struct err err = ERR_NONE;
	struct init_msg msg;
	if (client->socket_fd < 0)
		return false;
	ssize_t len = fdpass_receive(client->socket_fd, bytes, sizeof bytes, fds, &err);
	if (len == -EAGAIN)
		return false;
	if (len <= 0) {
		loop_remove_fd(client->loop, client->socket_fd);
		close_fd(&client->socket_fd);
		drop_requests(client);
		return false;
	}
	if (init_msg_parse(bytes, (size_t)len, &msg, &err) == 0)
		tell(client, &msg, fds);
	for (size_t i = 0; i < FDPASS_FDS_MAX; i++)
		close_fd(&fds[i]);
	return true;
}

static void on_socket(void *context, int fd, uint32_t events)
{
	struct init_client *client = context;
	(void)fd;
	/* A bounded number, so that other descriptors of the loop get their turn. */
	for (int i = 0; i < SPAWN_WINDOW && receive_one(client); i++)
		;
	if (events & EPOLLOUT)
		flush(client);
}

struct orphan_look {
	const struct init_client *client;
	int proc_fd;
	size_t found, zombies;
};

static bool kill_orphan(void *context, pid_t pid)
{
	struct orphan_look *look = context;
	char path[64];
	struct stat status;
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)pid);
	if (stat(path, &status) < 0) {
		/* Dying: it has left its namespaces, and will leave its children to us only now. */
		char state = descendants_state(look->proc_fd, pid);
		look->zombies += state == 'Z';
		look->found += state != 'Z' && state != '\0';
		return true;
	}
	if (status.st_ino != look->client->mount_namespace)
		return true;
	look->found++;
	kill(pid, SIGKILL);
	return true;
}

/* Over when none lives and none has died since the last look: a rank that became a zombie after its children
 * were listed has left us children that are not in the list. */
static void look_for_orphans(void *context)
{
	struct init_client *client = context;
	AUTO_FD int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct orphan_look look = {.client = client, .proc_fd = proc_fd};
	client->orphan_timer = 0;
	if (client->mount_namespace != 0 && proc_fd >= 0)
		descendants_each(proc_fd, kill_orphan, &look);
	bool is_over = look.found == 0 && look.zombies == client->orphan_zombies;
	client->orphan_zombies = look.zombies;
	if (!is_over && ++client->orphan_looks < ORPHAN_LOOKS_MAX &&
	    loop_add_timer(client->loop, orphan_look_ns, look_for_orphans, client, &client->orphan_timer,
			   NULL) == 0)
		return;
	TELL(client, ended, client->status);
}

static void on_death(void *context, int fd, uint32_t events)
{
	struct init_client *client = context;
	(void)events;
	loop_remove_fd(client->loop, fd);
	while (receive_one(client))
		;
	while (waitpid(client->pid, &client->status, 0) < 0 && errno == EINTR)
		;
	close_fd(&client->pid_fd);
	look_for_orphans(client);
}

/* ---- start and end ---- */

static int spawn_init(const struct init_client_options *options, int socket_fd, pid_t *pid)
{
	char name[] = "cmpi-init", number[16];
	snprintf(number, sizeof number, "%d", CHILD_SOCKET_FD);
	char *argv[] = {name, number, (char *)options->imgfs_path, NULL};
	char *environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	/* Not the launcher's own: they would stay open as long as cmpi-init lives. */
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, socket_fd, CHILD_SOCKET_FD);
	spawn_attr_reset_signals(&attributes, SIGHUP, 0);  /* nohup(1) goes on to the ranks */
	int number_of_failure = posix_spawn(pid, options->init_path, &actions, &attributes, argv,
					    environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -number_of_failure;
}

static int start(struct init_client *client, const struct init_client_options *options,
		 struct err *err)
{
	int ends[2];
	int rc = fdpass_pair(ends, err);
	if (rc < 0)
		return rc;
	client->socket_fd = ends[0];
	AUTO_FD int child_end = ends[1];
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "become the reaper of cmpi-init");
	rc = spawn_init(options, child_end, &client->pid);
	if (rc < 0)
		return err_errno(err, -rc, "start %s", options->init_path);
	client->pid_fd = (int)syscall(SYS_pidfd_open, client->pid, 0);
	if (client->pid_fd < 0)
		return err_errno(err, errno, "watch cmpi-init");
	if (fcntl(client->socket_fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(err, errno, "socket of cmpi-init");
	rc = loop_add_fd(client->loop, client->socket_fd, EPOLLIN, on_socket, client, err);
	if (rc == 0)
		rc = loop_add_fd(client->loop, client->pid_fd, EPOLLIN, on_death, client, err);
	return rc;
}

int init_client_start(struct loop *loop, const struct init_client_options *options,
		      const struct init_client_events *events, void *context,
		      struct init_client **out, struct err *err)
{
	struct init_client *client = calloc(1, sizeof *client);
	if (client == NULL)
		return err_errno(err, ENOMEM, "start cmpi-init");
	*client = (struct init_client){
		.loop = loop, .events = events, .context = context, .socket_fd = -1, .pid_fd = -1};
	client->last = &client->first;
	int rc = start(client, options, err);
	if (rc < 0)
		init_client_free(&client);
	else
		*out = client;
	return rc;
}

pid_t init_client_pid(const struct init_client *client)
{
	return client->pid;
}

void init_client_free(struct init_client **where)
{
	struct init_client *client = take_ptr(where);
	if (client == NULL)
		return;
	drop_requests(client);
	loop_remove_timer(client->loop, &client->orphan_timer);
	loop_remove_timer(client->loop, &client->flush_timer);
	loop_remove_fd(client->loop, client->socket_fd);
	loop_remove_fd(client->loop, client->pid_fd);
	close_fd(&client->socket_fd);
	close_fd(&client->pid_fd);
	free(client);
}
