/*
 * keep_holder.c - holds descriptors, answers questions (keep_holder.h, keep_msg.h).
 *
 * One question at a time, each with a second's patience: only the user's own processes are heard.  The
 * process sleeps in poll(2) until a question or the next image's end comes.
 *
 * It has no copy of any image: it keeps the memory files of runs that are over from being freed.  So its
 * end, whatever that is, frees them.
 */
#include "bcast/keep_holder.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bcast/keep_msg.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fdpass.h"
#include "common/spawn_attr.h"

#define FIRST_PUT_NS (20 * NS_PER_S)  /* nobody has come with an image: somebody failed */

struct held {
	struct keep_image image;
	int image_fd, sidecar_fd;
	uint64_t until_ns;
};

struct holder {
	int listen_fd;
	struct held held[KEEP_IMAGES_MAX];
	size_t count;
	uint64_t first_put_ns, allocation_ns;  /* deadlines */
};

static void drop(struct holder *holder, size_t index)
{
	close_fd(&holder->held[index].image_fd);
	close_fd(&holder->held[index].sidecar_fd);
	holder->held[index] = holder->held[--holder->count];
}

static long find(const struct holder *holder, const uint8_t *digest)
{
	for (size_t i = 0; i < holder->count; i++)
		if (memcmp(holder->held[i].image.digest, digest, KEEP_DIGEST_SIZE) == 0)
			return (long)i;
	return -1;
}

static void use(struct held *held)
{
	held->until_ns = clock_now_ns() + held->image.age_s * NS_PER_S;
}

/* -- answers ------------------------------------------------------------- */

static void reply(int peer, const struct keep_msg *msg, const int *fds, size_t fd_count)
{
	AUTO_BUF struct buf out = {0};
	keep_msg_pack(msg, &out);
	if (!out.failed)
		fdpass_send(peer, out.data, out.len, fds, fd_count, NULL);
}

static void list(const struct holder *holder, int peer)
{
	struct keep_image images[KEEP_IMAGES_MAX];
	uint64_t now = clock_now_ns();
	for (size_t i = 0; i < holder->count; i++) {
		const struct held *held = &holder->held[i];
		images[i] = held->image;
		images[i].age_s = held->until_ns > now ? (uint32_t)((held->until_ns - now) / NS_PER_S) : 0;
	}
	reply(peer, &(struct keep_msg){.type = KEEP_MSG_IMAGES, .count = (uint32_t)holder->count,
				       .images = images}, NULL, 0);
}

static void get(struct holder *holder, int peer, const struct keep_msg *msg)
{
	long index = find(holder, msg->image.digest);
	if (index < 0)
		return reply(peer, &(struct keep_msg){.type = KEEP_MSG_MISSING}, NULL, 0);
	struct held *held = &holder->held[index];
	const int fds[] = {held->image_fd, held->sidecar_fd};
	use(held);
	reply(peer, &(struct keep_msg){.type = KEEP_MSG_GOT}, fds, 2);
}

/* The same image again, or what was read from the same path before: it is not wanted any more. */
static void make_way(struct holder *holder, const struct keep_image *image)
{
	for (size_t i = holder->count; i-- > 0;)
		if (memcmp(holder->held[i].image.digest, image->digest, KEEP_DIGEST_SIZE) == 0 ||
		    strcmp(holder->held[i].image.name, image->name) == 0)
			drop(holder, i);
	if (holder->count < KEEP_IMAGES_MAX)
		return;
	size_t oldest = 0;
	for (size_t i = 1; i < holder->count; i++)
		if (holder->held[i].until_ns < holder->held[oldest].until_ns)
			oldest = i;
	drop(holder, oldest);
}

static void put(struct holder *holder, int peer, const struct keep_msg *msg, int fds[FDPASS_FDS_MAX])
{
	struct stat status;
	if (fds[1] < 0 || fstat(fds[0], &status) < 0 || (uint64_t)status.st_size != msg->image.size)
		return reply(peer, &(struct keep_msg){.type = KEEP_MSG_REFUSED}, NULL, 0);
	make_way(holder, &msg->image);
	struct held *held = &holder->held[holder->count++];
	*held = (struct held){.image = msg->image, .image_fd = take_fd(&fds[0]),
			      .sidecar_fd = take_fd(&fds[1])};
	use(held);
	reply(peer, &(struct keep_msg){.type = KEEP_MSG_DONE}, NULL, 0);
}

static void forget(struct holder *holder, int peer, const struct keep_msg *msg)
{
	static const uint8_t all[KEEP_DIGEST_SIZE];
	size_t before = holder->count;
	bool every = memcmp(msg->image.digest, all, sizeof all) == 0;
	for (size_t i = holder->count; i-- > 0;)
		if (every || memcmp(holder->held[i].image.digest, msg->image.digest, KEEP_DIGEST_SIZE) == 0)
			drop(holder, i);
	reply(peer, &(struct keep_msg){.type = KEEP_MSG_DONE, .count = (uint32_t)(before - holder->count)},
	      NULL, 0);
}

