/* file_read: all that is asked for, what there is at the end, and an error's number. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/file_read.h"

static void reads(void **state)
{
	(void)state;
	char bytes[8] = "";
	int fd = memfd_create("file", MFD_CLOEXEC);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(file_read_at(fd, bytes, 4, 3), 4);
	assert_memory_equal(bytes, "3456", 4);
	assert_int_equal(file_read_at(fd, bytes, 4, 8), 2);
	assert_memory_equal(bytes, "89", 2);
	assert_int_equal(file_read_at(fd, bytes, 4, 10), 0);
	assert_int_equal(file_read_at(fd, bytes, 0, 0), 0);
	close(fd);
	assert_int_equal(file_read_at(fd, bytes, 4, 0), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(reads)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
