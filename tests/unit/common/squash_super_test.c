/* squash_super: what is an image, and what is wrong with what is none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/squash_super.h"

/* A good superblock: 10,000 bytes, zstd, 128 KiB blocks. */
static void super_bytes(uint8_t bytes[SQUASH_SUPER_SIZE])
{
	static const struct { unsigned at, size; uint64_t value; } fields[] = {
		{4, 4, 7}, {12, 4, 131072}, {16, 4, 1}, {20, 2, SQUASH_ZSTD}, {22, 2, 17}, {26, 2, 1},
		{28, 2, 4}, {40, 8, 10000}, {48, 8, 9000}, {56, 8, UINT64_MAX}, {64, 8, 5000},
		{72, 8, 6000}, {80, 8, 7000}, {88, 8, 8000},
	};
	memset(bytes, 0, SQUASH_SUPER_SIZE);
	memcpy(bytes, "hsqs", 4);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		for (unsigned k = 0; k < fields[i].size; k++)
			bytes[fields[i].at + k] = (uint8_t)(fields[i].value >> (8 * k));
}

static void check(const uint8_t *bytes, size_t len, uint64_t size, int expected, const char *text)
{
	struct err err = ERR_NONE;
	struct squash_super super;
	assert_int_equal(squash_super_parse(bytes, len, size, &super, &err), expected);
	if (text && !strstr(err.text, text))
		fail_msg("'%s' lacks '%s'", err.text, text);
}

static void a_good_one(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct squash_super super;
	uint8_t bytes[SQUASH_SUPER_SIZE];
	super_bytes(bytes);
	assert_int_equal(squash_super_parse(bytes, sizeof bytes, 12288, &super, &err), 0);
	assert_int_equal(super.bytes_used, 10000);
	assert_int_equal(super.block_size, 131072);
	assert_int_equal(super.inodes, 7);
	assert_int_equal(super.directory_table, 6000);
	assert_string_equal(squash_compressor_name(super.compressor), "zstd");
}

static void look_alikes(void **state)
{
	(void)state;
	uint8_t sif[96] = "#!/usr/bin/env run-singularity\n";
	memcpy(sif + 32, "SIF_MAGIC", 9);
	check(sif, sizeof sif, 4096, -EMEDIUMTYPE, "SIF");
	check((const uint8_t *)"\x1f\x8b\x08\0", 4, 4096, -EMEDIUMTYPE, "gzip");
	check((const uint8_t *)"\x7f" "ELF", 4, 4096, -EMEDIUMTYPE, "program");
	check((const uint8_t *)"#!/bin/sh", 9, 9, -EMEDIUMTYPE, "script");
	check((const uint8_t *)"hello", 5, 5, -EMEDIUMTYPE, "mksquashfs");
	check((const uint8_t *)"", 0, 0, -ENODATA, "empty");
}

static void cut_off(void **state)
{
	(void)state;
	uint8_t bytes[SQUASH_SUPER_SIZE];
	super_bytes(bytes);
	check(bytes, 50, 50, -ENODATA, "first 50 bytes");
	check(bytes, sizeof bytes, 9999, -ENODATA, "9999 bytes, its superblock says 10000");
	check(bytes, sizeof bytes, 10000, 0, NULL);
}

static void broken_fields(void **state)
{
	(void)state;
	static const struct { unsigned at; uint8_t value; int expected; const char *text; } cases[] = {
		{28, 3, -ENOTSUP, "version 3.0"},  {20, 9, -ENOTSUP, "compressor 9"},
		{20, 2, -ENOTSUP, "lzma"},         {22, 16, -EBADMSG, "block size"},
		{22, 21, -EBADMSG, "block size"},  {4, 0, -EBADMSG, "table"},
		{73, 0xff, -EBADMSG, "table"},     {64, 0, 0, NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t bytes[SQUASH_SUPER_SIZE];
		super_bytes(bytes);
		bytes[cases[i].at] = cases[i].value;
		check(bytes, sizeof bytes, 12288, cases[i].expected, cases[i].text);
	}
}

static void names_outside_the_table(void **state)
{
	(void)state;
	assert_string_equal(squash_compressor_name((enum squash_compressor)0), "?");
	assert_string_equal(squash_compressor_name((enum squash_compressor)77), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one),    cmocka_unit_test(look_alikes),
		cmocka_unit_test(cut_off),       cmocka_unit_test(broken_fields),
		cmocka_unit_test(names_outside_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