static void answer(struct holder *holder, int peer)
{
	AUTO_FREE char *bytes = malloc(FDPASS_BYTES_MAX);
	int fds[FDPASS_FDS_MAX];
	struct keep_msg msg;
	struct err err;
	ssize_t len = bytes ? fdpass_receive(peer, bytes, FDPASS_BYTES_MAX, fds, &err) : 0;
	if (len <= 0)
		return;
	if (keep_msg_parse(bytes, (size_t)len, &msg, &err) == 0) {
		switch (msg.type) {
		case KEEP_MSG_LIST: list(holder, peer); break;
		case KEEP_MSG_GET: get(holder, peer, &msg); break;
		case KEEP_MSG_PUT: put(holder, peer, &msg, fds); break;
		case KEEP_MSG_REMOVE: forget(holder, peer, &msg); break;
		default: break;
		}
		keep_msg_free(&msg);
	}
	for (size_t i = 0; i < FDPASS_FDS_MAX; i++)
		close_fd(&fds[i]);
}

static void serve(struct holder *holder)
{
	const struct timeval patience = {.tv_sec = 1};
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof peer;
	AUTO_FD int fd = accept4(holder->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != geteuid())
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	answer(holder, fd);
}

/* -- life ---------------------------------------------------------------- */

/* Drops what is over; the next deadline, 0: nothing is left to do. */
static uint64_t next_deadline(struct holder *holder)
{
	uint64_t now = clock_now_ns(), next = holder->allocation_ns;
	for (size_t i = holder->count; i-- > 0;)
		if (holder->held[i].until_ns <= now)
			drop(holder, i);
	if (now >= holder->allocation_ns || (holder->count == 0 && now >= holder->first_put_ns))
		return 0;
	for (size_t i = 0; i < holder->count; i++)
		next = holder->held[i].until_ns < next ? holder->held[i].until_ns : next;
	return holder->count == 0 && holder->first_put_ns < next ? holder->first_put_ns : next;
}

/* When the workload manager says that the allocation is over. */
static uint64_t allocation_end_ns(void)
{
	const char *text = getenv("SLURM_JOB_END_TIME");
	long long end = text ? atoll(text) : 0, now = (long long)time(NULL);
	if (end <= 0)
		return UINT64_MAX;
	return clock_now_ns() + (end > now ? (uint64_t)(end - now) : 0) * NS_PER_S;
}

int keep_holder_run(int take_listen_fd)
{
	struct holder holder = {.listen_fd = take_listen_fd,
				.first_put_ns = clock_now_ns() + FIRST_PUT_NS,
				.allocation_ns = allocation_end_ns()};
	uint64_t deadline;
	while ((deadline = next_deadline(&holder)) != 0) {
		struct pollfd event = {.fd = holder.listen_fd, .events = POLLIN};
		uint64_t wait_ms = (deadline - clock_now_ns()) / NS_PER_MS + 1;
		if (deadline == UINT64_MAX || wait_ms > INT_MAX)
			wait_ms = INT_MAX;
		if (poll(&event, 1, (int)wait_ms) > 0)
			serve(&holder);
		/* An image was here and none is any more. */
		if (holder.count > 0)
			holder.first_put_ns = 0;
	}
	while (holder.count > 0)
		drop(&holder, 0);
	close_fd(&holder.listen_fd);
	return 0;
}

/* What the holder may know: whose allocation it is in (keep.c), and when that ends. */
static char **environment_new(void)
{
	static const char *const kept[] = {"SLURM_JOB_END_TIME="};
	char **environment = calloc(sizeof kept / sizeof *kept + 1, sizeof *environment);
	size_t count = 0;
	for (char **at = environ; environment != NULL && *at != NULL; at++)
		for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
			if (strncmp(*at, kept[i], strlen(kept[i])) == 0)
				environment[count++] = *at;
	return environment;
}

int keep_holder_start(const char *program, int listen_fd, struct err *err)
{
	char name[] = "cmpid", word[] = "--keep-holder";
	char *argv[] = {name, word, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid;
	AUTO_FREE char **environment = environment_new();
	if (environment == NULL)
		return err_errno(err, ENOMEM, "start the holder of images");
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	/* The launcher's pipes must not stay open in it: somebody waits for their end. */
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, 0, 1);
	posix_spawn_file_actions_adddup2(&actions, 0, 2);
	posix_spawn_file_actions_adddup2(&actions, listen_fd, KEEP_HOLDER_FD);
	posix_spawn_file_actions_addclosefrom_np(&actions, KEEP_HOLDER_FD + 1);
	posix_spawn_file_actions_addchdir_np(&actions, "/");
	spawn_attr_reset_signals(&attributes, 0, POSIX_SPAWN_SETSID);
	int number = posix_spawn(&pid, program, &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return number == 0 ? 0 : err_errno(err, number, "start %s", program);
}
