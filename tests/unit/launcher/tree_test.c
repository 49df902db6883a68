/*
 * tree_test.c - whole trees of daemons in one process, on one loop, over loopback.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "launcher/tree.h"
#include "tests/unit/common/test_loop.h"

enum { SOON_MS = 10000, NODES_MAX = 40 };

static const uint8_t session_key[AUTH_KEY_SIZE] = {1, 2, 3};

struct node {
	struct fixture *fix;
	struct tree *tree;
	uint32_t index;
	int ready, frames;
	uint32_t last_source;
	uint16_t last_type;
	char last[16];
	uint32_t lost_node;
	int lost;
};

struct fixture {
	struct loop *loop;
	uint32_t count;
	struct node nodes[NODES_MAX];
	struct card cards[NODES_MAX];
	int ready, frames, lost;
	int want_ready, want_frames, want_lost;  /* of all nodes: stop then */
};

static void stop_if_seen(struct fixture *fix)
{
	if (fix->ready >= fix->want_ready && fix->frames >= fix->want_frames &&
	    fix->lost >= fix->want_lost)
		loop_stop(fix->loop, 1);
}

static void on_ready(void *context)
{
	struct node *node = context;
	node->ready++;
	node->fix->ready++;
	stop_if_seen(node->fix);
}

static void on_frame(void *context, const struct frame *frame)
{
	struct node *node = context;
	node->frames++;
	node->fix->frames++;
	node->last_source = frame->source;
	node->last_type = frame->type;
	assert_true(frame->len < sizeof node->last);
	memcpy(node->last, frame->payload, frame->len);
	node->last[frame->len] = '\0';
	stop_if_seen(node->fix);
}

static void on_lost(void *context, uint32_t lost, const struct err *why)
{
	struct node *node = context;
	assert_int_not_equal(why->number, 0);
	node->lost++;
	node->lost_node = lost;
	node->fix->lost++;
	stop_if_seen(node->fix);
}

static const struct tree_ops ops = {on_ready, on_frame, on_lost};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof *fix);
	loop_new(&fix->loop, NULL);
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;
	for (uint32_t i = 0; i < fix->count; i++)
		tree_free(&fix->nodes[i].tree);
	loop_free(&fix->loop);
	free(fix);
	return 0;
}

static void make_nodes(struct fixture *fix, uint32_t count)
{
	fix->count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct card *card = &fix->cards[i];
		fix->nodes[i] = (struct node){.fix = fix, .index = i};
		snprintf(card->node, sizeof card->node, "n%u", i);
		card->address_count = 1;
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &card->addresses[0]);
		assert_int_equal(tree_new(fix->loop, &ops, &fix->nodes[i], &card->port,
					  &fix->nodes[i].tree, NULL), 0);
	}
}

static void start(struct fixture *fix, uint32_t node, const uint8_t *key)
{
	assert_int_equal(tree_start(fix->nodes[node].tree, node, fix->count, fix->cards, key, NULL), 0);
}

static void run(struct fixture *fix)
{
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 1);
}

/* Everything passes that can; nothing more is expected. */
static void settle(struct fixture *fix)
{
	fix->want_frames = 1 << 30;
	assert_int_equal(test_loop_run(fix->loop, 100), -ETIME);
}

/* The leaves first: parents that are not there yet must be waited for. */
static void connect_all(struct fixture *fix, uint32_t count)
{
	make_nodes(fix, count);
	for (uint32_t i = count; i-- > 0;)
		start(fix, i, session_key);
	fix->want_ready = (int)count;
	run(fix);
}

static void send_text(struct fixture *fix, uint32_t from, uint32_t to, const char *text)
{
	assert_int_equal(
		tree_send(fix->nodes[from].tree, to, 7, text, strlen(text), NULL), 0);
}

/* -- routing ------------------------------------------------------------ */

static void trees_of_any_size_become_ready_once(void **state)
{
	static const uint32_t counts[] = {2, 3, 17, 18, 40};
	(void)state;
	for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
		void *own;
		setup(&own);
		struct fixture *fix = own;
		connect_all(fix, counts[c]);
		for (uint32_t i = 0; i < counts[c]; i++)
			assert_int_equal(fix->nodes[i].ready, 1);
		teardown(&own);
	}
}

/* One node has nobody to wait for. */
static void a_tree_of_one_has_no_neighbours(void **state)
{
	struct fixture *fix = *state;
	AUTO_BUF struct buf names = {0};
	make_nodes(fix, 1);
	start(fix, 0, session_key);
	tree_missing(fix->nodes[0].tree, &names);
	assert_int_equal(names.len, 0);
	assert_true(tree_is_flushed(fix->nodes[0].tree));
}

