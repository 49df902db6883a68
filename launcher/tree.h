/*
 * tree.h - the daemons' control tree: who is connected, frames routed.
 *
 * Listens from birth (the port goes into the card); starts to accept and
 * connect when the session is known.  ops->ready comes when the parent and all
 * children are connected; ops->lost when a neighbour's connection ends before
 * tree_expect_end(); ops->frame for frames addressed to this node or to all.
 */
#ifndef LAUNCHER_TREE_H
#define LAUNCHER_TREE_H

#include <stdbool.h>

#include "common/frame.h"
#include "common/loop.h"
#include "launcher/auth.h"
#include "launcher/card.h"
#include "launcher/tree_shape.h"

struct tree;

struct tree_ops {
	void (*ready)(void *context);
	void (*frame)(void *context, const struct frame *frame);
	void (*lost)(void *context, uint32_t node, const struct err *why);
};

/* Opens the listener; *port is in host order.  NULL: none, for a node that has no children. */
int tree_new(struct loop *loop, const struct tree_ops *ops, void *context, uint16_t *port,
	     struct tree **tree, struct err *err);
void tree_free(struct tree **tree);

/* Takes part as node `self`; `cards` (count of them) is copied as far as needed. */
int tree_start(struct tree *tree, uint32_t self, uint32_t count, const struct card *cards,
	       const uint8_t key[AUTH_KEY_SIZE], struct err *err);

/* To one node, by whichever neighbour leads there, or to all nodes (TREE_ALL:
 * from the root only).  A frame to oneself is not sent: -EINVAL. */
#define TREE_ALL UINT32_MAX
int tree_send(struct tree *tree, uint32_t target, uint16_t type, const void *payload, size_t len,
	      struct err *err);

/* From now on the end of that neighbour's connection is no loss. */
void tree_expect_end(struct tree *tree, uint32_t node);
/* Nothing waits to be written. */
bool tree_is_flushed(const struct tree *tree);
/* The neighbours that have not connected yet, for a message: "a, b". */
void tree_missing(const struct tree *tree, struct buf *names);

#endif
