/*
 * tree.c - neighbours, routing, strangers (tree.h).
 *
 * `neighbours` holds the parent (place 0, unused at the root) and the children.
 * A connection that was accepted is a stranger until it has proven the key;
 * strangers are few (the oldest goes when there are too many) and have a few
 * seconds.  A child tries the addresses of its parent's card in turn until the
 * daemon's own deadline.
 */
#include "launcher/tree.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "launcher/link.h"

enum { STRANGERS_MAX = 64, STRANGER_SECONDS = 5, CONNECT_SECONDS = 2 };
#define RETRY_NS (50 * NS_PER_MS)

struct neighbour {
	uint32_t node;
	char name[HOSTLIST_NAME_MAX];
	struct link *link;
	bool is_open, end_expected;
};

struct stranger {
	struct link *link;
	uint64_t since;
};

struct tree {
	struct loop *loop;
	const struct tree_ops *ops;
	void *context;
	int listen_fd;
	uint8_t key[AUTH_KEY_SIZE];
	uint32_t self, count, neighbour_count, open_count;
	struct neighbour neighbours[1 + TREE_FANOUT];  /* 0: the parent */
	struct stranger strangers[STRANGERS_MAX];
	struct card parent_card;
	uint32_t next_address, retry_timer, sweep_timer;
};

static const struct link_ops link_ops_of_tree;

static int open_listener(uint16_t *port, struct err *err)
{
	AUTO_FD int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int off = 0;
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6};
	if (fd >= 0)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (fd < 0 || bind(fd, (struct sockaddr *)&any6, sizeof any6) < 0)
		return err_errno(err, errno, "control tree: listening socket");
	socklen_t len = sizeof any6;
	if (listen(fd, 4 * (int)TREE_FANOUT) < 0 ||
	    getsockname(fd, (struct sockaddr *)&any6, &len) < 0)
		return err_errno(err, errno, "control tree: listening socket");
	*port = ntohs(any6.sin6_port);
	return take_fd(&fd);
}

int tree_new(struct loop *loop, const struct tree_ops *ops, void *context, uint16_t *port,
	     struct tree **out, struct err *err)
{
	AUTO_FREE struct tree *tree = calloc(1, sizeof *tree);
	if (tree == NULL)
		return err_errno(err, ENOMEM, "control tree");
	*tree = (struct tree){.loop = loop, .ops = ops, .context = context};
	tree->listen_fd = -1;
	if (port != NULL && (tree->listen_fd = open_listener(port, err)) < 0)
		return tree->listen_fd;
	*out = take_ptr(&tree);
	return 0;
}

void tree_free(struct tree **where)
{
	struct tree *tree = take_ptr(where);
	if (tree == NULL)
		return;
	for (size_t i = 0; i < STRANGERS_MAX; i++)
		link_free(&tree->strangers[i].link);
	for (size_t i = 0; i <= TREE_FANOUT; i++)
		link_free(&tree->neighbours[i].link);
	loop_remove_timer(tree->loop, &tree->retry_timer);
	loop_remove_timer(tree->loop, &tree->sweep_timer);
	if (tree->listen_fd >= 0)
		loop_remove_fd(tree->loop, tree->listen_fd);
	close_fd(&tree->listen_fd);
	free(tree);
}

static struct neighbour *find_neighbour(struct tree *tree, uint32_t node)
{
	for (size_t i = 0; i <= TREE_FANOUT; i++)
		if (tree->neighbours[i].node == node)
			return &tree->neighbours[i];
	return NULL;
}

static struct neighbour *neighbour_of_link(struct tree *tree, const struct link *link)
{
	for (size_t i = 0; i <= TREE_FANOUT; i++)
		if (tree->neighbours[i].link == link)
			return &tree->neighbours[i];
	return NULL;
}

/* -- strangers ---------------------------------------------------------- */

static struct stranger *stranger_of_link(struct tree *tree, const struct link *link)
{
	for (size_t i = 0; i < STRANGERS_MAX; i++)
		if (tree->strangers[i].link == link)
			return &tree->strangers[i];
	return NULL;
}

