/* imgfs_made_test.c - made nodes: found again, listed, bounded. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "runtime/imgfs_made.h"

static void test_nodes(void **state)
{
	(void)state;
	struct imgfs_made made = {0};
	assert_int_equal(imgfs_made_add(&made, 1, "a", S_IFDIR | 0755, NULL), 0);
	assert_int_equal(imgfs_made_add(&made, 1, "l", S_IFLNK | 0777, "/x"), 1);
	assert_int_equal(imgfs_made_add(&made, 9, "a", S_IFREG | 0644, NULL), 2);
	assert_int_equal(imgfs_made_add(&made, 1, "dev", S_IFCHR | 0644, NULL), -EPERM);
	assert_int_equal(imgfs_made_add(&made, 1, "fifo", S_IFIFO | 0644, NULL), -EPERM);
	assert_int_equal(imgfs_made_find(&made, 1, "a"), 0);
	assert_int_equal(imgfs_made_find(&made, 9, "a"), 2);
	assert_int_equal(imgfs_made_find(&made, 9, "l"), -ENOENT);
	assert_int_equal(imgfs_made_next(&made, 1, 0), 0);
	assert_int_equal(imgfs_made_next(&made, 1, 1), 1);
	assert_int_equal(imgfs_made_next(&made, 1, 2), -ENOENT);
	assert_string_equal(made.nodes[1].points_to, "/x");
	imgfs_made_free(&made);
	assert_int_equal(made.count, 0);
}

static void test_bound(void **state)
{
	(void)state;
	struct imgfs_made made = {0};
	char name[16];
	for (int i = 0; i < IMGFS_MADE_MAX; i++) {
		snprintf(name, sizeof name, "%d", i);
		assert_int_equal(imgfs_made_add(&made, 1, name, S_IFDIR, NULL), i);
	}
	assert_int_equal(imgfs_made_add(&made, 1, "more", S_IFDIR, NULL), -ENOSPC);
	imgfs_made_free(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_nodes), cmocka_unit_test(test_bound)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
