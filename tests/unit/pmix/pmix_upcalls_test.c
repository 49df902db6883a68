/*
 * pmix_upcalls_test.c - calls of another thread become requests; replies go
 * back once.  No libpmix is needed: the test plays it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#ifndef CMPIRUN_HAVE_PMIX
int main(void)
{
	return 0;
}
#else
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "pmix/pmix_upcalls.h"

static const uint32_t count[] = {2, 3}, first[] = {0, 2};
static const char *const names[] = {"a", "b"};
static const struct pmi_job job = {
	.name = "job", .node_count = 2, .rank_count = 5, .node_names = names,
	.node_first_rank = first, .node_rank_count = count, .node = 1, .fanout = 2,
};
static const pmix_server_module_t *const module = &pmix_upcalls_module.module;
static int event_fd;

static int setup(void **state)
{
	(void)state;
	return pmix_upcalls_open(&job, &event_fd, NULL);
}

static int teardown(void **state)
{
	(void)state;
	pmix_upcalls_close();
	return 0;
}

static pmix_proc_t proc_of(const char *name, uint32_t rank)
{
	pmix_proc_t proc = {.rank = rank};
	snprintf(proc.nspace, sizeof proc.nspace, "%s", name);
	return proc;
}

static pmix_status_t last_status;
static size_t last_len, releases;
static char last_data[64];

static void on_modex_done(pmix_status_t status, const char *data, size_t len, void *cbdata,
			  pmix_release_cbfunc_t release, void *release_data)
{
	assert_string_equal(cbdata, "cbdata");
	last_status = status;
	last_len = len;
	if (len > 0)
		memcpy(last_data, data, len);
	if (release != NULL)
		release(release_data);
	releases++;
}

static void on_op_done(pmix_status_t status, void *cbdata)
{
	assert_string_equal(cbdata, "cbdata");
	last_status = status;
}

static bool readable(void)
{
	struct pollfd poll_fd = {.fd = event_fd, .events = POLLIN};
	return poll(&poll_fd, 1, 0) == 1;
}

static void a_fence_and_its_reply(void **state)
{
	pmix_proc_t procs[] = {proc_of("job", PMIX_RANK_WILDCARD), proc_of("job", 4),
			       proc_of("job", PMIX_RANK_LOCAL_PEERS)};
	char data[] = "bytes";
	(void)state;
	assert_false(readable());
	assert_int_equal(module->fence_nb(procs, 3, NULL, 0, data, 5, on_modex_done,
					  (void *)"cbdata"), PMIX_SUCCESS);
	assert_true(readable());
	memset(data, 'x', 5);
	struct pmix_request *request = pmix_upcalls_take();
	assert_int_equal(request->type, PMIX_REQUEST_FENCE);
	assert_int_equal(request->range_count, 3);
	assert_int_equal(request->ranges[0].first, 0);
	assert_int_equal(request->ranges[0].last, 4);
	assert_int_equal(request->ranges[1].first, 4);
	assert_int_equal(request->ranges[2].first, 2);
	assert_int_equal(request->ranges[2].last, 4);
	assert_memory_equal(request->data, "bytes", 5);
	pmix_reply_send(request->reply, 0, "all", 3);
	assert_int_equal(last_status, PMIX_SUCCESS);
	assert_int_equal(last_len, 3);
	assert_memory_equal(last_data, "all", 3);
	pmix_request_free(request);
	assert_null(pmix_upcalls_take());
}

static void a_barrier_has_no_data(void **state)
{
	pmix_proc_t proc = proc_of("job", 0);
	(void)state;
	assert_int_equal(module->fence_nb(&proc, 1, NULL, 0, NULL, 0, on_modex_done,
					  (void *)"cbdata"), PMIX_SUCCESS);
	struct pmix_request *request = pmix_upcalls_take();
	assert_int_equal(request->len, 0);
	pmix_reply_send(request->reply, -EMSGSIZE, NULL, 0);
	assert_int_equal(last_status, PMIX_ERROR);
	assert_int_equal(last_len, 0);
	pmix_request_free(request);
}

static void strangers_are_refused(void **state)
{
	pmix_proc_t other = proc_of("jobber", 0), beyond = proc_of("job", 5);
	(void)state;
	assert_int_equal(module->fence_nb(&other, 1, NULL, 0, NULL, 0, on_modex_done, NULL),
			 PMIX_ERR_BAD_PARAM);
	assert_int_equal(module->fence_nb(&beyond, 1, NULL, 0, NULL, 0, on_modex_done, NULL),
			 PMIX_ERR_BAD_PARAM);
	assert_int_equal(module->direct_modex(&beyond, NULL, 0, on_modex_done, NULL),
			 PMIX_ERR_NOT_FOUND);
	assert_null(pmix_upcalls_take());
}

static void notes_need_no_reply(void **state)
{
	pmix_proc_t proc = proc_of("job", 3);
	(void)state;
	assert_int_equal(module->client_connected2(&proc, NULL, NULL, 0, NULL, NULL),
			 PMIX_OPERATION_SUCCEEDED);
	assert_int_equal(module->abort(&proc, NULL, 7, "why", NULL, 0, NULL, NULL),
			 PMIX_OPERATION_SUCCEEDED);
	struct pmix_request *connected = pmix_upcalls_take(), *aborted = pmix_upcalls_take();
	assert_int_equal(connected->type, PMIX_REQUEST_CONNECTED);
	assert_int_equal(connected->rank, 3);
	assert_null(connected->reply);
	assert_int_equal(aborted->type, PMIX_REQUEST_ABORT);
	assert_int_equal(aborted->status, 7);
	assert_string_equal(aborted->data, "why");
	pmix_request_free(connected);
	pmix_request_free(aborted);
}

static void log_is_answered_from_elsewhere(void **state)
{
	pmix_proc_t proc = proc_of("job", 3);
	char text[] = "a word", ignored[] = "mail";
	pmix_info_t infos[2] = {{.value = {.type = PMIX_STRING, .data.string = text}},
				{.value = {.type = PMIX_STRING, .data.string = ignored}}};
	(void)state;
	strcpy(infos[0].key, PMIX_LOG_STDERR);
	strcpy(infos[1].key, PMIX_LOG_EMAIL);
	last_status = PMIX_ERROR;
	module->log(&proc, infos, 2, NULL, 0, on_op_done, (void *)"cbdata");
	assert_int_equal(last_status, PMIX_ERROR);
	struct pmix_request *request = pmix_upcalls_take();
	assert_int_equal(request->type, PMIX_REQUEST_LOG);
	assert_string_equal(request->data, "a word");
	pmix_reply_send(request->reply, 0, NULL, 0);
	assert_int_equal(last_status, PMIX_SUCCESS);
	pmix_request_free(request);
}

enum { CALLS = 20000 };

static void *call_often(void *unused)
{
	pmix_proc_t proc = proc_of("job", 0);
	(void)unused;
	for (uint32_t i = 0; i < CALLS; i++) {
		proc.rank = i % 5;
		module->client_finalized(&proc, NULL, NULL, NULL);
	}
	return NULL;
}

/* libpmix removes files for ranks only where the host has this function; else it has nothing to ask us. */
static void job_control_is_there(void **state)
{
	(void)state;
	assert_non_null(module->job_control);
	assert_int_equal(module->job_control(NULL, NULL, 0, NULL, 0, NULL, NULL),
			 PMIX_ERR_NOT_SUPPORTED);
}