static void sweep_strangers(void *context)
{
	struct tree *tree = context;
	uint64_t now = clock_now_ns();
	bool any = false;
	for (size_t i = 0; i < STRANGERS_MAX; i++) {
		struct stranger *stranger = &tree->strangers[i];
		if (stranger->link != NULL && now - stranger->since > STRANGER_SECONDS * NS_PER_S)
			link_free(&stranger->link);
		any = any || stranger->link != NULL;
	}
	tree->sweep_timer = 0;
	if (any)
		loop_add_timer(tree->loop, NS_PER_S, sweep_strangers, tree, &tree->sweep_timer, NULL);
}

/* A free place; the oldest stranger's when there is none. */
static struct stranger *stranger_place(struct tree *tree)
{
	struct stranger *oldest = &tree->strangers[0];
	for (size_t i = 0; i < STRANGERS_MAX; i++) {
		if (tree->strangers[i].link == NULL)
			return &tree->strangers[i];
		if (tree->strangers[i].since < oldest->since)
			oldest = &tree->strangers[i];
	}
	link_free(&oldest->link);
	return oldest;
}

static void on_accept(void *context, int fd, uint32_t events)
{
	struct tree *tree = context;
	struct err err;
	(void)events;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (peer < 0)
		return;
	struct stranger *place = stranger_place(tree);
	place->since = clock_now_ns();
	if (link_accept(tree->loop, peer, tree->key, &link_ops_of_tree, tree, &place->link, &err) < 0)
		log_info("control tree: %s", err.text);
	if (tree->sweep_timer == 0)
		loop_add_timer(tree->loop, NS_PER_S, sweep_strangers, tree, &tree->sweep_timer, NULL);
}

/* -- the parent --------------------------------------------------------- */

static void connect_parent(void *context)
{
	struct tree *tree = context;
	struct neighbour *parent = &tree->neighbours[0];
	struct err err;
	tree->retry_timer = 0;
	if (parent->is_open)
		return;
	link_free(&parent->link);
	uint32_t which = tree->next_address++ % tree->parent_card.address_count;
	uint64_t again = CONNECT_SECONDS * NS_PER_S;
	if (link_connect(tree->loop, &tree->parent_card.addresses[which], tree->parent_card.port,
			 tree->self, tree->key, &link_ops_of_tree, tree, &parent->link, &err) < 0) {
		log_debug("control tree: node %s: %s", parent->name, err.text);
		again = RETRY_NS;
	}
	loop_add_timer(tree->loop, again, connect_parent, tree, &tree->retry_timer, NULL);
}

/* -- links -------------------------------------------------------------- */

static void count_open(struct tree *tree, struct neighbour *neighbour)
{
	neighbour->is_open = true;
	if (++tree->open_count == tree->neighbour_count)
		tree->ops->ready(tree->context);
}

static void on_opened(void *context, struct link *link, uint32_t child)
{
	struct tree *tree = context;
	if (link == tree->neighbours[0].link) {
		loop_remove_timer(tree->loop, &tree->retry_timer);
		return count_open(tree, &tree->neighbours[0]);
	}
	struct stranger *stranger = stranger_of_link(tree, link);
	struct neighbour *neighbour = find_neighbour(tree, child);
	if (neighbour == NULL || neighbour == &tree->neighbours[0] || neighbour->link != NULL) {
		log_info("control tree: a second or wrong connection as node %u: closed", child);
		link_free(&stranger->link);
		return;
	}
	neighbour->link = take_ptr(&stranger->link);
	count_open(tree, neighbour);
}

static void on_closed(void *context, struct link *link, const struct err *why)
{
	struct tree *tree = context;
	struct stranger *stranger = stranger_of_link(tree, link);
	if (stranger != NULL) {
		log_info("control tree: a connection was refused: %s", why->text);
		link_free(&stranger->link);
		return;
	}
	struct neighbour *neighbour = neighbour_of_link(tree, link);
	if (neighbour == &tree->neighbours[0] && !neighbour->is_open) {
		log_debug("control tree: node %s: %s", neighbour->name, why->text);
		loop_remove_timer(tree->loop, &tree->retry_timer);
		loop_add_timer(tree->loop, RETRY_NS, connect_parent, tree, &tree->retry_timer, NULL);
		return;
	}
	link_free(&neighbour->link);
	if (!neighbour->end_expected) {
		neighbour->end_expected = true;
		tree->ops->lost(tree->context, neighbour->node, why);
	}
}

