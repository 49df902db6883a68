/* squash_file: the squashfs of a file, as a whole, and as a partition of a SIF file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/squash_file.h"
#include "tests/unit/common/make_sif.h"

enum { PARTITION = 8192, SUPER = 96, USED = 200 };

/* A superblock of 200 bytes in all, whose tables are where they may be. */
static void super(unsigned char *at)
{
	memcpy(at, "hsqs", 4);
	sif_put(at + 4, 3, 4);
	sif_put(at + 12, 4096, 4);
	sif_put(at + 20, 6, 2);
	sif_put(at + 22, 12, 2);
	sif_put(at + 26, 1, 2);
	sif_put(at + 28, 4, 2);
	sif_put(at + 40, USED, 8);
	for (int i = 0; i < 6; i++)
		sif_put(at + 48 + 8 * i, SUPER + 4 * i, 8);
}

static int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	assert_int_equal(write(fd, bytes, len), len);
	return fd;
}

static void whole(void **state)
{
	(void)state;
	unsigned char bytes[300] = {0};
	struct squash_part part;
	struct squash_super found;
	struct err err = ERR_NONE;
	super(bytes);
	int fd = file_of(bytes, sizeof bytes);
	assert_int_equal(squash_file_look(fd, &part, &found, &err), 0);
	assert_int_equal(part.at, 0);
	assert_int_equal(part.size, sizeof bytes);
	assert_int_equal(found.inodes, 3);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), sizeof bytes);
	close(fd);
	fd = file_of("hello", 5);
	assert_int_equal(squash_file_part(fd, &part, &err), 0);
	assert_int_equal(part.size, 5);
	assert_int_equal(squash_file_look(fd, &part, &found, &err), -EMEDIUMTYPE);
	close(fd);
}

static void partition(void **state)
{
	(void)state;
	unsigned char bytes[PARTITION + USED + 100] = {0};
	struct squash_part part;
	struct squash_super found;
	struct err err = ERR_NONE;
	sif_make(bytes, PARTITION, USED);
	super(bytes + PARTITION);
	int fd = file_of(bytes, sizeof bytes);
	assert_int_equal(squash_file_part(fd, &part, &err), 0);
	assert_int_equal(part.at, PARTITION);
	assert_int_equal(part.size, USED);
	assert_int_equal(squash_file_look(fd, &part, &found, &err), 0);
	assert_int_equal(found.bytes_used, USED);
	/* Cut in the partition, in the table, in the header. */
	static const struct { size_t len; int number; } cuts[] = {
		{PARTITION + USED - 1, -EBADMSG}, {SIF_HEAD - 1, -EBADMSG}, {SUPER, -EMEDIUMTYPE},
		{SIF_TABLE, -EBADMSG},
	};
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
		assert_int_equal(ftruncate(fd, (off_t)cuts[i].len), 0);
		assert_int_equal(squash_file_look(fd, &part, &found, &err), cuts[i].number);
		assert_int_equal(pwrite(fd, bytes, sizeof bytes, 0), sizeof bytes);
	}
	/* What is in the partition is smaller than it says, or no squashfs; a partition inside of the header. */
	sif_put(bytes + SIF_PART_SIZE, USED - 1, 8);
	assert_int_equal(pwrite(fd, bytes, sizeof bytes, 0), sizeof bytes);
	assert_int_equal(squash_file_look(fd, &part, &found, &err), -ENODATA);
	sif_put(bytes + SIF_PART_SIZE, 3, 8);
	assert_int_equal(pwrite(fd, bytes, sizeof bytes, 0), sizeof bytes);
	assert_int_equal(squash_file_look(fd, &part, &found, &err), -EMEDIUMTYPE);
	sif_put(bytes + SIF_PART_SIZE, USED, 8);
	sif_put(bytes + SIF_PART_AT, 0, 8);
	assert_int_equal(pwrite(fd, bytes, sizeof bytes, 0), sizeof bytes);
	assert_int_equal(squash_file_look(fd, &part, &found, &err), -EBADMSG);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whole), cmocka_unit_test(partition)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