static void threads_keep_the_order(void **state)
{
	pthread_t thread;
	uint32_t taken = 0;
	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, call_often, NULL), 0);
	while (taken < CALLS) {
		struct pollfd poll_fd = {.fd = event_fd, .events = POLLIN};
		struct pmix_request *request;
		uint64_t number;
		assert_int_equal(poll(&poll_fd, 1, 5000), 1);
		assert_int_equal(read(event_fd, &number, sizeof number), sizeof number);
		while ((request = pmix_upcalls_take()) != NULL) {
			assert_int_equal(request->rank, taken++ % 5);
			pmix_request_free(request);
		}
	}
	pthread_join(thread, NULL);
}

static void only_one_at_a_time(void **state)
{
	struct err err;
	int fd;
	(void)state;
	assert_int_equal(pmix_upcalls_open(&job, &fd, &err), -EBUSY);
}

static void after_the_end_calls_are_refused(void **state)
{
	pmix_proc_t proc = proc_of("job", 0);
	(void)state;
	assert_int_equal(module->fence_nb(&proc, 1, NULL, 0, NULL, 0, on_modex_done, NULL),
			 PMIX_SUCCESS);
	pmix_upcalls_close();
	assert_int_equal(module->fence_nb(&proc, 1, NULL, 0, NULL, 0, on_modex_done, NULL),
			 PMIX_ERR_INIT);
	assert_null(pmix_upcalls_take());
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fence_and_its_reply),
		TEST(a_barrier_has_no_data),
		TEST(strangers_are_refused),
		TEST(notes_need_no_reply),
		TEST(log_is_answered_from_elsewhere),
		TEST(job_control_is_there),
		TEST(threads_keep_the_order),
		TEST(only_one_at_a_time),
		TEST(after_the_end_calls_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
