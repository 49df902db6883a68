/*
 * fdpass.c - SCM_RIGHTS, once (fdpass.h).
 */
#include "common/fdpass.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/cleanup.h"

int fdpass_pair(int ends[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(err, errno, "socketpair");
	return 0;
}

union control {
	struct cmsghdr header;  /* for its alignment */
	char bytes[CMSG_SPACE(sizeof(int) * FDPASS_FDS_MAX)];
};

int fdpass_send(int fd, const void *bytes, size_t len, const int *fds, size_t fd_count,
		struct err *err)
{
	if (fd_count > FDPASS_FDS_MAX || len == 0 || len > FDPASS_BYTES_MAX)
		return err_set(err, EMSGSIZE, "message of %zu bytes and %zu descriptors", len, fd_count);
	struct iovec vector = {(void *)bytes, len};
	union control control = {0};
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
	if (fd_count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
	}
	ssize_t sent;
	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	return errno == EAGAIN ? -EAGAIN : err_errno(err, errno, "send message");
}

static bool take_rights(struct msghdr *message, int fds[FDPASS_FDS_MAX])
{
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
	     header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
	}
	return (message->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
}

ssize_t fdpass_receive(int fd, void *bytes, size_t size, int fds[FDPASS_FDS_MAX], struct err *err)
{
	struct iovec vector = {bytes, size};
	union control control;
	struct msghdr message = {.msg_iov = &vector,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof control.bytes};
	for (size_t i = 0; i < FDPASS_FDS_MAX; i++)
		fds[i] = -1;
	ssize_t got;
	do
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? -EAGAIN : err_errno(err, errno, "receive message");
	if (take_rights(&message, fds))
		return got;
	for (size_t i = 0; i < FDPASS_FDS_MAX; i++)
		close_fd(&fds[i]);
	return err_set(err, EMSGSIZE, "receive message: it was cut (limit %zu bytes, %d descriptors)",
		       size, FDPASS_FDS_MAX);
}
