/* init_msg_test.c - every message there and back, and cut at every byte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "runtime/init_msg.h"

static const char *const environment[] = {"A=1", "EMPTY=", "PMI_FD=3"};
static const uint8_t cpus[] = {0xf0, 0x01};

static const struct init_msg messages[] = {
	{.type = INIT_MSG_MEMORY, .memory = {1ull << 40}},
	{.type = INIT_MSG_ATTACH, .attach = {.backend = INIT_BACKEND_KERNEL}},
	{.type = INIT_MSG_ATTACH, .attach = {.backend = INIT_BACKEND_AUTO, .has_arrival = true, .has_profile = true}},
	{.type = INIT_MSG_JOB},
	{.type = INIT_MSG_SPAWN, .spawn = {7, 3, 3, environment, 3, cpus, 2}},
	{.type = INIT_MSG_SPAWN, .spawn = {0, 0, INIT_PMI_NONE, NULL, 0, NULL, 0}},
	{.type = INIT_MSG_SIGNAL, .signal = {15}},
	{.type = INIT_MSG_KILL},
	{.type = INIT_MSG_QUIT},
	{.type = INIT_MSG_IMAGE_FILE},
	{.type = INIT_MSG_ATTACHED, .attached = {1, 2, 3, INIT_BACKEND_FUSE}},
	{.type = INIT_MSG_SPAWNED, .spawned = {9, 4711}},
	{.type = INIT_MSG_EXITED, .exited = {9, 0x0300, 1000, 2000, 3000}},
	{.type = INIT_MSG_SERVER_DIED, .server_died = {9}},
	{.type = INIT_MSG_ERROR, .error = {INIT_NO_RANK, 123, {2, "no such thing"}}},
	{.type = INIT_MSG_GONE},
};
enum { MESSAGE_COUNT = sizeof messages / sizeof *messages };

static void test_there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGE_COUNT; i++) {
		AUTO_BUF struct buf packed = {0}, again = {0};
		struct init_msg parsed;
		init_msg_pack(&messages[i], &packed);
		assert_int_equal(init_msg_parse(packed.data, packed.len, &parsed, NULL), 0);
		assert_int_equal(parsed.type, messages[i].type);
		init_msg_pack(&parsed, &again);
		assert_int_equal(again.len, packed.len);
		assert_memory_equal(again.data, packed.data, packed.len);
	}
}

static void test_cut_or_longer_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGE_COUNT; i++) {
		AUTO_BUF struct buf packed = {0};
		struct init_msg parsed;
		init_msg_pack(&messages[i], &packed);
		for (size_t len = 0; len < packed.len; len++)
			assert_int_equal(init_msg_parse(packed.data, len, &parsed, NULL), -EPROTO);
		buf_add_u8(&packed, 0);
		assert_int_equal(init_msg_parse(packed.data, packed.len, &parsed, NULL), -EPROTO);
	}
}

static void refuse(const struct init_msg *msg)
{
	AUTO_BUF struct buf packed = {0};
	struct init_msg parsed;
	init_msg_pack(msg, &packed);
	assert_int_equal(init_msg_parse(packed.data, packed.len, &parsed, NULL), -EPROTO);
}

static void test_values_out_of_range(void **state)
{
	(void)state;
	static const uint8_t many[INIT_CPU_BYTES_MAX + 1];
	refuse(&(struct init_msg){.type = INIT_MSG_SIGNAL, .signal = {0}});
	refuse(&(struct init_msg){.type = INIT_MSG_SIGNAL, .signal = {65}});
	refuse(&(struct init_msg){.type = INIT_MSG_ATTACH, .attach = {.backend = (enum init_backend)3}});
	refuse(&(struct init_msg){.type = INIT_MSG_SPAWN, .spawn = {.pmi_fd = 2}});
	refuse(&(struct init_msg){.type = INIT_MSG_SPAWN, .spawn = {.pmi_fd = -2}});
	refuse(&(struct init_msg){.type = INIT_MSG_SPAWN,
				  .spawn = {.pmi_fd = -1, .cpus = many, .cpu_bytes = sizeof many}});
	refuse(&(struct init_msg){.type = INIT_MSG_ERROR, .error = {0, 0, {2, ""}}});
	struct init_msg parsed;
	assert_int_equal(init_msg_parse("\0", 1, &parsed, NULL), -EPROTO);
	assert_int_equal(init_msg_parse("\x7f", 1, &parsed, NULL), -EPROTO);
}

static void test_descriptor_counts(void **state)
{
	(void)state;
	assert_int_equal(init_msg_fd_count(&messages[1]), 2);
	assert_int_equal(init_msg_fd_count(&messages[2]), 4);
	assert_int_equal(init_msg_fd_count(&messages[3]), 1);
	assert_int_equal(init_msg_fd_count(&messages[4]), 4);
	assert_int_equal(init_msg_fd_count(&messages[5]), 3);
	assert_int_equal(init_msg_fd_count(&messages[7]), 0);
}

static void test_job(void **state)
{
	(void)state;
	char sh[] = "sh", c[] = "-c", empty[] = "", path[] = "PATH=/bin", cwd[] = "/tmp", second[] = "/image";
	char *argv[] = {sh, c, empty, NULL}, *env[] = {path, NULL}, *none[] = {NULL};
	const struct init_job job = {argv, env, cwd, true, false, second};
	AUTO_BUF struct buf packed = {0};
	struct init_job parsed;
	init_job_pack(&job, &packed);
	assert_int_equal(init_job_parse(packed.data, packed.len, &parsed, NULL), 0);
	assert_string_equal(parsed.argv[2], "");
	assert_null(parsed.argv[3]);
	assert_string_equal(parsed.environment[0], "PATH=/bin");
	assert_string_equal(parsed.cwd, "/tmp");
	assert_string_equal(parsed.cwd_else, "/image");
	assert_true(parsed.cwd_required && !parsed.interactive);
	init_job_free(&parsed);
	for (size_t len = 0; len < packed.len; len++)
		assert_int_equal(init_job_parse(packed.data, len, &parsed, NULL), -EPROTO);
	packed.len = 0;
	init_job_pack(&(struct init_job){none, none, cwd, false, false, NULL}, &packed);
	assert_int_equal(init_job_parse(packed.data, packed.len, &parsed, NULL), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_cut_or_longer_is_refused),
		cmocka_unit_test(test_values_out_of_range), cmocka_unit_test(test_descriptor_counts),
		cmocka_unit_test(test_job),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
