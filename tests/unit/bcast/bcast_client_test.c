/*
 * The client on its loop, against processes that behave in all ways: this program itself, started
 * again, plays cmpi-bcast as the card of the HELLO says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bcast/bcast_client.h"
#include "bcast/control.h"
#include "common/cleanup.h"

/* What happened, in order, a letter an event. */
struct record {
	struct loop *loop;
	struct bcast_client *client;
	char events[32];
	int status;
	int number;        /* of the failure */
	char text[200];
	bool cancels;      /* in the event mountable */
	char free_at;      /* free the client in that event */
};

static void note(struct record *record, char event)
{
	size_t len = strlen(record->events);
	if (len + 1 < sizeof record->events)
		record->events[len] = event;
	if (record->free_at != event)
		return;
	bcast_client_free(&record->client);
	loop_stop(record->loop, 0);
}

static void on_session(void *context, const struct bcast_session *session)
{
	note(context, session->size == 1 && session->plan.len == 4 ? 's' : '?');
}

static void on_progress(void *context, const struct bcast_progress *progress)
{
	(void)progress;
	note(context, 'p');
}

static void on_mountable(void *context, const struct bcast_mountable *mountable)
{
	struct record *record = context;
	if (record->cancels)
		bcast_client_cancel(record->client);
	note(record, mountable->bytes == 3 ? 'm' : '?');
}

static void on_done(void *context, const struct bcast_done *done)
{
	(void)done;
	note(context, 'd');
}

static void on_cancelled(void *context, const struct bcast_done *done)
{
	note(context, done->init_ns == 7 ? 'c' : '?');
}

static void on_failed(void *context, const struct bcast_failed *failed)
{
	struct record *record = context;
	record->number = failed->err.number;
	snprintf(record->text, sizeof record->text, "%.190s", failed->err.text);
	note(record, 'f');
}

static void on_ended(void *context, int status)
{
	struct record *record = context;
	record->status = status;
	note(record, 'e');
	loop_stop(record->loop, 0);
}

static const struct bcast_client_events events = {on_session,   on_progress, on_mountable, on_done,
						  on_cancelled, on_failed,   on_ended};

static void on_timeout(void *context)
{
	struct record *record = context;
	note(record, 'T');
	loop_stop(record->loop, 0);
}

static void start(struct record *record, const char *behaviour, const char *plan, size_t plan_len)
{
	struct err err = ERR_NONE;
	struct bcast_hello hello = {
		.card = {behaviour, strlen(behaviour)},
		.plan = {plan, plan_len},
	};
	AUTO_FD int image_fd = memfd_create("image", MFD_CLOEXEC);
	const struct bcast_client_options options = {
		.bcast_path = "/proc/self/exe",
		.image_fd = image_fd,
		.arrival_fd = -1,
		.hello = &hello,
	};
	assert_int_equal(loop_new(&record->loop, &err), 0);
	assert_int_equal(loop_add_timer(record->loop, 20000000000ull, on_timeout, record, NULL, &err),
			 0);
	assert_int_equal(bcast_client_start(record->loop, &options, &events, record, &record->client,
					    &err), 0);
}

