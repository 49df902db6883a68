/*
 * err_test.c - texts, numbers, and what happens when they are too long.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/err.h"

static void set_gives_number_and_text(void **state)
{
	struct err err = ERR_NONE;
	(void)state;
	assert_int_equal(err_set(&err, ENOENT, "image %s: %d", "a.sqsh", 7), -ENOENT);
	assert_int_equal(err.number, ENOENT);
	assert_string_equal(err.text, "image a.sqsh: 7");
}

static void errno_is_said_in_words(void **state)
{
	struct err err;
	(void)state;
	assert_int_equal(err_errno(&err, EACCES, "open %s", "/x"), -EACCES);
	assert_string_equal(err.text, "open /x: Permission denied");
}

static void zero_becomes_eio(void **state)
{
	struct err err;
	(void)state;
	assert_int_equal(err_set(&err, 0, "nothing"), -EIO);
	assert_int_equal(err.number, EIO);
}

static void null_keeps_the_number(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, EPERM, "unheard"), -EPERM);
	assert_int_equal(err_errno(NULL, EPERM, "unheard"), -EPERM);
}

static void prefix_comes_in_front(void **state)
{
	struct err err;
	(void)state;
	err_set(&err, EINVAL, "line %d", 3);
	assert_int_equal(err_prefix(&err, "file %s", "h"), -EINVAL);
	assert_int_equal(err.number, EINVAL);
	assert_string_equal(err.text, "file h: line 3");
}

static void long_texts_are_cut_at_the_end(void **state)
{
	static char longer[2 * ERR_TEXT_MAX];
	struct err err;
	(void)state;
	memset(longer, 'x', sizeof longer - 1);
	err_set(&err, EINVAL, "%s", longer);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	err_prefix(&err, "front");
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(err.text, "front: xxx", 10);
	err_errno(&err, EINVAL, "%s", longer);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_gives_number_and_text),
		cmocka_unit_test(errno_is_said_in_words),
		cmocka_unit_test(zero_becomes_eio),
		cmocka_unit_test(null_keeps_the_number),
		cmocka_unit_test(prefix_comes_in_front),
		cmocka_unit_test(long_texts_are_cut_at_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