static void forward(struct tree *tree, uint32_t next, const struct frame *frame)
{
	struct neighbour *neighbour = find_neighbour(tree, next);
	if (neighbour != NULL && neighbour->link != NULL)
		link_send(neighbour->link, frame);
}

static void send_to_children(struct tree *tree, const struct frame *frame)
{
	for (size_t i = 1; i <= TREE_FANOUT; i++)
		if (tree->neighbours[i].link != NULL)
			link_send(tree->neighbours[i].link, frame);
}

static void on_frame(void *context, struct link *link, const struct frame *frame)
{
	struct tree *tree = context;
	uint32_t from = neighbour_of_link(tree, link)->node;
	if (frame->target == TREE_ALL) {
		if (from != tree_parent(tree->self))
			return;  /* such frames go down only: a daemon gone wrong must not make them circle */
		send_to_children(tree, frame);
	}
	if (frame->target == TREE_ALL || frame->target == tree->self) {
		tree->ops->frame(tree->context, frame);
		return;
	}
	uint32_t next = frame->target < tree->count ? tree_next_hop(tree->self, frame->target) : from;
	if (next != from)
		forward(tree, next, frame);
}

static const struct link_ops link_ops_of_tree = {
	.opened = on_opened, .frame = on_frame, .closed = on_closed};

static void add_neighbour(struct tree *tree, size_t place, uint32_t node, const struct card *cards)
{
	struct neighbour *neighbour = &tree->neighbours[place];
	neighbour->node = node;
	memcpy(neighbour->name, cards[node].node, sizeof neighbour->name);
	tree->neighbour_count++;
}

int tree_start(struct tree *tree, uint32_t self, uint32_t count, const struct card *cards,
	       const uint8_t key[AUTH_KEY_SIZE], struct err *err)
{
	tree->self = self;
	tree->count = count;
	memcpy(tree->key, key, sizeof tree->key);
	for (size_t i = 0; i <= TREE_FANOUT; i++)
		tree->neighbours[i].node = TREE_NONE;
	if (self != 0) {
		tree->parent_card = cards[tree_parent(self)];
		if (tree->parent_card.address_count == 0)
			return err_set(err, EPROTO, "the card of node %s has no address",
				       tree->parent_card.node);
		add_neighbour(tree, 0, tree_parent(self), cards);
		connect_parent(tree);
	}
	for (uint32_t i = 0; i < tree_child_count(self, count); i++)
		add_neighbour(tree, 1 + i, tree_child(self, i), cards);
	if (tree->listen_fd < 0)
		return 0;
	return loop_add_fd(tree->loop, tree->listen_fd, EPOLLIN, on_accept, tree, err);
}

int tree_send(struct tree *tree, uint32_t target, uint16_t type, const void *payload, size_t len,
	      struct err *err)
{
	struct frame frame = {.type = type, .source = tree->self, .target = target,
			      .payload = payload, .len = len};
	if (len > LINK_PAYLOAD_MAX)
		return err_set(err, EMSGSIZE, "control tree: a message of %zu bytes (limit %u)", len,
			       LINK_PAYLOAD_MAX);
	if (target == TREE_ALL)
		send_to_children(tree, &frame);
	else if (target == tree->self || target >= tree->count)
		return err_set(err, EINVAL, "control tree: no way to node %u", target);
	else
		forward(tree, tree_next_hop(tree->self, target), &frame);
	return 0;
}

void tree_expect_end(struct tree *tree, uint32_t node)
{
	struct neighbour *neighbour = find_neighbour(tree, node);
	if (neighbour != NULL)
		neighbour->end_expected = true;
}

bool tree_is_flushed(const struct tree *tree)
{
	for (size_t i = 0; i <= TREE_FANOUT; i++)
		if (tree->neighbours[i].link != NULL && link_backlog(tree->neighbours[i].link) > 0)
			return false;
	return true;
}

void tree_missing(const struct tree *tree, struct buf *names)
{
	for (size_t i = 0; i <= TREE_FANOUT; i++) {
		const struct neighbour *neighbour = &tree->neighbours[i];
		if (neighbour->node != TREE_NONE && !neighbour->is_open)
			buf_printf(names, "%s%s", names->len ? ", " : "", neighbour->name);
	}
}
