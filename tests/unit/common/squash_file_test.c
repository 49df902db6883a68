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

enum { HEADER = 128, TABLE = 4096, DESCRIPTOR = 585, PARTITION = 8192, SUPER = 96, USED = 200 };

static void put(unsigned char *at, uint64_t value, size_t count)
{
	for (size_t i = 0; i < count; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

/* A superblock of 200 bytes in all, whose tables are where they may be. */
static void super(unsigned char *at)
{
	memcpy(at, "hsqs", 4);
	put(at + 4, 3, 4);
	put(at + 12, 4096, 4);
	put(at + 20, 6, 2);
	put(at + 22, 12, 2);
	put(at + 26, 1, 2);
	put(at + 28, 4, 2);
	put(at + 40, USED, 8);
	for (int i = 0; i < 6; i++)
		put(at + 48 + 8 * i, SUPER + 4 * i, 8);
}

static int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	assert_int_equal(write(fd, bytes, len), len);
	return fd;
}

static void make_sif(unsigned char *bytes)
{
	memcpy(bytes, "#!/usr/bin/env run-singularity\n", 31);
	memcpy(bytes + 32, "SIF_MAGIC", 10);
	put(bytes + 88, 1, 8);
	put(bytes + 96, TABLE, 8);
	unsigned char *descriptor = bytes + TABLE;
	put(descriptor, 0x4004, 4);
	descriptor[4] = 1;
	put(descriptor + 17, PARTITION, 8);
	put(descriptor + 25, USED, 8);
	put(descriptor + 201, 1, 4);
	put(descriptor + 205, 2, 4);
	super(bytes + PARTITION);
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
	make_sif(bytes);
	int fd = file_of(bytes, sizeof bytes);
	assert_int_equal(squash_file_part(fd, &part, &err), 0);
	assert_int_equal(part.at, PARTITION);
	assert_int_equal(part.size, USED);
	assert_int_equal(squash_file_look(fd, &part, &found, &err), 0);
	assert_int_equal(found.bytes_used, USED);
	/* Cut in the partition, in the table, in the header. */
	static const struct { size_t len; int number; } cuts[] = {
		{PARTITION + USED - 1, -EBADMSG}, {TABLE + DESCRIPTOR - 1, -EBADMSG}, {SUPER, -EMEDIUMTYPE},
		{HEADER, -EBADMSG},
	};
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
		assert_int_equal(ftruncate(fd, (off_t)cuts[i].len), 0);
		assert_int_equal(squash_file_look(fd, &part, &found, &err), cuts[i].number);
		assert_int_equal(pwrite(fd, bytes, sizeof bytes, 0), sizeof bytes);
	}
	/* What is in the partition is smaller than it says, or no squashfs; a partition inside of the header. */
	put(bytes + TABLE + 25, USED - 1, 8);
	assert_int_equal(pwrite(fd, bytes, sizeof bytes, 0), sizeof bytes);
	assert_int_equal(squash_file_look(fd, &part, &found, &err), -ENODATA);
	put(bytes + TABLE + 25, 3, 8);
	assert_int_equal(pwrite(fd, bytes, sizeof bytes, 0), sizeof bytes);
	assert_int_equal(squash_file_look(fd, &part, &found, &err), -EMEDIUMTYPE);
	put(bytes + TABLE + 25, USED, 8);
	put(bytes + TABLE + 17, 0, 8);
	assert_int_equal(pwrite(fd, bytes, sizeof bytes, 0), sizeof bytes);
	assert_int_equal(squash_file_look(fd, &part, &found, &err), -EBADMSG);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whole), cmocka_unit_test(partition)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
