/*
 * The command line of cmpi-bcast.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bcast/bcast_options.h"

/* The words are not written to. */
#define PARSE(...)                                                                                 \
	bcast_options_parse((char **)(const char *[]){"cmpi-bcast", __VA_ARGS__, NULL}, &options,  \
			    &err)

static void test_tool(void **state)
{
	(void)state;
	struct bcast_options options;
	struct err err = ERR_NONE;
	assert_int_equal(PARSE("--verify", "--json", "a", "b"), 0);
	assert_int_equal(options.action, BCAST_ACTION_TOOL);
	assert_true(options.verify && options.json && !options.progress);
	assert_int_equal(options.readers, 1);
	assert_int_equal(PARSE("--readers=3", "a", "b"), 0);
	assert_int_equal(options.readers, 3);
	assert_int_equal(PARSE("--readers", "auto", "a", "b"), 0);
	assert_int_equal(options.readers, 0);
	assert_int_equal(PARSE("a", "c", "b"), 0);
	assert_int_equal(options.source_count, 2);
	assert_string_equal(options.sources[1], "c");
	assert_string_equal(options.destination, "b");
}

static void test_daemon(void **state)
{
	(void)state;
	struct bcast_options options;
	struct err err = ERR_NONE;
	assert_int_equal(PARSE("--daemon-fd=7", "--image-fd=8"), 0);
	assert_int_equal(options.action, BCAST_ACTION_DAEMON);
	assert_int_equal(options.daemon_fd, 7);
	assert_int_equal(options.image_fd, 8);
	assert_int_equal(PARSE("--daemon-fd=7"), 0);
	assert_int_equal(options.image_fd, -1);
}

static void test_others(void **state)
{
	(void)state;
	struct bcast_options options;
	struct err err = ERR_NONE;
	assert_int_equal(PARSE("--help"), 0);
	assert_int_equal(options.action, BCAST_ACTION_HELP);
	assert_int_equal(PARSE("--version"), 0);
	assert_int_equal(options.action, BCAST_ACTION_VERSION);
}

static void test_refused(void **state)
{
	(void)state;
	struct bcast_options options;
	struct err err = ERR_NONE;
	assert_int_equal(PARSE("a"), -EINVAL);
	assert_int_equal(PARSE("a", "", "c"), -EINVAL);
	assert_int_equal(PARSE("a", ""), -EINVAL);
	assert_int_equal(PARSE("--frob", "a", "b"), -EINVAL);
	assert_int_equal(PARSE("--image-fd=3", "a", "b"), -EINVAL);
	assert_int_equal(PARSE("--daemon-fd=x"), -EINVAL);
	assert_int_equal(PARSE("--readers=0", "a", "b"), -EINVAL);
	assert_int_equal(PARSE("--daemon-fd=3", "a"), -EINVAL);
	assert_string_not_equal(err.text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tool),
		cmocka_unit_test(test_daemon),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
