/*
 * cmpi-bcast's end of the socket: HELLO in parts, the end of cmpid.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bcast/control.h"
#include "common/cleanup.h"

static void test_hello_then_messages(void **state)
{
	(void)state;
	int ends[2];
	struct err err = ERR_NONE;
	struct bcast_hello hello;
	AUTO_BUF struct buf in = {0};
	bool cancelled;
	char rest[256];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	struct bcast_msg msg = {.type = BCAST_MSG_HELLO,
				.hello = {.card = {"card", 4}, .image_path = "/a"}};
	assert_int_equal(control_send(ends[0], &msg, &err), 0);
	assert_int_equal(control_read_hello(ends[1], &in, &hello, &err), 0);
	assert_string_equal(hello.image_path, "/a");
	assert_memory_equal(hello.card.bytes, "card", 4);
	assert_true(control_alive(ends[1], &cancelled));
	assert_false(cancelled);
	const struct bcast_msg cancel = {.type = BCAST_MSG_CANCEL};
	assert_int_equal(control_send(ends[0], &cancel, &err), 0);
	for (int look = 0; look < 2; look++) {
		assert_true(control_alive(ends[1], &cancelled));
		assert_true(cancelled);
	}
	close(ends[0]);
	assert_int_equal(read(ends[1], rest, sizeof rest) > 0, 1);
	assert_false(control_alive(ends[1], &cancelled));
	assert_int_equal(control_send(ends[1], &msg, &err), -EPIPE);
	close(ends[1]);
}

static void test_no_hello(void **state)
{
	(void)state;
	int ends[2];
	struct err err = ERR_NONE;
	struct bcast_hello hello;
	AUTO_BUF struct buf half = {0}, wrong = {0};
	struct bcast_msg msg = {.type = BCAST_MSG_PROGRESS};

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(write(ends[0], "cmpF", 4), 4);
	close(ends[0]);
	assert_int_equal(control_read_hello(ends[1], &half, &hello, &err), -EPIPE);
	close(ends[1]);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(control_send(ends[0], &msg, &err), 0);
	assert_int_equal(control_read_hello(ends[1], &wrong, &hello, &err), -EPROTO);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello_then_messages),
		cmocka_unit_test(test_no_hello),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
