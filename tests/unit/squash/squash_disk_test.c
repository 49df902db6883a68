/* squash_disk: places that lead nowhere; whole images are squash_test's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "squash/squash_disk.h"

static const struct disk_limits limits = {1 << 20, 1 << 20, 1 << 20};

static void root_and_beyond(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct disk disk;
	struct disk_reader reader;
	struct disk_inode inode;
	struct disk_dir dir;
	struct disk_entry entry;
	int names = 0, rc;
	int fd = open(TEST_SOURCE_DIR "/fuzz/squash/squash_fuzz/xz", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(disk_open(&disk, fd, &limits, &err), 0);
	assert_int_equal(disk_reader_init(&reader, &disk, &err), 0);
	assert_int_equal(disk_inode_get(&reader, disk.super.root_inode, &inode, &err), 0);
	assert_true(S_ISDIR(inode.mode));
	assert_int_equal(disk_dir_open(&inode, &dir, &err), 0);
	while ((rc = disk_dir_next(&reader, &dir, &entry, &err)) > 0)
		names++;
	assert_int_equal(rc, 0);
	assert_int_equal(names, 7);
	assert_int_equal(disk_file_read(&reader, &inode, 0, &entry, 1, &err), -EINVAL);

	assert_int_equal(disk_inode_get(&reader, UINT64_MAX, &inode, &err), -EIO);
	assert_int_equal(disk_inode_get(&reader, disk.super.root_inode | 0xffff, &inode, &err), -EIO);

	struct disk_inode file = {.mode = S_IFREG, .size = 10, .fragment = 0, .fragment_offset = 1u << 30};
	char bytes[10];
	assert_int_equal(disk_file_read(&reader, &file, 0, bytes, sizeof bytes, &err), -EIO);
	file.fragment = 1000000;
	assert_int_equal(disk_file_read(&reader, &file, 0, bytes, sizeof bytes, &err), -EIO);
	disk_reader_free(&reader);
	disk_close(&disk);
	close(fd);
}

static void not_an_image(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct disk disk;
	int fd = open(__FILE__, O_RDONLY | O_CLOEXEC);
	assert_int_equal(disk_open(&disk, fd, &limits, &err), -EMEDIUMTYPE);
	disk_close(&disk);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_and_beyond), cmocka_unit_test(not_an_image),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