static void finish(struct record *record)
{
	struct err err = ERR_NONE;
	loop_run(record->loop, &err);
	bcast_client_free(&record->client);
	loop_free(&record->loop);
	/* Nothing stays behind. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static struct record run(const char *behaviour)
{
	struct record record = {0};
	start(&record, behaviour, "plan", 4);
	finish(&record);
	return record;
}

static void test_good(void **state)
{
	(void)state;
	struct record record = run("good");
	assert_string_equal(record.events, "spmpde");
	assert_int_equal(record.status, 0);
}

/* It hears that nobody needs the image, and says that it has stopped; or it was whole already. */
static void test_cancelled(void **state)
{
	(void)state;
	struct record record = {.cancels = true};
	start(&record, "cancelled", "plan", 4);
	finish(&record);
	assert_string_equal(record.events, "smce");
	assert_int_equal(record.status, 0);
	record = (struct record){.cancels = true};
	start(&record, "good", "plan", 4);
	finish(&record);
	assert_string_equal(record.events, "spmpde");
}

static void test_failed(void **state)
{
	(void)state;
	struct record record = run("failed");
	assert_string_equal(record.events, "sfe");
	assert_int_equal(record.number, EXDEV);
	assert_string_equal(record.text, "told");
	assert_int_equal(WEXITSTATUS(record.status), 9);
}

static void test_dies(void **state)
{
	(void)state;
	struct record record = run("killed");
	assert_string_equal(record.events, "sfe");
	assert_non_null(strstr(record.text, "signal 9"));
	record = run("exits");
	assert_string_equal(record.events, "fe");
	assert_non_null(strstr(record.text, "status 5"));
}

static void test_nonsense(void **state)
{
	(void)state;
	struct record record = run("nonsense");
	assert_string_equal(record.events, "fe");
	assert_int_equal(record.number, EPROTO);
	assert_true(WIFSIGNALED(record.status));
}

/* cmpi-bcast closes its end with DONE and finalizes for a while. */
static void test_lingers(void **state)
{
	(void)state;
	struct record record = run("lingers");
	assert_string_equal(record.events, "sde");
	assert_int_equal(record.status, 0);
}

static void test_kill(void **state)
{
	(void)state;
	struct record record = {0};
	start(&record, "hangs", "plan", 4);
	assert_true(bcast_client_pid(record.client) > 0);
	bcast_client_kill(record.client);
	finish(&record);
	assert_string_equal(record.events, "e");
}

static void test_freed_in_events(void **state)
{
	(void)state;
	static const char *const want[] = {"s", "sp", "spm", "spmpd", "spmpde"};
	static const char at[] = "spmde";
	for (size_t i = 0; i < 4; i++) {
		struct record record = {.free_at = at[i]};
		start(&record, "good", "plan", 4);
		finish(&record);
		assert_string_equal(record.events, want[i]);
	}
	struct record record = {.free_at = 'f'};
	start(&record, "killed", "plan", 4);
	finish(&record);
	assert_string_equal(record.events, "sf");
}

/* A HELLO that no socket buffer holds is sent in parts. */
static void test_large_plan(void **state)
{
	(void)state;
	char *plan = calloc(1, BCAST_PLAN_MAX);
	struct record record = {0};
	start(&record, "counts", plan, BCAST_PLAN_MAX);
	finish(&record);
	assert_string_equal(record.events, "de");
	free(plan);
}

static void test_no_program(void **state)
{
	(void)state;
	struct record record = {0};
	struct err err = ERR_NONE;
	struct bcast_hello hello = {0};
	const struct bcast_client_options options = {"/nonexistent/cmpi-bcast", NULL, -1, -1, &hello};
	assert_int_equal(loop_new(&record.loop, &err), 0);
	assert_int_equal(bcast_client_start(record.loop, &options, &events, &record, &record.client,
					    &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/cmpi-bcast"));
	loop_free(&record.loop);
}

/* From here on: what plays cmpi-bcast. */

static void say(int fd, struct bcast_msg msg)
{
	if (control_send(fd, &msg, NULL) < 0)
		_exit(3);
}

static void say_session(int fd)
{
	struct bcast_blob card = {"card", 4};
	say(fd, (struct bcast_msg){.type = BCAST_MSG_SESSION,
				   .session = {.size = 1, .plan = {"plan", 4}, .cards = &card}});
}

static bool behaves(const struct bcast_hello *hello, const char *name)
{
	return hello->card.len == strlen(name) && memcmp(hello->card.bytes, name, hello->card.len) == 0;
}

static int play(int fd, int image_fd)
{
	AUTO_BUF struct buf in = {0};
	struct bcast_hello hello;
	const struct bcast_msg progress = {.type = BCAST_MSG_PROGRESS, .progress = {1, 2}};
	const struct bcast_msg done = {.type = BCAST_MSG_DONE};
	sigset_t blocked;
	if (control_read_hello(fd, &in, &hello, NULL) < 0 || fcntl(image_fd, F_GETFD) != 0)
		return 3;
	if (sigprocmask(SIG_BLOCK, NULL, &blocked) < 0 || sigismember(&blocked, SIGTERM))
		return 4;
	if (behaves(&hello, "counts")) {
		say(fd, done);
		return hello.plan.len == BCAST_PLAN_MAX ? 0 : 6;
	}
	if (behaves(&hello, "exits"))
		return 5;
	if (behaves(&hello, "hangs"))
		return pause();
	if (behaves(&hello, "nonsense")) {
		(void)!write(fd, "this is not a frame, whatever else it may be", 44);
		return pause();
	}
	say_session(fd);
	if (behaves(&hello, "killed"))
		return raise(SIGKILL);
	if (behaves(&hello, "failed")) {
		say(fd, (struct bcast_msg){.type = BCAST_MSG_FAILED, .failed = {1, 9, {EXDEV, "told"}}});
		return 9;
	}
	if (behaves(&hello, "lingers")) {
		say(fd, done);
		close(fd);
		return usleep(200000);
	}
	if (behaves(&hello, "cancelled")) {
		bool cancelled = false;
		say(fd, (struct bcast_msg){.type = BCAST_MSG_MOUNTABLE, .mountable = {.bytes = 3}});
		while (control_alive(fd, &cancelled) && !cancelled)
			usleep(1000);
		say(fd, (struct bcast_msg){.type = BCAST_MSG_CANCELLED, .done = {.init_ns = 7}});
		return 0;
	}
	say(fd, progress);
	say(fd, (struct bcast_msg){.type = BCAST_MSG_MOUNTABLE, .mountable = {.bytes = 3}});
	say(fd, progress);
	say(fd, done);
	return 0;
}

int main(int argc, char **argv)
{
	int fd, image_fd;
	if (argc == 3 && sscanf(argv[1], "--daemon-fd=%d", &fd) == 1 &&
	    sscanf(argv[2], "--image-fd=%d", &image_fd) == 1)
		return play(fd, image_fd);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_dies),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_lingers),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_freed_in_events),
		cmocka_unit_test(test_large_plan),
		cmocka_unit_test(test_no_program),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
