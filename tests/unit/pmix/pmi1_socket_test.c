/*
 * pmi1_socket_test.c - a rank's connection on a real loop.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "pmix/pmi1_socket.h"

struct fixture {
	struct loop *loop;
	struct pmi1_space space;
	struct pmi1_socket sock;
	int client_fd;
	enum pmi1_event_type event;
	char broken[256];
	bool close_at_event;
};

static void on_event(void *context, uint32_t rank, const struct pmi1_event *event)
{
	struct fixture *fixture = context;
	assert_int_equal(rank, 4);
	fixture->event = event->type;
	if (fixture->close_at_event)
		pmi1_socket_close(&fixture->sock);
}

static void on_broken(void *context, uint32_t rank, const char *why)
{
	struct fixture *fixture = context;
	assert_int_equal(rank, 4);
	strncpy(fixture->broken, why, sizeof fixture->broken - 1);
}

static const struct pmi1_socket_ops ops = {on_event, on_broken};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	fixture->space = (struct pmi1_space){.name = "job", .rank_count = 9,
					     .kvs = kvs_new(1 << 20)};
	loop_new(&fixture->loop, NULL);
	fixture->sock = (struct pmi1_socket){.rank = 4, .fd = -1, .loop = fixture->loop,
					     .space = &fixture->space, .ops = &ops,
					     .context = fixture};
	assert_int_equal(pmi1_socket_open(&fixture->sock, &fixture->client_fd, NULL), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	pmi1_socket_close(&fixture->sock);
	loop_free(&fixture->loop);
	kvs_free(&fixture->space.kvs);
	if (fixture->client_fd >= 0)
		close(fixture->client_fd);
	free(fixture);
	return 0;
}

static void stop(void *loop)
{
	loop_stop(loop, 0);
}

/* Lets the loop handle what is there. */
static void spin(struct fixture *fixture)
{
	loop_add_timer(fixture->loop, 5 * NS_PER_MS, stop, fixture->loop, NULL, NULL);
	assert_int_equal(loop_run(fixture->loop, NULL), 0);
}

static void ask(struct fixture *fixture, const char *line)
{
	assert_int_equal(write(fixture->client_fd, line, strlen(line)), (ssize_t)strlen(line));
	spin(fixture);
}

static void expect(struct fixture *fixture, const char *reply)
{
	char bytes[512] = "";
	ssize_t len = recv(fixture->client_fd, bytes, sizeof bytes - 1, MSG_DONTWAIT);
	assert_int_equal(len, (ssize_t)strlen(reply));
	assert_string_equal(bytes, reply);
}

static void both_ends_are_close_on_exec(void **state)
{
	struct fixture *fixture = *state;
	assert_true(fcntl(fixture->client_fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fixture->sock.fd, F_GETFD) & FD_CLOEXEC);
	assert_false(fcntl(fixture->client_fd, F_GETFL) & O_NONBLOCK);
}

static void replies_and_events(void **state)
{
	struct fixture *fixture = *state;
	ask(fixture, "cmd=get_appnum\n");
	expect(fixture, "cmd=appnum rc=0 appnum=0\n");
	ask(fixture, "cmd=barrier_in\n");
	assert_int_equal(fixture->event, PMI1_EVENT_BARRIER);
	pmi1_socket_barrier_done(&fixture->sock, false);
	expect(fixture, "cmd=barrier_out rc=0\n");
	/* Nobody is in a barrier: nothing is said. */
	pmi1_socket_barrier_done(&fixture->sock, false);
	ask(fixture, "cmd=get_appnum\n");
	expect(fixture, "cmd=appnum rc=0 appnum=0\n");
}

static void garbage_closes(void **state)
{
	struct fixture *fixture = *state;
	ask(fixture, "hello\n");
	assert_int_equal(fixture->sock.fd, -1);
	assert_non_null(strstr(fixture->broken, "hello"));
	expect(fixture, "");
}

static void end_of_file_is_quiet_and_leaves_the_barrier(void **state)
{
	struct fixture *fixture = *state;
	ask(fixture, "cmd=barrier_in\n");
	assert_int_equal(fixture->space.in_barrier, 1);
	close(fixture->client_fd);
	fixture->client_fd = -1;
	spin(fixture);
	assert_int_equal(fixture->sock.fd, -1);
	assert_int_equal(fixture->space.in_barrier, 0);
	assert_string_equal(fixture->broken, "");
}

static void an_event_may_close(void **state)
{
	struct fixture *fixture = *state;
	fixture->close_at_event = true;
	ask(fixture, "cmd=init pmi_version=1\ncmd=get_appnum\n");
	assert_int_equal(fixture->sock.fd, -1);
	assert_string_equal(fixture->broken, "");
}

/* A rank that asks and never reads is not listened to for ever. */
static void unread_replies_are_bounded(void **state)
{
	static const char line[] = "cmd=get_maxes\n";
	struct fixture *fixture = *state;
	fcntl(fixture->client_fd, F_SETFL, O_NONBLOCK);
	size_t asked = 0, answered = 0;
	for (int round = 0; round < 100; round++) {
		while (write(fixture->client_fd, line, strlen(line)) > 0)
			asked += strlen(line);
		spin(fixture);
	}
	assert_true(fixture->sock.out.len > 0 && fixture->sock.out.len < 1 << 20);
	assert_true(fixture->sock.fd >= 0);
	/* And once it reads, it gets all. */
	for (int round = 0; round < 1000 && fixture->sock.out.len > 0; round++) {
		char bytes[65536];
		ssize_t len;
		while ((len = read(fixture->client_fd, bytes, sizeof bytes)) > 0)
			answered += (size_t)len;
		spin(fixture);
	}
	assert_int_equal(fixture->sock.out.len, 0);
	assert_true(answered > asked);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_ends_are_close_on_exec),
		TEST(replies_and_events),
		TEST(garbage_closes),
		TEST(end_of_file_is_quiet_and_leaves_the_barrier),
		TEST(an_event_may_close),
		TEST(unread_replies_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
