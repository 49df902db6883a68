/*
 * fdpass.h - messages with descriptors over a SOCK_SEQPACKET pair (unix(7)).
 *
 * One message is one packet of at most FDPASS_BYTES_MAX bytes with at most
 * FDPASS_FDS_MAX descriptors.  Received descriptors are close-on-exec.
 */
#ifndef COMMON_FDPASS_H
#define COMMON_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"

enum { FDPASS_FDS_MAX = 8, FDPASS_BYTES_MAX = 64 * 1024 };

/* Both ends close-on-exec. */
int fdpass_pair(int ends[2], struct err *err);

/* Sends; the descriptors stay the caller's.  -EAGAIN (err untouched) on a full
 * non-blocking socket, -EPIPE when the peer is gone (no SIGPIPE). */
int fdpass_send(int fd, const void *bytes, size_t len, const int *fds, size_t fd_count,
		struct err *err);

/* Receives one packet.  Returns its length, 0 at the end of the stream,
 * -EAGAIN (err untouched) when there is none on a non-blocking socket.  fds[]
 * gets up to FDPASS_FDS_MAX descriptors, the caller's now; unused places -1. */
ssize_t fdpass_receive(int fd, void *bytes, size_t size, int fds[FDPASS_FDS_MAX],
		       struct err *err);

#endif
