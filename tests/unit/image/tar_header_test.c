/* tar_header: the fields of a header block, well-formed and not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "image/tar_header.h"

static void numbers(void **state)
{
	(void)state;
	static const struct { const char *field; size_t len; bool good; int64_t value; } cases[] = {
		{"0000644\0", 8, true, 0644},
		{"   644 \0", 8, true, 0644},
		{"644\0zzzz", 8, true, 0644},
		{"12345670", 8, true, 012345670},
		{"\0\0\0\0\0\0\0\0", 8, true, 0},
		{"        ", 8, true, 0},
		{"0000648\0", 8, false, 0},
		{"-1\0\0\0\0\0\0", 8, false, 0},
		{"0x12\0\0\0\0", 8, false, 0},
		{"777777777777777777777", 21, true, INT64_MAX},
		{"7777777777777777777777", 22, false, 0},
		{"\x80\0\0\0\0\0\0\0\x01\0\0\0", 12, true, 1 << 24},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12, true, -2},
		{"\xff\xff\xff\xff\xff\xff\xff\xfb", 8, true, -5},
		{"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12, true, INT64_MAX},
		{"\x80\0\0\0\x80\0\0\0\0\0\0\0", 12, false, 0},
		{"\x80\0\0\1\0\0\0\0\0\0\0\0", 12, false, 0},
		{"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 12, false, 0},
		{"\xc0\0\0\0\0\0\0\0\0\0\0\0", 12, false, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t value = 0;
		uint64_t size = 0;
		bool good = tar_field_number(cases[i].field, cases[i].len, &value);
		if (good != cases[i].good || (good && value != cases[i].value))
			fail_msg("case %zu: %d %lld", i, good, (long long)value);
		assert_int_equal(tar_field_size(cases[i].field, cases[i].len, &size), good && value >= 0);
		if (good && value >= 0)
			assert_int_equal(size, value);
	}
}

static void sums(void **state)
{
	(void)state;
	struct tar_header header = {.name = "a\xff", .type = '0'};
	assert_true(tar_header_is_zero(&(struct tar_header){0}));
	assert_false(tar_header_is_zero(&header));
	unsigned plain = 'a' + 0xff + '0' + 8 * ' ', with_sign = plain - 0x100;
	snprintf(header.sum, sizeof header.sum, "%06o", plain);
	assert_true(tar_header_holds(&header));
	snprintf(header.sum, sizeof header.sum, "%06o", with_sign);
	assert_true(tar_header_holds(&header));
	snprintf(header.sum, sizeof header.sum, "%06o", plain + 1);
	assert_false(tar_header_holds(&header));
	memcpy(header.sum, "none", 5);
	assert_false(tar_header_holds(&header));
}

static void prefixes(void **state)
{
	(void)state;
	struct tar_header header = {.prefix = "some/where"};
	assert_int_equal(tar_header_prefix(&header), 0);  /* v7 has no prefix */
	memcpy(header.magic, "ustar  ", 8);
	assert_true(tar_header_is_gnu(&header));
	assert_int_equal(tar_header_prefix(&header), 0);
	memcpy(header.magic, "ustar\00000", 8);
	assert_false(tar_header_is_gnu(&header));
	assert_int_equal(tar_header_prefix(&header), 10);
	memset(header.prefix, 'p', sizeof header.prefix);
	assert_int_equal(tar_header_prefix(&header), 155);
	memcpy(header.tail + 8, "tar", 4);
	assert_int_equal(tar_header_prefix(&header), 131);
}

static void types(void **state)
{
	(void)state;
	assert_int_equal(tar_type_of('0')->mode, S_IFREG);
	assert_true(tar_type_of('\0')->data);
	assert_true(tar_type_of('1')->target);
	assert_false(tar_type_of('2')->data);
	assert_int_equal(tar_type_of('5')->mode, S_IFDIR);
	assert_int_equal(tar_type_of('6')->mode, S_IFIFO);
	assert_null(tar_type_of('x'));
	assert_null(tar_type_of('9'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers), cmocka_unit_test(sums), cmocka_unit_test(prefixes),
		cmocka_unit_test(types),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
