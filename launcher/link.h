/*
 * link.h - one authenticated TCP connection of the control tree.
 *
 * Frames in, frames out, non-blocking.  A link is opened by the child
 * (link_connect) or accepted by the parent (link_accept); ops->opened comes
 * when both sides have proven the key (auth.h), ops->frame for each frame
 * after that, ops->closed once, when it ended for whatever reason.  In any
 * callback the link may be freed.
 */
#ifndef LAUNCHER_LINK_H
#define LAUNCHER_LINK_H

#include <netinet/in.h>

#include "common/frame.h"
#include "common/loop.h"
#include "launcher/auth.h"

/* The largest payload that a daemon believes another: 500,000 ranks' modex. */
#define LINK_PAYLOAD_MAX (512u << 20)

struct link;

struct link_ops {
	void (*opened)(void *context, struct link *link, uint32_t child);
	void (*frame)(void *context, struct link *link, const struct frame *frame);
	void (*closed)(void *context, struct link *link, const struct err *why);
};

/* `key` must stay.  Connects to address:port (host order) as node `child`. */
int link_connect(struct loop *loop, const struct in6_addr *address, uint16_t port, uint32_t child,
		 const uint8_t key[AUTH_KEY_SIZE], const struct link_ops *ops, void *context,
		 struct link **link, struct err *err);
/* Owns take_fd, an accepted connection. */
int link_accept(struct loop *loop, int take_fd, const uint8_t key[AUTH_KEY_SIZE],
		const struct link_ops *ops, void *context, struct link **link, struct err *err);
void link_free(struct link **link);

/* Queues and starts to write; before ops->opened it waits for that.  A failure shows as
 * ops->closed, later, never from inside of this call. */
void link_send(struct link *link, const struct frame *frame);
/* Bytes queued and not yet with the kernel. */
size_t link_backlog(const struct link *link);

#endif
