/*
 * fdpass_test.c - packets and descriptors really cross, and limits hold.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"

static int setup(void **state)
{
	static int ends[2];
	*state = ends;
	return fdpass_pair(ends, NULL);
}

static int teardown(void **state)
{
	int *ends = *state;
	close_fd(&ends[0]);
	close_fd(&ends[1]);
	return 0;
}

static int is_cloexec(int fd)
{
	return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

static void pairs_are_close_on_exec(void **state)
{
	const int *ends = *state;
	assert_true(is_cloexec(ends[0]));
	assert_true(is_cloexec(ends[1]));
}

/* What is written into the one end of a pipe that was passed comes out here. */
static void descriptors_pass(void **state)
{
	const int *ends = *state;
	int pipe_ends[2], got[FDPASS_FDS_MAX];
	char bytes[16];
	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(fdpass_send(ends[0], "hello", 5, pipe_ends, 2, NULL), 0);
	assert_int_equal(fdpass_receive(ends[1], bytes, sizeof bytes, got, NULL), 5);
	assert_memory_equal(bytes, "hello", 5);
	assert_true(is_cloexec(got[0]) && is_cloexec(got[1]));
	for (int i = 2; i < FDPASS_FDS_MAX; i++)
		assert_int_equal(got[i], -1);
	assert_int_equal(write(got[1], "through", 7), 7);
	assert_int_equal(read(pipe_ends[0], bytes, sizeof bytes), 7);
	assert_memory_equal(bytes, "through", 7);
	for (int i = 0; i < 2; i++) {
		close(pipe_ends[i]);
		close(got[i]);
	}
}

static void the_most_descriptors_pass(void **state)
{
	const int *ends = *state;
	int fds[FDPASS_FDS_MAX], got[FDPASS_FDS_MAX];
	char byte;
	for (int i = 0; i < FDPASS_FDS_MAX; i++)
		fds[i] = ends[0];
	assert_int_equal(fdpass_send(ends[0], "x", 1, fds, FDPASS_FDS_MAX, NULL), 0);
	assert_int_equal(fdpass_receive(ends[1], &byte, 1, got, NULL), 1);
	for (int i = 0; i < FDPASS_FDS_MAX; i++) {
		assert_true(is_cloexec(got[i]));
		close(got[i]);
	}
}

static void packets_keep_their_edges(void **state)
{
	const int *ends = *state;
	int got[FDPASS_FDS_MAX];
	char bytes[16];
	fdpass_send(ends[0], "one", 3, NULL, 0, NULL);
	fdpass_send(ends[0], "three", 5, NULL, 0, NULL);
	assert_int_equal(fdpass_receive(ends[1], bytes, sizeof bytes, got, NULL), 3);
	assert_int_equal(fdpass_receive(ends[1], bytes, sizeof bytes, got, NULL), 5);
	assert_memory_equal(bytes, "three", 5);
	assert_int_equal(got[0], -1);
}

static void limits_of_a_message(void **state)
{
	static char most[FDPASS_BYTES_MAX + 1], received[FDPASS_BYTES_MAX];
	const int *ends = *state;
	int fds[FDPASS_FDS_MAX + 1] = {0};
	struct err err;
	assert_int_equal(fdpass_send(ends[0], most, 0, NULL, 0, &err), -EMSGSIZE);
	assert_int_equal(fdpass_send(ends[0], most, sizeof most, NULL, 0, &err), -EMSGSIZE);
	assert_int_equal(fdpass_send(ends[0], most, 1, fds, FDPASS_FDS_MAX + 1, &err), -EMSGSIZE);
	assert_string_equal(err.text, "message of 1 bytes and 9 descriptors");
	most[FDPASS_BYTES_MAX - 1] = 'z';
	assert_int_equal(fdpass_send(ends[0], most, FDPASS_BYTES_MAX, NULL, 0, NULL), 0);
	assert_int_equal(fdpass_receive(ends[1], received, sizeof received, fds, NULL),
			 FDPASS_BYTES_MAX);
	assert_int_equal(received[FDPASS_BYTES_MAX - 1], 'z');
}

static int lowest_free(void)
{
	int fd = dup(0);
	close(fd);
	return fd;
}

/* A cut packet is an error, and its descriptors do not stay behind. */
static void cut_packets_leave_nothing(void **state)
{
	const int *ends = *state;
	int fds[1] = {ends[0]}, got[FDPASS_FDS_MAX], before = lowest_free();
	char small[4];
	struct err err;
	fdpass_send(ends[0], "longer", 6, fds, 1, NULL);
	assert_int_equal(fdpass_receive(ends[1], small, sizeof small, got, &err), -EMSGSIZE);
	assert_int_equal(got[0], -1);
	assert_int_equal(lowest_free(), before);
}

/* More descriptors than we take: sendmsg(2) by a peer that does not know the limit. */
static void too_many_descriptors_leave_nothing(void **state)
{
	const int *ends = *state;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * 20)];
	} control = {0};
	struct iovec vector = {(char[]){"x"}, 1};
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1,
				 .msg_control = control.bytes, .msg_controllen = sizeof control};
	int got[FDPASS_FDS_MAX], before = lowest_free();
	char byte;
	struct err err;
	control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
					  .cmsg_len = CMSG_LEN(sizeof(int) * 20)};
	for (size_t i = 0; i < 20; i++)
		memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &ends[0], sizeof(int));
	assert_int_equal(sendmsg(ends[0], &message, 0), 1);
	assert_int_equal(fdpass_receive(ends[1], &byte, 1, got, &err), -EMSGSIZE);
	assert_int_equal(lowest_free(), before);
}

static void the_end_is_zero_and_sending_is_epipe(void **state)
{
	int *ends = *state, got[FDPASS_FDS_MAX];
	char bytes[4];
	struct err err;
	close_fd(&ends[0]);
	assert_int_equal(fdpass_receive(ends[1], bytes, sizeof bytes, got, NULL), 0);
	assert_int_equal(got[0], -1);
	assert_int_equal(fdpass_send(ends[1], "x", 1, NULL, 0, &err), -EPIPE);
}

static void not_now_is_eagain_and_no_error_text(void **state)
{
	const int *ends = *state;
	int got[FDPASS_FDS_MAX], rc = 0;
	char bytes[1000] = {0};
	struct err err = ERR_NONE;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	assert_int_equal(fdpass_receive(ends[0], bytes, sizeof bytes, got, &err), -EAGAIN);
	for (int i = 0; i < 100000 && rc == 0; i++)
		rc = fdpass_send(ends[0], bytes, sizeof bytes, NULL, 0, &err);
	assert_int_equal(rc, -EAGAIN);
	assert_int_equal(err.number, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pairs_are_close_on_exec),
		TEST(descriptors_pass),
		TEST(the_most_descriptors_pass),
		TEST(packets_keep_their_edges),
		TEST(limits_of_a_message),
		TEST(cut_packets_leave_nothing),
		TEST(too_many_descriptors_leave_nothing),
		TEST(the_end_is_zero_and_sending_is_epipe),
		TEST(not_now_is_eagain_and_no_error_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
