/* layout_tar: a directory as a tar that tar(1) unpacks to the same, hard links among it. */
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

#include "image/layout_tar.h"

/* 300 pairs of hard links, in directories of their own; a name that needs an extended header. */
static const char make_tree[] =
	"set -e; mkdir -p r/one r/two; for i in $(seq 300); do echo $i > r/one/$i; ln r/one/$i r/two/$i; done;"
	"long=r/$(printf '%0150d' 7); echo long > $long; ln -s $(basename $long) r/link; : > r/empty;"
	"chmod 4750 r/empty; touch -d @1234567 r/empty; mkfifo r/fifo";
static char dir[] = "/tmp/layout_tar_test.XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) && chdir(dir) == 0 ? system(make_tree) : -1;
}

static int teardown(void **state)
{
	(void)state;
	char command[100];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return chdir("/") == 0 ? system(command) : -1;
}

static uint64_t write_tar(const char *name)
{
	struct err err = ERR_NONE;
	uint64_t len;
	struct stat st;
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	if (layout_tar_write("r", fd, &len, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, len);
	close(fd);
	return len;
}

static void test_unpacks_to_the_same(void **state)
{
	(void)state;
	assert_int_equal(write_tar("a.tar") % 512, 0);
	assert_int_equal(system("mkdir x && tar -C x -xpf a.tar && rm r/fifo && diff -r r x && "
				"test \"$(stat -c %a:%Y r/empty)\" = \"$(stat -c %a:%Y x/empty)\" && "
				"test \"$(readlink x/link)\" = \"$(readlink r/link)\""), 0);
	assert_int_equal(system("for i in $(seq 300); do test x/one/$i -ef x/two/$i || exit 1; done; "
				"test \"$(find x -type f -links 2 | wc -l)\" = 600"), 0);
}

static void test_same_bytes(void **state)
{
	(void)state;
	assert_int_equal(write_tar("a.tar"), write_tar("b.tar"));
	assert_int_equal(system("cmp a.tar b.tar"), 0);
}

static void test_no_directory(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	uint64_t len;
	assert_int_equal(layout_tar_write("nowhere", 1, &len, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unpacks_to_the_same),
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_no_directory),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
