/* layer_pax: records of extended headers; which are taken, which are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "image/layer_pax.h"
#include "make_tar.h"

/* "KEY=VALUE" as one header's record. */
static int add(struct layer_pax *pax, struct buf *records, const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');
	char key[64];
	snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
	records->len = 0;
	pax_record(records, key, equals + 1, strlen(equals + 1));
	return layer_pax_parse(records->data, records->len, pax, err);
}

static void expect_text(struct layer_text text, const char *wanted)
{
	assert_int_equal(text.len, strlen(wanted));
	assert_memory_equal(text.at, wanted, text.len);
}

static void keys(void **state)
{
	(void)state;
	struct layer_pax pax = {0};
	struct buf records = {0};
	struct err err = ERR_NONE;
	pax_record(&records, "path", "a b", 3);
	pax_record(&records, "linkpath", "to\nthere", 8);
	pax_record(&records, "size", "12345678901", 11);
	pax_record(&records, "uid", "7", 1);
	pax_record(&records, "gid", "4294967295", 10);
	pax_record(&records, "mtime", "-1.5", 4);
	pax_record(&records, "comment", "nothing", 7);
	pax_record(&records, "SCHILY.xattr.user.a", "x\0y", 3);
	pax_record(&records, "SCHILY.xattr.trusted.overlay.opaque", "y", 1);
	pax_record(&records, "SCHILY.xattr.security.capability", "y", 1);
	pax_record(&records, "SCHILY.xattr.user.a", "again", 5);
	pax_record(&records, "SCHILY.xattr.user.b", "", 0);
	buf_add(&records, "\0\0", 2);  /* some writers pad */
	assert_int_equal(layer_pax_parse(records.data, records.len, &pax, &err), 0);
	expect_text(pax.path, "a b");
	expect_text(pax.linkpath, "to\nthere");
	assert_true(pax.has_size && pax.has_uid && pax.has_gid && pax.has_mtime);
	assert_int_equal(pax.size, 12345678901);
	assert_int_equal(pax.uid, 7);
	assert_int_equal(pax.gid, UINT32_MAX);
	assert_int_equal(pax.mtime, -2);  /* rounded down */
	assert_int_equal(pax.xattr_count, 2);
	expect_text(pax.xattrs[0].name, "user.a");
	expect_text(pax.xattrs[0].value, "again");
	expect_text(pax.xattrs[1].value, "");
	assert_false(pax.sparse);
	layer_pax_reset(&pax);
	assert_null(pax.path.at);
	buf_free(&records);
}

static void taken_back(void **state)
{
	(void)state;
	struct layer_pax pax = {0};
	struct buf first = {0}, second = {0};
	struct err err = ERR_NONE;
	assert_int_equal(add(&pax, &first, "path=a", &err), 0);
	assert_int_equal(add(&pax, &second, "path=", &err), 0);
	assert_null(pax.path.at);
	assert_int_equal(add(&pax, &first, "size=5", &err), 0);
	assert_int_equal(add(&pax, &second, "size=", &err), 0);
	assert_false(pax.has_size);
	assert_int_equal(add(&pax, &first, "mtime=5", &err), 0);
	assert_int_equal(add(&pax, &second, "mtime=", &err), 0);
	assert_false(pax.has_mtime);
	layer_pax_reset(&pax);
	buf_free(&first);
	buf_free(&second);
}

static void maps(void **state)
{
	(void)state;
	struct layer_pax pax = {0};
	struct buf records = {0};
	struct err err = ERR_NONE;
	assert_int_equal(add(&pax, &records, "GNU.sparse.map=0,5,100,7", &err), 0);
	const struct layer_segment *segments = (const struct layer_segment *)pax.map.data;
	assert_true(pax.sparse);
	assert_int_equal(pax.map.len, 2 * sizeof *segments);
	assert_int_equal(segments[1].at, 100);
	assert_int_equal(segments[1].len, 7);
	layer_pax_reset(&pax);
	assert_int_equal(add(&pax, &records, "GNU.sparse.offset=3", &err), 0);
	assert_int_equal(add(&pax, &records, "GNU.sparse.numbytes=4", &err), 0);
	segments = (const struct layer_segment *)pax.map.data;
	assert_int_equal(pax.map.len, sizeof *segments);
	assert_int_equal(segments[0].at, 3);
	assert_int_equal(segments[0].len, 4);
	assert_int_equal(add(&pax, &records, "GNU.sparse.numbytes=4", &err), -EBADMSG);  /* of what? */
	layer_pax_reset(&pax);
	static const char *const broken[] = {"1,2,3", "1,", "a,1", "1,2,,", "-1,2"};
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		char text[64];
		snprintf(text, sizeof text, "GNU.sparse.map=%s", broken[i]);
		assert_int_equal(add(&pax, &records, text, &err), -EBADMSG);
		layer_pax_reset(&pax);
	}
	buf_free(&records);
}

static void refused(void **state)
{
	(void)state;
	static const char *const records[] = {
		"x", "7 a=b", "0 a=b\n", "99 a=b\n", "6 a=bc\n", "5 a=b\n", "6 ab c\n", "5 =b\n", " a=b\n", "-6 a=b\n",
		"18446744073709551616 a=b\n", "10 uid=-1\n", "9 uid=x\n", "12 mtime=1x\n", "11 mtime=.\n",
		"24 SCHILY.xattr.user.=\n\0",
	};
	for (size_t i = 0; i < sizeof records / sizeof *records - 1; i++) {
		struct layer_pax pax = {0};
		struct err err = ERR_NONE;
		if (layer_pax_parse(records[i], strlen(records[i]), &pax, &err) != -EBADMSG)
			fail_msg("%s was taken", records[i]);
		layer_pax_reset(&pax);
	}
	struct layer_pax pax = {0};
	struct buf many = {0};
	struct err err = ERR_NONE;
	for (int i = 0; i < LAYER_XATTRS_MAX + 1; i++) {
		char key[64];
		snprintf(key, sizeof key, "SCHILY.xattr.user.%d", i);
		pax_record(&many, key, "", 0);
	}
	assert_int_equal(layer_pax_parse(many.data, many.len, &pax, &err), -E2BIG);
	layer_pax_reset(&pax);
	buf_free(&many);
}

static void decimals(void **state)
{
	(void)state;
	uint64_t value = 1;
	assert_true(layer_decimal("0", 1, &value) && value == 0);
	assert_true(layer_decimal("9223372036854775807", 19, &value) && value == INT64_MAX);
	assert_false(layer_decimal("9223372036854775808", 19, &value));
	assert_false(layer_decimal("00000000000000000001", 20, &value));
	assert_false(layer_decimal("", 0, &value));
	assert_false(layer_decimal("1 ", 2, &value));
	assert_false(layer_decimal("+1", 2, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),	   cmocka_unit_test(taken_back), cmocka_unit_test(maps),
		cmocka_unit_test(refused), cmocka_unit_test(decimals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
