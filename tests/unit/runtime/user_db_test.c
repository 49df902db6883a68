/* user_db_test.c - passwd(5) and group(5) with one line more. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "runtime/user_db.h"

static bool has(const char *text, uint32_t id)
{
	return user_db_has_id(text, strlen(text), id);
}

static void test_has_id(void **state)
{
	(void)state;
	static const char text[] = "root:x:0:0:root:/root:/bin/sh\nu:x:1000:100::/home/u:/bin/sh";
	assert_true(has(text, 0));
	assert_true(has(text, 1000));
	assert_false(has(text, 100));
	assert_false(has("", 0));
	assert_false(user_db_has_id(NULL, 0, 0));
	assert_false(has("a:b\n:::\n\nu:x::0\n", 0));
	assert_false(has("u:x:4294967296:0\n", 0));
	assert_true(has("u:x:4294967295:0", UINT32_MAX));
	assert_false(has("u:x:5x:0\n", 5));
	assert_true(has("+::\nu:x:5", 5));
}

static void test_add(void **state)
{
	(void)state;
	const struct mount_user user = {1000, 100, "u", "", "/home/u", NULL};
	AUTO_BUF struct buf passwd = {0}, group = {0};
	user_db_add_user("root:x:0:0::/:/bin/sh", 21, &user, &passwd);
	assert_string_equal(passwd.data, "root:x:0:0::/:/bin/sh\nu:x:1000:100::/home/u:/bin/sh\n");
	user_db_add_group(NULL, 0, &user, &group);
	assert_string_equal(group.data, "users:x:100:\n");
	assert_true(has(passwd.data, 1000) && has(group.data, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_has_id), cmocka_unit_test(test_add)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
