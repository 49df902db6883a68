/* root_path_test.c - paths inside a root that tries to get out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "runtime/root_path.h"

static char root[] = "/tmp/cmpirun-root-XXXXXX";

static int setup(void **state)
{
	char command[1024];
	(void)state;
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(command, sizeof command,
		 "cd %s && mkdir -p usr/lib var/home etc && ln -s /var/home home && ln -s ../../../../../.. out && "
		 "ln -s usr/lib lib && ln -s /run/x/resolv.conf etc/resolv.conf && ln -s ../run/rel etc/rel && "
		 "ln -s loop loop && touch file && ln -s dir-to-be/ etc/slash",
		 root);
	return system(command);
}

static int teardown(void **state)
{
	char command[100];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", root);
	return system(command);
}

static ino_t host_ino(const char *path)
{
	char full[200];
	struct stat status;
	snprintf(full, sizeof full, "%s/%s", root, path);
	return lstat(full, &status) == 0 ? status.st_ino : 0;
}

/* Makes `path` and says whether it is what the host sees at `where`. */
static void make(const char *path, bool directory, const char *where)
{
	AUTO_FD int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_NONE;
	struct stat status;
	AUTO_FD int fd = root_path_make(root_fd, path, directory, &err);
	if (fd < 0)
		fail_msg("%s", err.text);
	assert_int_equal(fstat(fd, &status), 0);
	assert_true(status.st_ino == host_ino(where));
	assert_true(S_ISDIR(status.st_mode) == directory);
}

static void test_make(void **state)
{
	(void)state;
	make("/", true, ".");
	make("/a/b/c", true, "a/b/c");
	make("/a/b/c/f", false, "a/b/c/f");
	make("/home/u", true, "var/home/u");
	make("/lib/x.so", false, "usr/lib/x.so");
	make("/etc/resolv.conf", false, "run/x/resolv.conf");
	make("/etc/rel", false, "run/rel");
	make("/etc/slash", true, "etc/dir-to-be");
	/* However far up, it is the root's own. */
	make("/out/etc", true, "etc");
	make("/out/new", true, "new");
	make("/a/../../../a2", true, "a2");
}

static void test_refusals(void **state)
{
	(void)state;
	AUTO_FD int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err;
	assert_int_equal(root_path_make(root_fd, "/loop/x", true, &err), -ELOOP);
	assert_int_equal(root_path_make(root_fd, "/file/x", true, &err), -ENOTDIR);
	assert_int_equal(root_path_open(root_fd, "/out/proc/self", O_PATH), -ENOENT);
}

static void test_link(void **state)
{
	(void)state;
	AUTO_FD int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[64] = "", path[200];
	assert_int_equal(root_path_link(root_fd, "/home/l/link", "/x", NULL), 0);
	assert_int_equal(root_path_link(root_fd, "/home/l/link", "/y", NULL), 0);
	snprintf(path, sizeof path, "%s/var/home/l/link", root);
	assert_int_equal(readlink(path, text, sizeof text - 1), 2);
	assert_string_equal(text, "/x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_make), cmocka_unit_test(test_refusals), cmocka_unit_test(test_link),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
