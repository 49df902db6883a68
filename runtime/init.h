/*
 * init.h - cmpi-init: the first process of the container of one node.
 *
 * Makes the namespaces, serves the messages of init_msg.h on one socket, starts, reaps and kills
 * the ranks.
 */
#ifndef RUNTIME_INIT_H
#define RUNTIME_INIT_H

#include "common/err.h"

/* Runs until QUIT or the end of the socket, and until nothing is left.  All signals must be
 * blocked.  0, or -errno when it could not run at all; failures on the way are told over the
 * socket. */
int init_run(int socket_fd, const char *imgfs_path, struct err *err);

#endif
