/*
 * The destination: under its name complete or not at all.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bcast/destination.h"

static char dir[] = "/tmp/destination_test.XXXXXX";

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/destination_test.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int entries(void)
{
	DIR *stream = opendir(dir);
	int count = 0;
	assert_non_null(stream);
	while (readdir(stream) != NULL)
		count++;
	closedir(stream);
	return count - 2;  /* . and .. */
}

static int tear_down(void **state)
{
	(void)state;
	char command[256];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static void assert_content(const char *name, const char *want)
{
	char path[128], got[64] = "";
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	size_t len = fread(got, 1, sizeof got - 1, file);
	fclose(file);
	assert_int_equal(len, strlen(want));
	assert_string_equal(got, want);
}

static void copy_to(const char *path, const char *text)
{
	struct destination destination;
	struct err err = ERR_NONE;
	struct timespec mtime = {.tv_sec = 1234567890, .tv_nsec = 5};
	assert_int_equal(destination_open(path, "named", &destination, &err), 0);
	assert_int_equal(write(destination.fd, text, strlen(text)), strlen(text));
	assert_int_equal(destination_commit(&destination, 04751, &mtime, &err), 0);
	destination_close(&destination);
}

static void test_commit(void **state)
{
	(void)state;
	char path[128];
	struct stat st;
	snprintf(path, sizeof path, "%s/file", dir);
	copy_to(path, "one");
	assert_content("file", "one");
	copy_to(path, "two");  /* replaced */
	assert_content("file", "two");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	assert_int_equal(st.st_mtim.tv_sec, 1234567890);
	assert_int_equal(entries(), 1);
	copy_to(dir, "three");  /* a directory: the source's name in it */
	assert_content("named", "three");
	assert_int_equal(entries(), 2);
}

static void test_discard(void **state)
{
	(void)state;
	struct destination destination;
	struct err err = ERR_NONE;
	char path[128];
	snprintf(path, sizeof path, "%s/file", dir);
	copy_to(path, "old");
	assert_int_equal(destination_open(path, "named", &destination, &err), 0);
	assert_int_equal(write(destination.fd, "new", 3), 3);
	destination_close(&destination);
	destination_close(&destination);
	assert_content("file", "old");
	assert_int_equal(entries(), 1);
}

static void test_refused(void **state)
{
	(void)state;
	struct destination destination;
	struct err err = ERR_NONE;
	char path[128];
	assert_int_equal(destination_open("/nonexistent/dir/file", "n", &destination, &err), -ENOENT);
	assert_int_equal(destination_open("/nonexistent/", "n", &destination, &err), -ENOENT);
	assert_int_equal(destination_open("/dev/null", "n", &destination, &err), -EEXIST);
	snprintf(path, sizeof path, "%s/sub", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/sub/named", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/sub", dir);  /* its "named" is a directory */
	assert_int_equal(destination_open(path, "named", &destination, &err), -EEXIST);
	assert_int_equal(destination.fd, -1);
	assert_int_equal(destination.dir_fd, -1);
}

static void test_base(void **state)
{
	(void)state;
	assert_string_equal(destination_base("a/b"), "b");
	assert_string_equal(destination_base("b"), "b");
	assert_string_equal(destination_base("a/"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_discard, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test(test_base),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
