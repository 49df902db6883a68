/*
 * keep.c - one question, one answer (keep.h).
 *
 * In: a digest, or a verified image.  Out: descriptors, or a list.
 *
 * The image is handed over as a descriptor that is open for reading only: who gets it later cannot change
 * what was verified.  What else is known of it travels as a packed sidecar in a memfd.
 *
 * Caveat: the allocation is named by the workload manager's variable, so a shell outside of it
 * (ssh to the node) sees the images that are kept outside of any allocation.
 */
#include "bcast/keep.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fdpass.h"

enum { ANSWER_SECONDS = 5, RETRY_NS = 20 * (int)NS_PER_MS };

/* Whose allocation is it?  In the order in which they nest. */
static const char *const allocations[] = {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID",
					  "JOB_ID"};

static socklen_t address_make(struct sockaddr_un *address)
{
	const char *job = NULL;
	for (size_t i = 0; job == NULL && i < sizeof allocations / sizeof *allocations; i++)
		job = getenv(allocations[i]);
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	int len = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "cmpirun-keep.%u.%.60s",
			   (unsigned)geteuid(), job ? job : "0");
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

static int socket_new(struct err *err)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	return fd < 0 ? err_errno(err, errno, "socket of the holder of images") : fd;
}

int keep_listen(struct err *err)
{
	struct sockaddr_un address;
	socklen_t len = address_make(&address);
	AUTO_FD int fd = socket_new(err);
	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 64) < 0)
		return err_errno(err, errno, "socket of the holder of images");
	return take_fd(&fd);
}

/* Anybody may bind an abstract name that is free. */
static int check_peer(int fd, struct err *err)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return err_errno(err, errno, "holder of images");
	if (peer.uid != geteuid())
		return err_set(err, EACCES, "the holder of our images on this node is user %u's: somebody "
			       "took its name", (unsigned)peer.uid);
	return 0;
}

/* -ENOENT: there is no holder. */
static int connect_holder(struct err *err)
{
	struct sockaddr_un address;
	socklen_t len = address_make(&address);
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	AUTO_FD int fd = socket_new(err);
	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (struct sockaddr *)&address, len) < 0)
		return errno == ECONNREFUSED ? err_set(err, ENOENT, "no image is kept on this node")
					     : err_errno(err, errno, "holder of images");
	int rc = check_peer(fd, err);
	return rc < 0 ? rc : take_fd(&fd);
}

/* *answer is the caller's to free on success; answer_fds are closed unless it wants them. */
static int ask(int holder, const struct keep_msg *request, const int *fds, size_t fd_count,
	       struct keep_msg *answer, int answer_fds[FDPASS_FDS_MAX], struct err *err)
{
	AUTO_BUF struct buf out = {0};
	AUTO_FREE char *in = malloc(FDPASS_BYTES_MAX);
	for (size_t i = 0; i < FDPASS_FDS_MAX; i++)
		answer_fds[i] = -1;
	keep_msg_pack(request, &out);
	if (out.failed || in == NULL)
		return err_errno(err, ENOMEM, "question to the holder of images");
	int rc = fdpass_send(holder, out.data, out.len, fds, fd_count, err);
	if (rc < 0)
		return rc == -EAGAIN ? err_errno(err, ETIMEDOUT, "holder of images") : rc;
	ssize_t len = fdpass_receive(holder, in, FDPASS_BYTES_MAX, answer_fds, err);
	if (len <= 0)
		return err_set(err, len == 0 ? EPIPE : ETIMEDOUT, "the holder of images does not answer");
	return keep_msg_parse(in, (size_t)len, answer, err);
}

static void close_all(int fds[FDPASS_FDS_MAX])
{
	for (size_t i = 0; i < FDPASS_FDS_MAX; i++)
		close_fd(&fds[i]);
}

/* For questions whose answer has no descriptors. */
static int ask_plain(int holder, const struct keep_msg *request, const int *fds, size_t fd_count,
		     enum keep_msg_type wanted, struct keep_msg *answer, struct err *err)
{
	int answer_fds[FDPASS_FDS_MAX];
	int rc = ask(holder, request, fds, fd_count, answer, answer_fds, err);
	close_all(answer_fds);
	if (rc < 0 || answer->type == wanted)
		return rc;
	keep_msg_free(answer);
	return err_set(err, EPROTO, "the holder of images refused");
}

int keep_list(struct keep_image **images, uint32_t *count, struct err *err)
{
	struct keep_msg answer;
	*images = NULL;
	*count = 0;
	AUTO_FD int holder = connect_holder(err);
	if (holder < 0)
		return holder == -ENOENT ? 0 : holder;
	int rc = ask_plain(holder, &(struct keep_msg){.type = KEEP_MSG_LIST}, NULL, 0, KEEP_MSG_IMAGES,
			   &answer, err);
	if (rc < 0)
		return rc;
	*images = answer.images;
	*count = answer.count;
	return 0;
}

