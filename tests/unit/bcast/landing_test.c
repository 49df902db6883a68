/*
 * The landing: allocated, aligned, shared with the file; too much is refused with the numbers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bcast/landing.h"

static void test_lands(void **state)
{
	(void)state;
	struct landing landing;
	struct err err = ERR_NONE;
	struct stat st;
	char byte;
	size_t size = (3 << 20) + 1;
	int fd = memfd_create("landing", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 10 << 20), 0);  /* was larger: is cut */
	assert_int_equal(landing_open(fd, size, &landing, &err), 0);
	assert_int_equal((uintptr_t)landing.base % (2 << 20), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_true((uint64_t)st.st_blocks * 512 >= size);
	landing.base[size - 1] = 'x';
	assert_int_equal(pread(fd, &byte, 1, (off_t)size - 1), 1);
	assert_int_equal(byte, 'x');
	landing_close(&landing);
	landing_close(&landing);
	close(fd);
}

static void test_empty(void **state)
{
	(void)state;
	struct landing landing;
	struct err err = ERR_NONE;
	struct stat st;
	int fd = memfd_create("landing", MFD_CLOEXEC);
	assert_int_equal(write(fd, "old", 3), 3);
	assert_int_equal(landing_open(fd, 0, &landing, &err), 0);
	assert_null(landing.base);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	close(fd);
}

static void test_too_large(void **state)
{
	(void)state;
	struct landing landing;
	struct err err = ERR_NONE;
	int fd = memfd_create("landing", MFD_CLOEXEC);
	assert_int_equal(landing_open(fd, 1ull << 50, &landing, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "1073741824 MiB"));
	close(fd);
}

static void test_not_a_file(void **state)
{
	(void)state;
	struct landing landing;
	struct err err = ERR_NONE;
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(landing_open(ends[1], 100, &landing, &err), -EINVAL);
	close(ends[0]);
	close(ends[1]);
}

static void test_meminfo(void **state)
{
	(void)state;
	assert_int_equal(landing_memory_available("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"),
			 2048 * 1024);
	assert_int_equal(landing_memory_available("MemTotal: 9 kB\n"), UINT64_MAX);
	assert_int_equal(landing_memory_available("MemAvailable: many"), UINT64_MAX);
	assert_int_equal(landing_memory_available(""), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lands),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_not_a_file),
		cmocka_unit_test(test_meminfo),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
