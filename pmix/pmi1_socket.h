/*
 * pmi1_socket.h - one rank's PMI-1 connection: a socket pair, of which one
 * end is on our loop and the other becomes the rank's PMI_FD.
 */
#ifndef PMIX_PMI1_SOCKET_H
#define PMIX_PMI1_SOCKET_H

#include "common/loop.h"
#include "pmix/pmi1.h"

/* Callbacks may close the socket they are about. */
struct pmi1_socket_ops {
	void (*event)(void *context, uint32_t rank, const struct pmi1_event *event);
	/* What the rank sent is no PMI-1; the socket is closed already. */
	void (*broken)(void *context, uint32_t rank, const char *why);
};

struct pmi1_socket {
	uint32_t rank;
	int fd;               /* our end, -1: closed */
	uint32_t events;      /* what the loop watches */
	struct pmi1_client client;
	struct buf out;       /* replies that the rank has not taken yet */
	struct loop *loop;
	struct pmi1_space *space;
	const struct pmi1_socket_ops *ops;
	void *context;
};

/* Fills in fd and the loop's watcher; the other members are set by the caller.
 * *client_fd is the caller's. */
int pmi1_socket_open(struct pmi1_socket *sock, int *client_fd, struct err *err);

/* Lets the rank out of the barrier it is in. */
void pmi1_socket_barrier_done(struct pmi1_socket *sock, bool failed);

/* Idempotent. */
void pmi1_socket_close(struct pmi1_socket *sock);

#endif