static int read_sidecar(int fd, struct sidecar *sidecar, struct err *err)
{
	struct stat status;
	if (fstat(fd, &status) < 0 || status.st_size > SIDECAR_BYTES_MAX)
		return err_set(err, EPROTO, "a kept image without a sidecar");
	size_t len = (size_t)status.st_size;
	AUTO_FREE char *bytes = malloc(len + 1);
	if (bytes == NULL)
		return err_errno(err, ENOMEM, "sidecar of a kept image");
	ssize_t got = pread(fd, bytes, len, 0);
	if (got < 0 || (size_t)got != len)
		return err_set(err, EPROTO, "a kept image without a sidecar");
	return sidecar_parse(bytes, len, sidecar, err);
}

/* Is it what it was kept as? */
static int check_got(const uint8_t *digest, int image_fd, int sidecar_fd, struct sidecar *sidecar,
		     struct err *err)
{
	struct stat status;
	int rc = read_sidecar(sidecar_fd, sidecar, err);
	if (rc < 0)
		return rc;
	if (memcmp(sidecar->digest, digest, KEEP_DIGEST_SIZE) == 0 && fstat(image_fd, &status) == 0 &&
	    S_ISREG(status.st_mode) && (uint64_t)status.st_size == sidecar->size)
		return 0;
	sidecar_free(sidecar);
	return err_set(err, EPROTO, "the holder of images gave another one");
}

int keep_get(const uint8_t digest[KEEP_DIGEST_SIZE], int *image_fd, struct sidecar *sidecar,
	     struct err *err)
{
	struct keep_msg request = {.type = KEEP_MSG_GET}, answer;
	AUTO_SIDECAR struct sidecar ours = {0};
	int fds[FDPASS_FDS_MAX];
	AUTO_FD int holder = connect_holder(err);
	if (holder < 0)
		return holder;
	memcpy(request.image.digest, digest, KEEP_DIGEST_SIZE);
	int rc = ask(holder, &request, NULL, 0, &answer, fds, err);
	if (rc == 0 && answer.type != KEEP_MSG_GOT)
		rc = err_set(err, ENOENT, "this image is not kept on this node");
	else if (rc == 0)
		rc = check_got(digest, fds[0], fds[1], &ours, err);
	if (rc == 0) {
		*image_fd = take_fd(&fds[0]);
		if (sidecar != NULL) {
			*sidecar = ours;
			ours = (struct sidecar){0};
		}
	}
	close_all(fds);
	return rc;
}

/* The node may just be starting its holder. */
static int connect_soon(unsigned wait_ms, struct err *err)
{
	const struct timespec nap = {.tv_nsec = RETRY_NS};
	uint64_t deadline = clock_now_ns() + wait_ms * NS_PER_MS;
	int fd;
	while ((fd = connect_holder(err)) == -ENOENT && clock_now_ns() < deadline)
		nanosleep(&nap, NULL);
	return fd;
}

static int sidecar_to_memfd(const struct sidecar *sidecar, struct err *err)
{
	AUTO_BUF struct buf bytes = {0};
	sidecar_pack(sidecar, &bytes);
	if (bytes.failed)
		return err_errno(err, ENOMEM, "sidecar of a kept image");
	AUTO_FD int fd = memfd_create("cmpirun-sidecar", MFD_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "sidecar of a kept image");
	ssize_t put = pwrite(fd, bytes.data, bytes.len, 0);
	if (put < 0 || (size_t)put != bytes.len)
		return err_errno(err, put < 0 ? errno : ENOSPC, "sidecar of a kept image");
	return take_fd(&fd);
}

int keep_put(const char *name, int image_fd, const struct sidecar *sidecar, uint32_t age_s,
	     unsigned wait_ms, struct err *err)
{
	struct keep_msg request = {.type = KEEP_MSG_PUT, .image = {.size = sidecar->size, .age_s = age_s}};
	struct keep_msg answer;
	char self[40];
	snprintf(self, sizeof self, "/proc/self/fd/%d", image_fd);
	AUTO_FD int read_only = open(self, O_RDONLY | O_CLOEXEC);
	if (read_only < 0)
		return err_errno(err, errno, "open the image for reading");
	AUTO_FD int sidecar_fd = sidecar_to_memfd(sidecar, err);
	if (sidecar_fd < 0)
		return sidecar_fd;
	AUTO_FD int holder = connect_soon(wait_ms, err);
	if (holder < 0)
		return holder;
	memcpy(request.image.digest, sidecar->digest, KEEP_DIGEST_SIZE);
	snprintf(request.image.name, sizeof request.image.name, "%s", name);
	const int fds[] = {read_only, sidecar_fd};
	return ask_plain(holder, &request, fds, 2, KEEP_MSG_DONE, &answer, err);
}

int keep_remove(const uint8_t *digest, uint32_t *removed, struct err *err)
{
	struct keep_msg request = {.type = KEEP_MSG_REMOVE}, answer;
	*removed = 0;
	AUTO_FD int holder = connect_holder(err);
	if (holder < 0)
		return holder == -ENOENT ? 0 : holder;
	if (digest != NULL)
		memcpy(request.image.digest, digest, KEEP_DIGEST_SIZE);
	int rc = ask_plain(holder, &request, NULL, 0, KEEP_MSG_DONE, &answer, err);
	if (rc == 0)
		*removed = answer.count;
	return rc;
}
