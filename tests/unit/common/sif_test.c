/* sif: headers made by hand: where the system partition is, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "common/sif.h"

enum { FILE_SIZE = 100000, PARTITION = 0x4004, SQUASH = 1, ENCRYPTED = 4, SYSTEM = 1, PRIMARY = 2 };

static void put(unsigned char *at, uint64_t value, size_t count)
{
	for (size_t i = 0; i < count; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

static void descriptor(unsigned char *at, uint32_t type, bool used, uint64_t offset, uint64_t size,
		       uint32_t fs, uint32_t part)
{
	memset(at, 0, SIF_DESCRIPTOR_SIZE);
	put(at, type, 4);
	at[4] = used;
	put(at + 17, offset, 8);
	put(at + 25, size, 8);
	put(at + 201, fs, 4);
	put(at + 205, part, 4);
}

static void header(unsigned char *bytes, uint64_t count, uint64_t table_at)
{
	memset(bytes, 0, SIF_HEADER_SIZE);
	memcpy(bytes + 32, "SIF_MAGIC", 10);
	put(bytes + 88, count, 8);
	put(bytes + 96, table_at, 8);
}

static void test_header(void **state)
{
	(void)state;
	unsigned char bytes[SIF_HEADER_SIZE];
	struct err err = ERR_NONE;
	uint64_t at, len;
	header(bytes, 48, 4096);
	assert_int_equal(sif_parse_header(bytes, sizeof bytes, FILE_SIZE, &at, &len, &err), 0);
	assert_int_equal(at, 4096);
	assert_int_equal(len, 48 * SIF_DESCRIPTOR_SIZE);
	assert_int_equal(sif_parse_header(bytes, sizeof bytes - 1, FILE_SIZE, &at, &len, &err), -EMEDIUMTYPE);
	assert_int_equal(sif_parse_header(bytes, sizeof bytes, 4096 + len, &at, &len, &err), 0);
	assert_int_equal(sif_parse_header(bytes, sizeof bytes, 4096 + len - 1, &at, &len, &err), -EBADMSG);
	header(bytes, 1, UINT64_MAX);
	assert_int_equal(sif_parse_header(bytes, sizeof bytes, FILE_SIZE, &at, &len, &err), -EBADMSG);
	header(bytes, UINT64_MAX, 4096);
	assert_int_equal(sif_parse_header(bytes, sizeof bytes, FILE_SIZE, &at, &len, &err), -EBADMSG);
	bytes[32] = 'X';
	assert_int_equal(sif_parse_header(bytes, sizeof bytes, FILE_SIZE, &at, &len, &err), -EMEDIUMTYPE);
}

static void test_partition(void **state)
{
	(void)state;
	unsigned char table[4 * SIF_DESCRIPTOR_SIZE];
	struct err err = ERR_NONE;
	uint64_t at = 0, size = 0;
	/* Not a partition; not used; the primary one, preferred; a system. */
	descriptor(table, 0x4001, true, 1, 1, SQUASH, PRIMARY);
	descriptor(table + SIF_DESCRIPTOR_SIZE, PARTITION, false, 2, 2, SQUASH, PRIMARY);
	descriptor(table + 2 * SIF_DESCRIPTOR_SIZE, PARTITION, true, 300, 400, SQUASH, PRIMARY);
	descriptor(table + 3 * SIF_DESCRIPTOR_SIZE, PARTITION, true, 500, 600, SQUASH, SYSTEM);
	assert_int_equal(sif_find_partition(table, sizeof table, FILE_SIZE, &at, &size, &err), 0);
	assert_int_equal(at, 300);
	assert_int_equal(size, 400);
	assert_int_equal(sif_find_partition(table, 2 * SIF_DESCRIPTOR_SIZE, FILE_SIZE, &at, &size, &err), -ENOENT);
	assert_int_equal(sif_find_partition(table, 0, FILE_SIZE, &at, &size, &err), -ENOENT);
	assert_int_equal(sif_find_partition(table, sizeof table, 700, &at, &size, &err), 0);
	assert_int_equal(sif_find_partition(table, sizeof table, 699, &at, &size, &err), -EBADMSG);
}

static void test_refused(void **state)
{
	(void)state;
	unsigned char one[SIF_DESCRIPTOR_SIZE];
	struct err err = ERR_NONE;
	uint64_t at, size;
	descriptor(one, PARTITION, true, 300, 400, ENCRYPTED, PRIMARY);
	assert_int_equal(sif_find_partition(one, sizeof one, FILE_SIZE, &at, &size, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "encrypted"));
	descriptor(one, PARTITION, true, 300, UINT64_MAX, SQUASH, PRIMARY);
	assert_int_equal(sif_find_partition(one, sizeof one, FILE_SIZE, &at, &size, &err), -EBADMSG);
	descriptor(one, PARTITION, true, UINT64_MAX, 1, SQUASH, PRIMARY);
	assert_int_equal(sif_find_partition(one, sizeof one, FILE_SIZE, &at, &size, &err), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_partition),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
