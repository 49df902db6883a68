/*
 * Bundles: what is encoded decodes to the same row on the other side; lists that lead out of their directory, or
 * that nobody would write, are refused; every byte of the row belongs to one file or to none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "bcast/bundle.h"

static void add(struct bundle *bundle, enum bundle_kind kind, const char *path, const char *target,
		uint64_t size)
{
	struct err err = ERR_NONE;
	const struct bundle_entry entry = {.kind = kind, .path = (char *)path, .target = (char *)target,
					   .size = size, .mode = 0640, .mtime_s = -5, .mtime_ns = 999999999};
	assert_int_equal(bundle_add(bundle, &entry, &err), 0);
}

static void begin(struct bundle *bundle, const char *name)
{
	struct err err = ERR_NONE;
	assert_int_equal(bundle_add_item(bundle, "/somewhere", name, &err), 0);
}

/* Encodes, decodes; frees `bundle`. */
static int there(struct bundle *bundle, struct bundle *other)
{
	AUTO_BUF struct buf wire = {0};
	struct err err = ERR_NONE;
	bundle_encode(bundle, &wire);
	bundle_free(bundle);
	assert_false(wire.failed);
	return bundle_decode(wire.data, wire.len, other, &err);
}

static void test_there(void **state)
{
	(void)state;
	struct bundle bundle = {0}, other;
	begin(&bundle, "tree");
	add(&bundle, BUNDLE_DIRECTORY, "", "", 0);
	add(&bundle, BUNDLE_FILE, "a", "", 5);
	add(&bundle, BUNDLE_DIRECTORY, "d", "", 0);
	add(&bundle, BUNDLE_FILE, "d/large", "", BUNDLE_LARGE + 1);
	add(&bundle, BUNDLE_DIRECTORY, "d/e", "", 0);
	add(&bundle, BUNDLE_SYMLINK, "d/e/up", "../../../etc", 0);
	add(&bundle, BUNDLE_HARDLINK, "d/z", "a", 0);
	add(&bundle, BUNDLE_FILE, "empty", "", 0);
	add(&bundle, BUNDLE_FILE, "huge", "", 100 << 20);
	begin(&bundle, "one");
	add(&bundle, BUNDLE_FILE, "", "", 7);
	assert_int_equal(there(&bundle, &other), 0);
	assert_int_equal(other.item_count, 2);
	assert_int_equal(other.entry_count, 10);
	assert_int_equal(other.items[1].first, 9);
	assert_string_equal(other.entries[5].target, "../../../etc");
	assert_int_equal(other.entries[1].mtime_s, -5);
	/* The row: huge, large, then a and one. */
	assert_int_equal(other.row_count, 4);
	assert_int_equal(other.entries[8].offset, 0);
	assert_int_equal(other.entries[3].offset, 100 << 20);
	assert_true(other.entries[3].part && other.entries[8].part && !other.entries[1].part);
	assert_int_equal(other.entries[1].offset % BUNDLE_ALIGN, 0);
	assert_int_equal(other.entries[1].offset, other.parts_end);
	assert_int_equal(other.size, other.parts_end + 5 + 7);
	assert_ptr_equal(bundle_find(&other, 0), &other.entries[8]);
	assert_ptr_equal(bundle_find(&other, other.entries[3].offset + BUNDLE_LARGE), &other.entries[3]);
	/* In the gap: the next file. */
	assert_ptr_equal(bundle_find(&other, other.entries[3].offset + BUNDLE_LARGE + 1), &other.entries[1]);
	assert_ptr_equal(bundle_find(&other, other.size - 1), &other.entries[9]);
	assert_null(bundle_find(&other, other.size));
	assert_ptr_equal(bundle_next(&other, &other.entries[1]), &other.entries[9]);
	assert_int_equal(bundle_count(&other, BUNDLE_FILE), 5);
	bundle_free(&other);
}

static void test_alone(void **state)
{
	(void)state;
	struct bundle bundle = {0}, other;
	begin(&bundle, "one");
	add(&bundle, BUNDLE_FILE, "", "", 3);
	assert_int_equal(there(&bundle, &other), 0);
	assert_int_equal(other.size, 3);
	assert_true(other.entries[0].part);
	assert_int_equal(other.parts_end, 3);
	bundle_free(&other);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		enum bundle_kind kind;
		const char *path, *target;
		uint64_t size;
	} bad[] = {
		{BUNDLE_FILE, "", "", 1},
		{BUNDLE_FILE, "/etc/passwd", "", 1},
		{BUNDLE_FILE, "../x", "", 1},
		{BUNDLE_FILE, "..", "", 1},
		{BUNDLE_FILE, "d/../x", "", 1},
		{BUNDLE_FILE, "d/..", "", 1},
		{BUNDLE_FILE, "d//x", "", 1},
		{BUNDLE_FILE, "d/", "", 1},
		{BUNDLE_FILE, ".", "", 1},
		{BUNDLE_FILE, "nowhere/x", "", 1},
		{BUNDLE_FILE, "link/x", "", 1},  /* below something that is no directory */
		{BUNDLE_FILE, "dx/y", "", 1},
		{BUNDLE_FILE, "x", "target", 1},
		{BUNDLE_FILE, "x", "", UINT64_MAX},
		{BUNDLE_DIRECTORY, "x", "", 1},
		{BUNDLE_SYMLINK, "x", "", 0},
		{BUNDLE_SYMLINK, "x", "y", 1},
		{BUNDLE_HARDLINK, "x", "/etc/passwd", 0},
		{BUNDLE_HARDLINK, "x", "d/../../y", 0},
		{BUNDLE_HARDLINK, "x", "", 0},
		{(enum bundle_kind)9, "x", "", 0},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct bundle bundle = {0}, other;
		begin(&bundle, "tree");
		add(&bundle, BUNDLE_DIRECTORY, "", "", 0);
		add(&bundle, BUNDLE_SYMLINK, "link", "/", 0);
		add(&bundle, BUNDLE_DIRECTORY, "d", "", 0);
		add(&bundle, bad[i].kind, bad[i].path, bad[i].target, bad[i].size);
		assert_true(there(&bundle, &other) < 0);
	}
	static const char *const names[] = {"..", ".", "", "a/b"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct bundle bundle = {0}, other;
		begin(&bundle, names[i]);
		add(&bundle, BUNDLE_FILE, "", "", 1);
		assert_true(there(&bundle, &other) < 0);
	}
}

/* Cut anywhere, or longer than it says. */
static void test_cut(void **state)
{
	(void)state;
	AUTO_BUF struct buf wire = {0};
	struct bundle bundle = {0}, other;
	struct err err = ERR_NONE;
	begin(&bundle, "tree");
	add(&bundle, BUNDLE_DIRECTORY, "", "", 0);
	add(&bundle, BUNDLE_FILE, "f", "", 1);
	bundle_encode(&bundle, &wire);
	bundle_free(&bundle);
	for (size_t len = 0; len < wire.len; len++)
		assert_int_equal(bundle_decode(wire.data, len, &other, &err), -EBADMSG);
	buf_add_u8(&wire, 0);
	assert_int_equal(bundle_decode(wire.data, wire.len, &other, &err), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
