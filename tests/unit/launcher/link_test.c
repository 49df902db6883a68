/*
 * link_test.c - two ends of a connection over loopback, on one loop.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "launcher/link.h"
#include "tests/unit/common/test_loop.h"

enum { SOON_MS = 5000 };

static const uint8_t right[AUTH_KEY_SIZE] = {1, 2, 3}, wrong[AUTH_KEY_SIZE] = {9};

/* One end: what it has seen. */
struct end {
	struct fixture *fix;
	struct link *link;
	int opened, closed, frames;
	uint32_t child;
	size_t bytes;
	struct frame last;
	struct err why;
	bool free_in_callback, is_sending;
};

struct fixture {
	struct loop *loop;
	int listen_fd;
	uint16_t port;
	const uint8_t *parent_key;
	struct end child, parent;
	int want_opened, want_closed, want_frames;  /* of both ends: stop then */
};

static void stop_if_seen(struct fixture *fix)
{
	if (fix->child.opened + fix->parent.opened >= fix->want_opened &&
	    fix->child.closed + fix->parent.closed >= fix->want_closed &&
	    fix->child.frames + fix->parent.frames >= fix->want_frames)
		loop_stop(fix->loop, 1);
}

static void on_opened(void *context, struct link *link, uint32_t child)
{
	struct end *end = context;
	assert_ptr_equal(link, end->link);
	end->opened++;
	end->child = child;
	stop_if_seen(end->fix);
}

static void on_frame(void *context, struct link *link, const struct frame *frame)
{
	struct end *end = context;
	(void)link;
	end->frames++;
	end->bytes += frame->len;
	end->last = *frame;
	for (size_t i = 0; i < frame->len; i++)
		if (frame->payload[i] != (char)(i * 7))
			fail_msg("byte %zu is wrong", i);
	if (end->free_in_callback)
		link_free(&end->link);
	stop_if_seen(end->fix);
}

static void on_closed(void *context, struct link *link, const struct err *why)
{
	struct end *end = context;
	(void)link;
	assert_false(end->is_sending);  /* "later", says link.h */
	end->closed++;
	end->why = *why;
	if (end->free_in_callback)
		link_free(&end->link);
	stop_if_seen(end->fix);
}

static const struct link_ops ops = {on_opened, on_frame, on_closed};

static void on_accept(void *context, int fd, uint32_t events)
{
	struct fixture *fix = context;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	(void)events;
	assert_int_equal(link_accept(fix->loop, peer, fix->parent_key, &ops, &fix->parent,
				     &fix->parent.link, NULL), 0);
}

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof *fix);
	struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
	socklen_t len = sizeof here;
	int off = 0;
	fix->child.fix = fix->parent.fix = fix;
	fix->parent_key = right;
	assert_int_equal(loop_new(&fix->loop, NULL), 0);
	fix->listen_fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fix->listen_fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	assert_int_equal(bind(fix->listen_fd, (struct sockaddr *)&here, len), 0);
	assert_int_equal(listen(fix->listen_fd, 5), 0);
	getsockname(fix->listen_fd, (struct sockaddr *)&here, &len);
	fix->port = ntohs(here.sin6_port);
	loop_add_fd(fix->loop, fix->listen_fd, EPOLLIN, on_accept, fix, NULL);
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;
	link_free(&fix->child.link);
	link_free(&fix->parent.link);
	close_fd(&fix->listen_fd);
	loop_free(&fix->loop);
	free(fix);
	return 0;
}

static struct in6_addr loopback(void)
{
	struct in6_addr address;
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &address);
	return address;
}

static void connect_child(struct fixture *fix, const uint8_t *key)
{
	struct in6_addr address = loopback();
	assert_int_equal(link_connect(fix->loop, &address, fix->port, 77, key, &ops, &fix->child,
				      &fix->child.link, NULL), 0);
}

static void open_both(struct fixture *fix)
{
	connect_child(fix, right);
	fix->want_opened = 2;
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 1);
}

static void send_bytes(struct end *end, uint16_t type, size_t len)
{
	char *payload = malloc(len + 1);
	for (size_t i = 0; i < len; i++)
		payload[i] = (char)(i * 7);
	struct frame frame = {.type = type, .source = 1, .target = 2, .payload = payload, .len = len};
	end->is_sending = true;
	link_send(end->link, &frame);
	end->is_sending = false;
	free(payload);
}

static void both_open_with_the_same_key(void **state)
{
	struct fixture *fix = *state;
	open_both(fix);
	assert_int_equal(fix->child.opened, 1);
	assert_int_equal(fix->parent.opened, 1);
	assert_int_equal(fix->parent.child, 77);
}

static void frames_go_both_ways(void **state)
{
	struct fixture *fix = *state;
	open_both(fix);
	send_bytes(&fix->child, 5, 3);
	send_bytes(&fix->parent, 6, 0);
	fix->want_frames = 2;
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 1);
	assert_int_equal(fix->parent.last.type, 5);
	assert_int_equal(fix->parent.last.len, 3);
	assert_int_equal(fix->child.last.type, 6);
	assert_int_equal(fix->child.last.len, 0);
}

