/* reorder: the files of a start come first, all else stays; and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "image/reorder.h"
#include "squash/squash_disk.h"

/* Incompressible files of whole blocks, in alphabetical order on the disk; small ones in fragments. */
static const char make_image[] =
	"set -e; mkdir -p r/d/e; for f in a m z; do head -c 65536 /dev/urandom > r/$f; done;"
	"echo small > r/d/small; : > r/empty; ln r/m r/d/hard; ln -s ../z r/d/link; mkfifo r/fifo;"
	"chmod 4751 r/a; chmod 0711 r; touch -d @1234567 r/z r/d; chown 7:8 r/m 2>/dev/null || :;"
	"mksquashfs r old -comp gzip -b 16384 -noappend -no-progress -quiet >/dev/null";
static char dir[] = "/tmp/reorder_test.XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) && chdir(dir) == 0 ? system(make_image) : -1;
}

static int teardown(void **state)
{
	(void)state;
	char command[100];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return chdir("/") == 0 ? system(command) : -1;
}

/* Where the data of a file of the root begins. */
static uint64_t start_of(const char *image, const char *name)
{
	const struct disk_limits limits = {1 << 20, 1 << 20, 1 << 20};
	struct disk disk;
	struct disk_reader reader;
	struct disk_inode inode;
	struct disk_entry entry;
	int fd = open(image, O_RDONLY | O_CLOEXEC);
	assert_int_equal(disk_open(&disk, fd, &limits, NULL), 0);
	assert_int_equal(disk_reader_init(&reader, &disk, NULL), 0);
	assert_int_equal(disk_inode_get(&reader, disk.super.root_inode, &inode, NULL), 0);
	assert_int_equal(disk_dir_find(&reader, &inode, name, &entry, NULL), 1);
	assert_int_equal(disk_inode_get(&reader, entry.inode, &inode, NULL), 0);
	disk_reader_free(&reader);
	disk_close(&disk);
	close(fd);
	return inode.start;
}

static int reorder(const struct reorder_use *uses, size_t count, struct reorder_result *result,
		   struct err *err)
{
	struct image_file old;
	int fd = open("new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(image_file_open("old", &old, err), 0);
	int rc = image_reorder(&old, uses, count, fd, result, err);
	image_file_close(&old);
	close(fd);
	return rc;
}

static bool is_hot(const struct reorder_result *result, uint64_t at)
{
	for (size_t i = 0; i < result->hot_count; i++)
		if (at >= result->hot[i].offset && at - result->hot[i].offset < result->hot[i].len)
			return true;
	return false;
}

static void test_order(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct reorder_result result;
	const struct reorder_use uses[] = {
		{"", 0, 96}, {"/z", start_of("old", "z"), 100}, {"/d/hard", start_of("old", "m"), 20000},
		{"/z", start_of("old", "z"), 100},
	};
	assert_true(start_of("old", "a") < start_of("old", "z"));
	if (reorder(uses, 4, &result, &err) < 0)
		fail_msg("%s", err.text);
	uint64_t z = start_of("new", "z"), m = start_of("new", "m"), a = start_of("new", "a");
	assert_true(z < m && m < a);
	assert_int_equal(result.moved, 2);
	assert_int_equal(result.files, 5);
	assert_int_equal(result.dropped, 0);
	/* One block of z was used, two of m, nothing of a. */
	assert_true(is_hot(&result, z) && is_hot(&result, m) && is_hot(&result, m + 16384));
	assert_false(is_hot(&result, z + 16384) || is_hot(&result, m + 32768) || is_hot(&result, a));
	free(result.hot);
}

static void test_equal_trees(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct reorder_result result;
	const struct reorder_use use = {"/z", start_of("old", "z"), 1};
	if (reorder(&use, 1, &result, &err) < 0)
		fail_msg("%s", err.text);
	free(result.hot);
	/* Types, modes, owners, sizes, times, names; the root's too; contents. */
	assert_int_equal(system("unsquashfs -lln old | grep squashfs-root > o; unsquashfs -lln new | "
				"grep squashfs-root > n; test -s o && cmp o n"), 0);
	assert_int_equal(system("unsquashfs -q -n -d x new >/dev/null && for f in a m z d/small empty; do "
				"cmp r/$f x/$f || exit 1; done; test x/m -ef x/d/hard"), 0);
}

static void refused(const char *path, uint64_t offset, uint64_t len, int number, const char *text)
{
	struct err err = ERR_NONE;
	struct reorder_result result;
	const struct reorder_use use = {path, offset, len};
	assert_int_equal(reorder(&use, 1, &result, &err), number);
	assert_non_null(strstr(err.text, text));
	assert_null(result.hot);
}

static void test_refused(void **state)
{
	(void)state;
	refused("/nowhere", 96, 10, -ESTALE, "another image");
	refused("/d", 96, 10, -ESTALE, "another image");
	refused("/z", 1 << 30, 10, -ESTALE, "larger");
	refused("/z", start_of("old", "a"), 10, -ESTALE, "lies where");
}

static void test_no_room(void **state)
{
	(void)state;
	struct rlimit before, small;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 100000;
	uint64_t z = start_of("old", "z");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	struct err err = ERR_NONE;
	struct reorder_result result;
	const struct reorder_use use = {"/z", z, 10};
	int rc = reorder(&use, 1, &result, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(rc, -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_equal_trees),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_room),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
