/* mount_plan_test.c - plans as values: building, ordering, packing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/mount_plan.h"

static size_t place(const struct mount_plan *plan, const char *target)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->ops[i].target, target) == 0)
			return i;
	return SIZE_MAX;
}

static const struct mount_op *op_at(const struct mount_plan *plan, const char *target)
{
	size_t index = place(plan, target);
	assert_int_not_equal(index, SIZE_MAX);
	return &plan->ops[index];
}

static struct mount_defaults defaults(void)
{
	return (struct mount_defaults){.home = "/home/u", .cwd = "/scratch/u/run",
				       .user = {1000, 100, "u", "users", "/home/u", "/bin/bash"}};
}

static void test_targets_are_normal(void **state)
{
	(void)state;
	AUTO_MOUNT_PLAN struct mount_plan plan = {0};
	struct err err;
	assert_int_equal(mount_plan_add_bind(&plan, "/x", "//a/./b//", 0, &err), 0);
	assert_string_equal(plan.ops[0].target, "/a/b");
	static const char *const bad[] = {"", "a", "/", "/.", "//", "/a/../b", "/..", "./a"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(mount_plan_add_bind(&plan, "/x", bad[i], 0, &err), -EINVAL);
	assert_int_equal(mount_plan_add_bind(&plan, "x", "/a", 0, &err), -EINVAL);
	assert_int_equal(mount_plan_add_symlink(&plan, "/a", "", &err), -EINVAL);
	assert_int_equal(plan.count, 1);
}

static void test_defaults(void **state)
{
	(void)state;
	AUTO_MOUNT_PLAN struct mount_plan plan = {0};
	struct mount_defaults all = defaults();
	assert_int_equal(mount_plan_add_defaults(&plan, &all, NULL), 0);
	assert_int_equal(op_at(&plan, "/scratch/u/run")->flags, MOUNT_OPTIONAL | MOUNT_KEEP_IMAGE);
	assert_int_equal(op_at(&plan, "/etc/hosts")->flags, MOUNT_OPTIONAL | MOUNT_READ_ONLY);
	assert_int_equal(op_at(&plan, "/proc")->flags, 0);
	assert_int_equal(op_at(&plan, "/etc/passwd")->kind, MOUNT_USER_DB);
	assert_int_equal(plan.count, 9);
}

static void test_defaults_off(void **state)
{
	(void)state;
	AUTO_MOUNT_PLAN struct mount_plan plan = {0};
	struct mount_defaults none = defaults();
	none.no_home = none.no_cwd = none.no_tmp = none.no_dev = none.no_proc = none.no_sys = none.no_etc =
		none.no_user_db = true;
	assert_int_equal(mount_plan_add_defaults(&plan, &none, NULL), 0);
	assert_int_equal(plan.count, 0);
}

static void test_cwd_that_is_there_already(void **state)
{
	(void)state;
	static const char *const shown[] = {"/home/u", "/home/u/sub/dir", "/tmp", "/tmp/x", "/dev/shm", "/"};
	static const char *const hidden[] = {"/home/user2", "/home", "/tmpx"};
	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
		AUTO_MOUNT_PLAN struct mount_plan plan = {0};
		struct mount_defaults with = defaults();
		with.cwd = shown[i];
		assert_int_equal(mount_plan_add_defaults(&plan, &with, NULL), 0);
		assert_int_equal(plan.count, 8);
	}
	for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
		AUTO_MOUNT_PLAN struct mount_plan plan = {0};
		struct mount_defaults with = defaults();
		with.cwd = hidden[i];
		assert_int_equal(mount_plan_add_defaults(&plan, &with, NULL), 0);
		op_at(&plan, hidden[i]);
	}
}

static void test_sort(void **state)
{
	(void)state;
	AUTO_MOUNT_PLAN struct mount_plan plan = {0};
	static const char *const targets[] = {"/a/b/c", "/z", "/a/b", "/a", "/y", "/a/b/c"};
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(mount_plan_add_bind(&plan, i == 5 ? "/last" : "/first", targets[i], 0, NULL), 0);
	mount_plan_sort(&plan);
	assert_int_equal(plan.count, 5);
	static const char *const sorted[] = {"/z", "/a", "/y", "/a/b", "/a/b/c"};
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(plan.ops[i].target, sorted[i]);
	assert_string_equal(plan.ops[4].source, "/last");
}

static void test_volumes(void **state)
{
	(void)state;
	static const struct {
		const char *text, *source, *target;
		uint32_t flags;
	} good[] = {
		{"/a", "/a", "/a", 0},
		{"/a:/b", "/a", "/b", 0},
		{"/a:/b:ro", "/a", "/b", MOUNT_READ_ONLY},
		{"/a:/b:rw", "/a", "/b", 0},
		{"/a:ro", "/a", "/a", MOUNT_READ_ONLY},
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		AUTO_MOUNT_PLAN struct mount_plan plan = {0};
		assert_int_equal(mount_plan_add_volume(&plan, good[i].text, NULL), 0);
		assert_string_equal(plan.ops[0].source, good[i].source);
		assert_string_equal(plan.ops[0].target, good[i].target);
		assert_int_equal(plan.ops[0].flags, good[i].flags);
	}
	static const char *const bad[] = {"", "a:/b", "/a:b", "/a:/b:x", "/a:/b:ro:z", ":/b", "/a:/b:", "/a:/"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		AUTO_MOUNT_PLAN struct mount_plan plan = {0};
		struct err err;
		assert_int_equal(mount_plan_add_volume(&plan, bad[i], &err), -EINVAL);
		assert_non_null(strstr(err.text, "volume"));
	}
}

static void fill(struct mount_plan *plan)
{
	struct mount_defaults all = defaults();
	mount_plan_add_defaults(plan, &all, NULL);
	mount_plan_add_tmpfs(plan, "/t", 1ull << 40, 01777, NULL);
	mount_plan_add_file(plan, "/f", "a\0b", 3, 0755, NULL);
	mount_plan_add_file(plan, "/empty", "", 0, 0644, NULL);
	mount_plan_add_symlink(plan, "/l", "../x", NULL);
}

static void test_pack_and_parse(void **state)
{
	(void)state;
	AUTO_MOUNT_PLAN struct mount_plan plan = {0}, parsed = {0};
	AUTO_BUF struct buf packed = {0}, again = {0};
	fill(&plan);
	mount_plan_sort(&plan);
	mount_plan_pack(&plan, &packed);
	assert_int_equal(mount_plan_parse(packed.data, packed.len, &parsed, NULL), 0);
	mount_plan_pack(&parsed, &again);
	assert_int_equal(packed.len, again.len);
	assert_memory_equal(packed.data, again.data, again.len);
	const struct mount_op *file = op_at(&parsed, "/f");
	assert_int_equal(file->content_len, 3);
	assert_memory_equal(file->content, "a\0b", 3);
	struct mount_user user;
	char *text;
	assert_int_equal(mount_user_parse(op_at(&parsed, "/etc/passwd"), &user, &text, NULL), 0);
	assert_int_equal(user.uid, 1000);
	assert_int_equal(user.gid, 100);
	assert_string_equal(user.group, "users");
	assert_string_equal(user.shell, "/bin/bash");
	free(text);
}

static void test_every_cut_is_refused(void **state)
{
	(void)state;
	AUTO_MOUNT_PLAN struct mount_plan plan = {0};
	AUTO_BUF struct buf packed = {0};
	fill(&plan);
	mount_plan_pack(&plan, &packed);
	for (size_t len = 0; len < packed.len; len++) {
		AUTO_MOUNT_PLAN struct mount_plan parsed = {0};
		assert_true(mount_plan_parse(packed.data, len, &parsed, NULL) < 0);
	}
	buf_add_u8(&packed, 0);
	AUTO_MOUNT_PLAN struct mount_plan parsed = {0};
	assert_int_equal(mount_plan_parse(packed.data, packed.len, &parsed, NULL), -EPROTO);
}

static void test_user_with_colon(void **state)
{
	(void)state;
	AUTO_MOUNT_PLAN struct mount_plan plan = {0};
	struct mount_user user = {1, 1, "a:0:0", "g", "/", "/bin/sh"};
	assert_int_equal(mount_plan_add_user_db(&plan, &user, NULL), -EINVAL);
	user.name = "a\nroot";
	assert_int_equal(mount_plan_add_user_db(&plan, &user, NULL), -EINVAL);
}

static void test_format(void **state)
{
	(void)state;
	AUTO_MOUNT_PLAN struct mount_plan plan = {0};
	AUTO_BUF struct buf text = {0};
	mount_plan_add_bind(&plan, "/src", "/dst", MOUNT_READ_ONLY | MOUNT_OPTIONAL, NULL);
	mount_op_format(&plan.ops[0], &text);
	assert_string_equal(text.data, "bind /dst from /src (read-only) (if it exists)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets_are_normal), cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_defaults_off), cmocka_unit_test(test_cwd_that_is_there_already),
		cmocka_unit_test(test_sort), cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_pack_and_parse), cmocka_unit_test(test_every_cut_is_refused),
		cmocka_unit_test(test_user_with_colon), cmocka_unit_test(test_format),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
