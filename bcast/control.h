/*
 * control.h - cmpi-bcast's end of the socket to cmpid: blocking, but for the look at whether it
 * lives.
 */
#ifndef BCAST_CONTROL_H
#define BCAST_CONTROL_H

#include <stdbool.h>

#include "bcast/bcast_msg.h"
#include "common/buf.h"
#include "common/err.h"

/* Waits for the HELLO.  Its blobs point into `in`, which is the caller's. */
int control_read_hello(int fd, struct buf *in, struct bcast_hello *hello, struct err *err);

/* -EPIPE when cmpid is gone (no SIGPIPE). */
int control_send(int fd, const struct bcast_msg *msg, struct err *err);

/* cmpid has not closed its end.  *cancelled: it has said CANCEL, the one word that may follow the HELLO (which
 * stays in the socket). */
bool control_alive(int fd, bool *cancelled);

#endif
