/* imgfs_profile_test.c - lines written are the lines parsed; what is none is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "runtime/imgfs_profile.h"

static int next(const char *text, struct imgfs_profile_line *line)
{
	struct err err;
	return imgfs_profile_next(&text, text + strlen(text), line, &err);
}

static void test_form(void **state)
{
	static struct imgfs_profile_line line = {3, 4096, 100, "/a b/\\\n\xff.so"};
	char text[IMGFS_PROFILE_LINE_MAX] = "";
	(void)state;
	int len = imgfs_profile_write(&line, text);
	assert_int_equal(len, strlen(text));
	assert_string_equal(text, "3 4096 100 /a\\040b/\\134\\012\\377.so\n");
	line.path[0] = '\0';
	imgfs_profile_write(&line, text);
	assert_string_equal(text, "3 4096 100 -\n");
	memset(line.path, 'x', sizeof line.path);
	assert_int_equal(imgfs_profile_write(&line, text), -ENAMETOOLONG);
}

static void test_round_trip(void **state)
{
	static struct imgfs_profile_line line = {.order = UINT64_MAX, .path = "/"}, again;
	char text[IMGFS_PROFILE_LINE_MAX] = "";
	(void)state;
	for (unsigned byte = 1; byte < 256; byte++)
		line.path[byte] = (char)byte;
	assert_true(imgfs_profile_write(&line, text) > 0);
	assert_int_equal(next(text, &again), 1);
	assert_string_equal(again.path, line.path);
	assert_true(again.order == UINT64_MAX);
	/* The longest path, of bytes that need four characters each. */
	memset(line.path, '\n', sizeof line.path);
	line.path[0] = '/';
	line.path[sizeof line.path - 1] = '\0';
	assert_true(imgfs_profile_write(&line, text) < IMGFS_PROFILE_LINE_MAX);
	assert_int_equal(next(text, &again), 1);
	assert_string_equal(again.path, line.path);
}

static void test_several(void **state)
{
	static struct imgfs_profile_line line;
	static const char text[] = IMGFS_PROFILE_HEAD "0 1 2 -\n\n# remark\n1 2 3 /x";
	const char *at = text, *end = text + sizeof text - 1;
	(void)state;
	assert_int_equal(imgfs_profile_next(&at, end, &line, NULL), 1);
	assert_string_equal(line.path, "");
	assert_int_equal(imgfs_profile_next(&at, end, &line, NULL), 1);
	assert_string_equal(line.path, "/x");
	assert_int_equal(line.offset, 2);
	assert_int_equal(line.length, 3);
	assert_int_equal(imgfs_profile_next(&at, end, &line, NULL), 0);
}

static void test_refused(void **state)
{
	static const char *const wrong[] = {
		"1", "1 2 3", "1 2 3 ", "1 2 3 x", "1 2 /x", "-1 2 3 /x", "1  2 3 /x", "a 2 3 /x",
		"1 2 18446744073709551616 /x", "1 18446744073709551615 1 /x", "1 2 3 /x\\04",
		"1 2 3 /x\\400", "1 2 3 /x\\000", "1 2 3 /x\\08a", "1 2 3 --",
	};
	static struct imgfs_profile_line line;
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(next(wrong[i], &line), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form), cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_several), cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