/* Queued at once, far more than a socket holds. */
static void many_bytes_arrive_in_order(void **state)
{
	struct fixture *fix = *state;
	open_both(fix);
	for (int i = 0; i < 8; i++)
		send_bytes(&fix->parent, 1, 1 << 20);
	assert_true(link_backlog(fix->parent.link) > 0);
	for (int i = 0; i < 1000; i++)
		send_bytes(&fix->parent, 2, 10);
	fix->want_frames = 1008;
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 1);
	assert_int_equal(fix->child.bytes, (8 << 20) + 10000);
	assert_int_equal(fix->child.last.type, 2);
	assert_int_equal(link_backlog(fix->parent.link), 0);
}

/* What is sent before the handshake is done waits for it. */
static void early_frames_wait(void **state)
{
	struct fixture *fix = *state;
	connect_child(fix, right);
	send_bytes(&fix->child, 8, 4);
	fix->want_frames = 1;
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 1);
	assert_int_equal(fix->parent.last.type, 8);
	assert_int_equal(fix->parent.opened, 1);
}

static void another_key_opens_nothing(void **state)
{
	struct fixture *fix = *state;
	connect_child(fix, wrong);
	fix->want_closed = 2;
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 1);
	assert_int_equal(fix->child.opened + fix->parent.opened, 0);
	assert_int_equal(fix->child.why.number, EPERM);
	assert_string_equal(fix->child.why.text, "the peer does not know this job's session key");
	assert_int_equal(fix->parent.closed, 1);
}

static void the_end_is_seen_once(void **state)
{
	struct fixture *fix = *state;
	open_both(fix);
	link_free(&fix->child.link);
	fix->want_closed = 1;
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 1);
	assert_int_equal(fix->child.closed, 0);
	assert_int_equal(fix->parent.closed, 1);
	assert_int_equal(fix->parent.why.number, ECONNRESET);
	send_bytes(&fix->parent, 1, 1);  /* into nowhere, harmless */
	fix->want_closed = 2;
	assert_int_equal(test_loop_run(fix->loop, 20), -ETIME);
}

/* A dead peer shows on the loop, never out of link_send(). */
static void failure_comes_later(void **state)
{
	struct fixture *fix = *state;
	open_both(fix);
	link_free(&fix->child.link);
	for (int i = 0; i < 20 && fix->parent.closed == 0; i++) {
		send_bytes(&fix->parent, 1, 100000);
		usleep(1000);
	}
	assert_int_equal(fix->parent.closed, 0);
	fix->want_closed = 1;
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 1);
	assert_int_equal(fix->parent.closed, 1);
}

/* Its last words are read although it is gone and sending to it fails. */
static void last_words_are_heard(void **state)
{
	struct fixture *fix = *state;
	open_both(fix);
	send_bytes(&fix->child, 9, 100);
	link_free(&fix->child.link);
	for (int i = 0; i < 3; i++) {
		send_bytes(&fix->parent, 1, 10);
		usleep(1000);
	}
	fix->want_closed = 1;
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 1);
	assert_int_equal(fix->parent.frames, 1);
	assert_int_equal(fix->parent.last.type, 9);
}

static void a_callback_may_free(void **state)
{
	struct fixture *fix = *state;
	open_both(fix);
	fix->parent.free_in_callback = fix->child.free_in_callback = true;
	send_bytes(&fix->child, 1, 10);
	send_bytes(&fix->child, 1, 10);
	fix->want_frames = fix->want_closed = 1;
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 1);
	assert_int_equal(fix->parent.frames, 1);  /* the second was for a link that is no more */
	assert_null(fix->parent.link);
	assert_null(fix->child.link);
}

static void nobody_there_is_an_error(void **state)
{
	struct fixture *fix = *state;
	loop_remove_fd(fix->loop, fix->listen_fd);
	close_fd(&fix->listen_fd);
	connect_child(fix, right);
	fix->want_closed = 1;
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 1);
	assert_int_equal(fix->child.why.number, ECONNREFUSED);
	assert_string_equal(fix->child.why.text, "connect: Connection refused");
}

/* Bytes of a stranger, straight into the parent's socket. */
static void nonsense_is_refused(void **state)
{
	static char nonsense[100000];
	struct fixture *fix = *state;
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = loopback(),
				  .sin6_port = htons(fix->port)};
	AUTO_FD int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	assert_true(send(fd, nonsense, sizeof nonsense, MSG_NOSIGNAL | MSG_DONTWAIT) > 0);
	fix->want_closed = 1;
	assert_int_equal(test_loop_run(fix->loop, SOON_MS), 1);
	assert_int_equal(fix->parent.opened, 0);
	assert_string_equal(fix->parent.why.text, "the peer is not a cmpid");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_open_with_the_same_key),
		TEST(frames_go_both_ways),
		TEST(many_bytes_arrive_in_order),
		TEST(early_frames_wait),
		TEST(another_key_opens_nothing),
		TEST(the_end_is_seen_once),
		TEST(failure_comes_later),
		TEST(last_words_are_heard),
		TEST(a_callback_may_free),
		TEST(nobody_there_is_an_error),
		TEST(nonsense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