static void frames_find_every_node_from_every_node(void **state)
{
	struct fixture *fix = *state;
	connect_all(fix, NODES_MAX);
	for (uint32_t from = 0; from < NODES_MAX; from++) {
		for (uint32_t to = 0; to < NODES_MAX; to++) {
			char text[16];
			snprintf(text, sizeof text, "%u-%u", from, to);
			if (from == to)
				continue;
			send_text(fix, from, to, text);
			fix->want_frames = fix->frames + 1;
			run(fix);
			assert_string_equal(fix->nodes[to].last, text);
			assert_int_equal(fix->nodes[to].last_source, from);
			assert_int_equal(fix->nodes[to].last_type, 7);
		}
	}
	assert_int_equal(fix->frames, NODES_MAX * (NODES_MAX - 1));
	assert_int_equal(fix->lost, 0);
}

static void a_broadcast_reaches_all_others_once(void **state)
{
	struct fixture *fix = *state;
	connect_all(fix, NODES_MAX);
	send_text(fix, 0, TREE_ALL, "all");
	settle(fix);
	assert_int_equal(fix->nodes[0].frames, 0);
	for (uint32_t i = 1; i < NODES_MAX; i++) {
		assert_int_equal(fix->nodes[i].frames, 1);
		assert_string_equal(fix->nodes[i].last, "all");
		assert_int_equal(fix->nodes[i].last_source, 0);
	}
	assert_true(tree_is_flushed(fix->nodes[0].tree));
}

static void nowhere_is_an_error(void **state)
{
	struct fixture *fix = *state;
	struct err err;
	connect_all(fix, 2);
	assert_int_equal(tree_send(fix->nodes[0].tree, 0, 1, "x", 1, &err), -EINVAL);
	assert_int_equal(tree_send(fix->nodes[0].tree, 2, 1, "x", 1, &err), -EINVAL);
	assert_string_equal(err.text, "control tree: no way to node 2");
	assert_int_equal(tree_send(fix->nodes[0].tree, 1, 1, "x", (512u << 20) + 1, &err), -EMSGSIZE);
}

/* -- losses ------------------------------------------------------------- */

static void a_lost_child_is_named(void **state)
{
	struct fixture *fix = *state;
	connect_all(fix, 4);
	tree_free(&fix->nodes[3].tree);
	fix->want_lost = 1;
	run(fix);
	assert_int_equal(fix->nodes[0].lost_node, 3);
	settle(fix);
	assert_int_equal(fix->lost, 1);
	/* The others go on. */
	send_text(fix, 1, 2, "still here");
	fix->want_frames = fix->frames + 1;
	run(fix);
	assert_string_equal(fix->nodes[2].last, "still here");
}

/* Node 1 has children 17..32: they lose their parent, the root loses node 1. */
static void a_lost_inner_node_is_seen_by_all_neighbours(void **state)
{
	struct fixture *fix = *state;
	connect_all(fix, 20);
	tree_free(&fix->nodes[1].tree);
	fix->want_lost = 4;
	run(fix);
	settle(fix);
	assert_int_equal(fix->lost, 4);
	static const uint32_t neighbours[] = {0, 17, 18, 19};
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(fix->nodes[neighbours[i]].lost_node, 1);
}

static void an_expected_end_is_no_loss(void **state)
{
	struct fixture *fix = *state;
	connect_all(fix, 3);
	tree_expect_end(fix->nodes[0].tree, 2);
	tree_free(&fix->nodes[2].tree);
	settle(fix);
	assert_int_equal(fix->lost, 0);
}

static void who_is_missing_is_said(void **state)
{
	struct fixture *fix = *state;
	AUTO_BUF struct buf names = {0};
	make_nodes(fix, 4);
	start(fix, 0, session_key);
	start(fix, 2, session_key);
	settle(fix);
	assert_int_equal(fix->nodes[0].ready, 0);
	tree_missing(fix->nodes[0].tree, &names);
	buf_add_u8(&names, 0);
	assert_string_equal(names.data, "n1, n3");
	/* They come late, and all is well. */
	start(fix, 1, session_key);
	start(fix, 3, session_key);
	fix->want_frames = 0;
	fix->want_ready = 4;
	run(fix);
}

/* The first address of the parent's card leads nowhere. */
static void other_addresses_are_tried(void **state)
{
	struct fixture *fix = *state;
	make_nodes(fix, 2);
	fix->cards[0].address_count = 2;
	fix->cards[0].addresses[1] = fix->cards[0].addresses[0];
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &fix->cards[0].addresses[1]);
	inet_pton(AF_INET6, "2001:db8::1", &fix->cards[0].addresses[0]);
	start(fix, 0, session_key);
	start(fix, 1, session_key);
	fix->want_ready = 2;
	run(fix);
}

static void a_card_without_address_is_refused(void **state)
{
	struct fixture *fix = *state;
	struct err err;
	make_nodes(fix, 2);
	fix->cards[0].address_count = 0;
	assert_int_equal(tree_start(fix->nodes[1].tree, 1, 2, fix->cards, session_key, &err), -EPROTO);
	assert_string_equal(err.text, "the card of node n0 has no address");
}

/* -- strangers ---------------------------------------------------------- */

