/*
 * log_test.c - levels, prefixes, and one whole line for each call.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

/* Runs every level's function once at `level`; returns what stderr got. */
static const char *logged(enum log_level level, const char *node, const char *text)
{
	static char bytes[16384];
	int ends[2], saved = dup(STDERR_FILENO);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], STDERR_FILENO);
	log_open("prog", node, level);
	log_error("E%s", text);
	log_note("N%s", text);
	log_info("I%s", text);
	log_debug("D%s", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	ssize_t len = read(ends[0], bytes, sizeof bytes - 1);
	close(ends[0]);
	bytes[len > 0 ? len : 0] = '\0';
	return bytes;
}

static void levels_choose_lines(void **state)
{
	(void)state;
	assert_string_equal(logged(LOG_LEVEL_QUIET, NULL, "1"), "prog: E1\n");
	assert_string_equal(logged(LOG_LEVEL_NORMAL, NULL, "1"), "prog: E1\nprog: N1\n");
	assert_string_equal(logged(LOG_LEVEL_VERBOSE, "n7", "1"),
			    "prog: n7: E1\nprog: n7: N1\nprog: n7: I1\n");
	assert_int_equal(log_level(), LOG_LEVEL_VERBOSE);
	assert_string_equal(logged(LOG_LEVEL_DEBUG, NULL, ""),
			    "prog: E\nprog: N\nprog: I\nprog: D\n");
}

static void long_lines_are_cut_and_still_lines(void **state)
{
	static char longer[5000];
	(void)state;
	memset(longer, 'x', sizeof longer - 1);
	const char *text = logged(LOG_LEVEL_QUIET, NULL, longer);
	assert_memory_equal(text, "prog: Exxx", 10);
	assert_int_equal(strlen(text), 2047);
	assert_ptr_equal(strchr(text, '\n'), text + 2046);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_choose_lines),
		cmocka_unit_test(long_lines_are_cut_and_still_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
