/*
 * kvs_test.c - puts, gets, and what a fence carries.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pmix/kvs.h"

static void put_and_get(void **state)
{
	struct kvs *kvs = kvs_new(1 << 20);
	char key[32], value[32];
	(void)state;
	assert_null(kvs_get(kvs, "a"));
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof key, "key-%d", i);
		snprintf(value, sizeof value, "value %d", i);
		assert_int_equal(kvs_put(kvs, key, value, NULL), 0);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof key, "key-%d", i);
		snprintf(value, sizeof value, "value %d", i);
		assert_string_equal(kvs_get(kvs, key), value);
	}
	assert_null(kvs_get(kvs, "key-5000"));
	assert_int_equal(kvs_put(kvs, "key-7", "", NULL), 0);
	assert_string_equal(kvs_get(kvs, "key-7"), "");
	kvs_free(&kvs);
	assert_null(kvs);
}

static void bounds(void **state)
{
	struct kvs *kvs = kvs_new(3000);
	struct err err;
	char key[KVS_KEY_MAX + 2], value[KVS_VALUE_MAX + 2];
	(void)state;
	memset(key, 'k', sizeof key);
	memset(value, 'v', sizeof value);
	key[KVS_KEY_MAX + 1] = value[KVS_VALUE_MAX + 1] = '\0';
	assert_int_equal(kvs_put(kvs, key, "x", &err), -EINVAL);
	assert_int_equal(kvs_put(kvs, "x", value, &err), -EINVAL);
	assert_int_equal(kvs_put(kvs, "", "x", &err), -EINVAL);
	key[KVS_KEY_MAX] = value[KVS_VALUE_MAX] = '\0';
	assert_int_equal(kvs_put(kvs, key, value, &err), 0);
	/* 1086 bytes each: two fit, putting one of them again does not count twice. */
	key[0] = '2';
	assert_int_equal(kvs_put(kvs, key, value, &err), 0);
	assert_int_equal(kvs_put(kvs, key, value, &err), 0);
	key[0] = '3';
	assert_int_equal(kvs_put(kvs, key, value, &err), -ENOSPC);
	assert_null(kvs_get(kvs, key));
	kvs_free(&kvs);
}

static void only_new_keys_are_exported(void **state)
{
	struct kvs *a = kvs_new(1 << 20), *b = kvs_new(1 << 20);
	AUTO_BUF struct buf first = {0}, second = {0}, third = {0};
	(void)state;
	kvs_put(a, "one", "1", NULL);
	kvs_put(a, "one", "eins", NULL);
	kvs_export(a, &first);
	assert_int_equal(first.len, 4 + 3 + 4 + 4);
	assert_int_equal(kvs_import(b, first.data, first.len, NULL), 0);
	assert_string_equal(kvs_get(b, "one"), "eins");
	/* What was imported is not exported again. */
	kvs_put(b, "two", "2", NULL);
	kvs_export(b, &second);
	assert_int_equal(second.len, 4 + 3 + 4 + 1);
	/* A value that changed is new. */
	kvs_put(a, "one", "uno", NULL);
	kvs_export(a, &third);
	assert_int_equal(kvs_import(b, third.data, third.len, NULL), 0);
	assert_string_equal(kvs_get(b, "one"), "uno");
	kvs_export(a, &third);
	assert_int_equal(third.len, 4 + 3 + 4 + 3);
	kvs_free(&a);
	kvs_free(&b);
}

static void foreign_bytes_are_refused(void **state)
{
	struct kvs *kvs = kvs_new(1 << 20);
	AUTO_BUF struct buf bytes = {0}, nul = {0}, longest = {0};
	struct err err;
	char text[KVS_VALUE_MAX + 1] = "";
	(void)state;
	buf_add_str(&bytes, "key");
	buf_add_str(&bytes, "value");
	for (size_t len = 1; len < bytes.len; len++)
		assert_int_equal(kvs_import(kvs, bytes.data, len, &err), -EPROTO);
	buf_add_blob(&nul, "k\0y", 3);
	buf_add_str(&nul, "value");
	assert_int_equal(kvs_import(kvs, nul.data, nul.len, &err), -EPROTO);
	buf_add_str(&longest, "key");
	memset(text, 'x', sizeof text);
	buf_add_blob(&longest, text, sizeof text);
	assert_int_equal(kvs_import(kvs, longest.data, longest.len, &err), -EPROTO);
	kvs_free(&kvs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put_and_get),
		cmocka_unit_test(bounds),
		cmocka_unit_test(only_new_keys_are_exported),
		cmocka_unit_test(foreign_bytes_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