static int stranger(const struct fixture *fix, uint32_t node)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6,
				  .sin6_addr = fix->cards[node].addresses[0],
				  .sin6_port = htons(fix->cards[node].port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static bool was_closed(int fd)
{
	char byte;
	ssize_t count;
	while ((count = recv(fd, &byte, 1, MSG_DONTWAIT)) > 0)
		;
	return count == 0 || errno == ECONNRESET;
}

/* A daemon of another job, under a node's number, before and beside the real one. */
static void another_job_s_daemon_is_kept_out(void **state)
{
	static const uint8_t other_key[AUTH_KEY_SIZE] = {9};
	struct fixture *fix = *state, other = {.want_ready = 1 << 30};
	other.loop = fix->loop;
	make_nodes(fix, 3);
	make_nodes(&other, 3);
	memcpy(&other.cards[0], &fix->cards[0], sizeof other.cards[0]);  /* our root's address */
	start(fix, 0, session_key);
	start(&other, 1, other_key);
	settle(fix);
	assert_int_equal(other.ready + fix->ready, 0);
	start(fix, 1, session_key);
	start(fix, 2, session_key);
	fix->want_frames = 0;
	fix->want_ready = 3;
	run(fix);
	settle(fix);
	assert_int_equal(other.ready + other.frames, 0);
	assert_int_equal(fix->lost, 0);
	for (int i = 0; i < 3; i++)
		tree_free(&other.nodes[i].tree);
}

/* One with the key, but as a node that is no child here, or is connected already. */
static void wrong_numbers_are_closed(void **state)
{
	struct fixture *fix = *state, twin = {.want_ready = 1 << 30};
	connect_all(fix, 3);
	twin.loop = fix->loop;
	make_nodes(&twin, 3);
	memcpy(&twin.cards[0], &fix->cards[0], sizeof twin.cards[0]);
	start(&twin, 2, session_key);
	settle(fix);
	send_text(fix, 0, 2, "to the first");
	fix->want_frames = fix->frames + 1;
	run(fix);
	assert_string_equal(fix->nodes[2].last, "to the first");
	assert_int_equal(twin.frames, 0);
	assert_int_equal(fix->lost, 0);
	for (int i = 0; i < 3; i++)
		tree_free(&twin.nodes[i].tree);
}

static void nonsense_is_closed_and_harmless(void **state)
{
	struct fixture *fix = *state;
	connect_all(fix, 2);
	AUTO_FD int fd = stranger(fix, 0);
	assert_int_equal(write(fd, "GET / HTTP/1.1\r\nHost: nowhere.example.org\r\n\r\n", 46), 46);
	settle(fix);
	assert_true(was_closed(fd));
	send_text(fix, 0, 1, "ok");
	fix->want_frames = 1;
	run(fix);
	assert_int_equal(fix->lost, 0);
}

/* 100 silent strangers, more than there are places: the oldest go, the child gets in. */
static void a_crowd_does_not_keep_the_child_out(void **state)
{
	struct fixture *fix = *state;
	int crowd[100], closed = 0;
	make_nodes(fix, 2);
	start(fix, 0, session_key);
	for (size_t i = 0; i < 100; i++) {
		crowd[i] = stranger(fix, 0);
		if (i % 20 == 19)
			settle(fix);
	}
	start(fix, 1, session_key);
	fix->want_frames = 0;
	fix->want_ready = 2;
	run(fix);
	settle(fix);
	for (size_t i = 0; i < 100; i++) {
		closed += was_closed(crowd[i]);
		close(crowd[i]);
	}
	assert_in_range(closed, 36, 37);  /* 64 places, and one that the child needed */
}

/* It has five seconds; looked at every second. */
static void a_silent_stranger_is_sent_away(void **state)
{
	struct fixture *fix = *state;
	connect_all(fix, 2);
	AUTO_FD int fd = stranger(fix, 0);
	fix->want_frames = 1;
	assert_int_equal(test_loop_run(fix->loop, 3000), -ETIME);
	assert_false(was_closed(fd));
	assert_int_equal(test_loop_run(fix->loop, 4500), -ETIME);
	assert_true(was_closed(fd));
	assert_int_equal(fix->lost, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees_of_any_size_become_ready_once),
		TEST(a_tree_of_one_has_no_neighbours),
		TEST(frames_find_every_node_from_every_node),
		TEST(a_broadcast_reaches_all_others_once),
		TEST(nowhere_is_an_error),
		TEST(a_lost_child_is_named),
		TEST(a_lost_inner_node_is_seen_by_all_neighbours),
		TEST(an_expected_end_is_no_loss),
		TEST(who_is_missing_is_said),
		TEST(other_addresses_are_tried),
		TEST(a_card_without_address_is_refused),
		TEST(another_job_s_daemon_is_kept_out),
		TEST(wrong_numbers_are_closed),
		TEST(nonsense_is_closed_and_harmless),
		TEST(a_crowd_does_not_keep_the_child_out),
		TEST(a_silent_stranger_is_sent_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
