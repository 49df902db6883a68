/* layer_tar: every format, pushed in pieces of every size; and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "image/layer_expand.h"
#include "image/layer_tar.h"
#include "make_tar.h"

/* What came out, as text: one line a member. */
struct seen {
	struct buf text, content;
	struct layer_entry entry;
	struct layer_segment segments[100];
	struct layer_expand expand;
	uint64_t left;
};

static int on_content(void *context, const void *bytes, size_t len, struct err *err)
{
	struct seen *seen = context;
	(void)err;
	buf_add(&seen->content, bytes, len);
	return 0;
}

static void end_file(struct seen *seen, struct err *err)
{
	layer_expand_end(&seen->expand, on_content, seen, err);
	for (size_t i = 0; i < seen->content.len; i++)
		if (seen->content.data[i] == '\0')
			seen->content.data[i] = '.';  /* holes can be seen */
	buf_printf(&seen->text, " <%.*s>", (int)seen->content.len,
		   seen->content.data ? seen->content.data : "");
	seen->content.len = 0;
}

static int on_entry(void *context, const struct layer_entry *entry, struct err *err)
{
	struct seen *seen = context;
	buf_printf(&seen->text, "%s%s%o %s", seen->text.len ? "\n" : "", entry->hard_link ? "L" : "",
		   entry->mode, entry->path);
	if (entry->target)
		buf_printf(&seen->text, "→%s", entry->target);
	buf_printf(&seen->text, " %u:%u %lld", entry->uid, entry->gid, (long long)entry->mtime);
	for (uint32_t i = 0; i < entry->xattr_count; i++)
		buf_printf(&seen->text, " %s=%.*s", entry->xattrs[i].name, (int)entry->xattrs[i].len,
			   entry->xattrs[i].value);
	seen->entry = *entry;
	assert_true(entry->segment_count <= 100);
	if (entry->segments) {
		memcpy(seen->segments, entry->segments, entry->segment_count * sizeof *entry->segments);
		seen->entry.segments = seen->segments;
	}
	seen->expand = layer_expand_of(&seen->entry);
	seen->left = entry->stored;
	if (S_ISREG(entry->mode) && !entry->hard_link && !seen->left)
		end_file(seen, err);
	return 0;
}

static int on_data(void *context, const void *bytes, size_t len, struct err *err)
{
	struct seen *seen = context;
	assert_true(len <= seen->left);
	layer_expand_feed(&seen->expand, bytes, len, on_content, seen, err);
	seen->left -= len;
	if (seen->left == 0)
		end_file(seen, err);
	return 0;
}

static int parse(const struct buf *bytes, size_t step, struct seen *seen, struct err *err)
{
	struct layer_tar_sink sink = {on_entry, on_data, seen};
	struct layer_tar *tar = layer_tar_new(&sink);
	int rc = 0;
	for (size_t at = 0; rc == 0 && at < bytes->len; at += step)
		rc = layer_tar_feed(tar, bytes->data + at, bytes->len - at < step ? bytes->len - at : step, err);
	if (rc == 0)
		rc = layer_tar_end(tar, err);
	layer_tar_free(&tar);
	return rc;
}

static void expect(struct buf *tar, const char *text)
{
	static const size_t steps[] = {1, 7, 511, 512, 513, 4096, 1 << 20};
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct err err = ERR_NONE;
		struct seen seen = {0};
		int rc = parse(tar, steps[i], &seen, &err);
		if (rc < 0)
			fail_msg("%s", err.text);
		buf_add_u8(&seen.text, '\0');
		assert_string_equal(seen.text.data, text);
		buf_free(&seen.text);
		buf_free(&seen.content);
	}
	buf_free(tar);
}

static void refuse(struct buf *tar, int number, const char *text)
{
	static const size_t steps[] = {1, 512, 1 << 20};
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct err err = ERR_NONE;
		struct seen seen = {0};
		assert_int_equal(parse(tar, steps[i], &seen, &err), number);
		if (!strstr(err.text, text))
			fail_msg("'%s' lacks '%s'", err.text, text);
		buf_free(&seen.text);
		buf_free(&seen.content);
	}
	buf_free(tar);
}

static void plain_formats(void **state)
{
	(void)state;
	struct buf tar = {0};
	tar_add(&tar, (struct member){.path = "./a", .content = "hello", .uid = 5, .gid = 6, .mtime = 77});
	tar_add(&tar, (struct member){.path = "d/", .type = '5', .mode = 01777});
	tar_add(&tar, (struct member){.path = "l", .type = '2', .target = "../x", .mode = 0777});
	tar_add(&tar, (struct member){.path = "h", .type = '1', .target = "a"});
	tar_add(&tar, (struct member){.path = "s", .content = "", .mode = 04755});
	tar_add(&tar, (struct member){.path = "f", .type = '6'});
	tar_add(&tar, (struct member){.path = "c", .type = '3'});
	tar_end(&tar);
	buf_add(&tar, "garbage behind the end is not looked at", 39);
	expect(&tar, "100644 ./a 5:6 77 <hello>\n41777 d/ 0:0 0\n120777 l→../x 0:0 0\n"
		     "L100644 h→a 0:0 0\n104755 s 0:0 0 <>\n10644 f 0:0 0\n20644 c 0:0 0");
}

static void long_names(void **state)
{
	(void)state;
	char name[301], text[1000];
	struct buf tar = {0}, records = {0};
	memset(name, 'n', 300);
	name[300] = '\0';
	tar_add(&tar, (struct member){.path = "././@LongLink", .type = 'L', .content = name, .len = 301,
				      .magic = "ustar  "});
	tar_add(&tar, (struct member){.path = "././@LongLink", .type = 'K', .content = name, .len = 301,
				      .magic = "ustar  "});
	tar_add(&tar, (struct member){.path = "cut", .type = '2', .target = "cut", .magic = "ustar  "});
	pax_record(&records, "path", "p\xc3\xa4th", 5);
	pax_record(&records, "linkpath", "t", 1);
	pax_record(&records, "mtime", "-1.5", 4);
	pax_record(&records, "uid", "4000000000", 10);
	pax_record(&records, "SCHILY.xattr.user.k", "v=\n", 3);
	pax_record(&records, "SCHILY.xattr.security.capability", "x", 1);
	tar_pax(&tar, &records);
	tar_add(&tar, (struct member){.path = "cut", .type = '2', .target = "cut"});
	tar_add(&tar, (struct member){.path = "after"});
	snprintf(text, sizeof text, "120644 %s→%s 0:0 0\n120644 p\xc3\xa4th→t 4000000000:0 -2 user.k=v=\n"
		 "\n100644 after 0:0 0 <>", name, name);
	expect(&tar, text);
}

static void prefix_and_base256(void **state)
{
	(void)state;
	struct buf tar = {0};
	tar_add(&tar, (struct member){.path = "name", .content = "x"});
	char *header = tar.data;
	memcpy(header + 345, "some/prefix", 11);
	memcpy(header + 124, "\x80\0\0\0\0\0\0\0\0\0\0\1", 12);
	memset(header + 136, 0xff, 12);  /* -1 */
	tar_seal(header);
	expect(&tar, "100644 some/prefix/name 0:0 -1 <x>");
}

static void sparse(void **state)
{
	(void)state;
	struct buf tar = {0}, records = {0};
	/* old GNU: 2 bytes at 3, 1 at 8, of 10 */
	tar_add(&tar, (struct member){.path = "old", .type = 'S', .content = "abc", .magic = "ustar  "});
	char *header = tar.data;
	snprintf(header + 386, 12, "%011o", 3);
	snprintf(header + 398, 12, "%011o", 2);
	snprintf(header + 410, 12, "%011o", 8);
	snprintf(header + 422, 12, "%011o", 1);
	snprintf(header + 483, 12, "%011o", 10);
	tar_seal(header);
	pax_record(&records, "GNU.sparse.major", "0", 1);
	pax_record(&records, "GNU.sparse.minor", "1", 1);
	pax_record(&records, "GNU.sparse.name", "new", 3);
	pax_record(&records, "GNU.sparse.size", "6", 1);
	pax_record(&records, "GNU.sparse.map", "1,2,4,1", 7);
	tar_pax(&tar, &records);
	tar_add(&tar, (struct member){.path = "GNUSparse", .content = "xyz"});
	pax_record(&records, "GNU.sparse.major", "1", 1);
	pax_record(&records, "GNU.sparse.minor", "0", 1);
	pax_record(&records, "GNU.sparse.name", "one", 3);
	pax_record(&records, "GNU.sparse.realsize", "4", 1);
	tar_pax(&tar, &records);
	char data[514] = "1\n1\n2\n";
	memcpy(data + 512, "kk", 2);
	tar_add(&tar, (struct member){.path = "GNUSparse", .content = data, .len = 514});
	tar_add(&tar, (struct member){.path = "after", .content = "!"});
	expect(&tar, "100644 old 0:0 0 <...ab...c.>\n100644 new 0:0 0 <.xy.z.>\n"
		     "100644 one 0:0 0 <.kk.>\n100644 after 0:0 0 <!>");
}

static void refused(void **state)
{
	(void)state;
	struct buf tar = {0}, records = {0};
	buf_add(&tar, "this is no tar at all, but it is long enough", 44);
	tar_pad(&tar);
	refuse(&tar, -EBADMSG, "not a tar");

	tar_add(&tar, (struct member){.path = "a", .content = "12345"});
	tar.len = 514;
	refuse(&tar, -EBADMSG, "inside of a member");

	tar_add(&tar, (struct member){.path = "a"});
	tar_add(&tar, (struct member){.path = "b"});
	tar.data[512]++;
	refuse(&tar, -EBADMSG, "checksum");

	tar_add(&tar, (struct member){.path = "a", .type = 'Q'});
	refuse(&tar, -EBADMSG, "unknown type");

	tar_add(&tar, (struct member){.path = "a"});
	memcpy(tar.data + 124, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
	tar_seal(tar.data);
	refuse(&tar, -EFBIG, "bytes");

	pax_record(&records, "GNU.sparse.major", "0", 1);
	pax_record(&records, "GNU.sparse.size", "9223372036854775807", 19);  /* 8 EiB */
	pax_record(&records, "GNU.sparse.map", "0,1", 3);
	tar_pax(&tar, &records);
	tar_add(&tar, (struct member){.path = "a", .content = "x"});
	refuse(&tar, -EFBIG, "9223372036854775807");

	pax_record(&records, "GNU.sparse.major", "0", 1);
	pax_record(&records, "GNU.sparse.size", "10", 2);
	pax_record(&records, "GNU.sparse.map", "5,1,4,1", 7);
	tar_pax(&tar, &records);
	tar_add(&tar, (struct member){.path = "a", .content = "xx"});
	refuse(&tar, -EBADMSG, "contradicts");

	tar_add(&tar, (struct member){.path = "p", .type = 'x', .content = "99 path=x\n"});
	tar_add(&tar, (struct member){.path = "a"});
	refuse(&tar, -EBADMSG, "bad length");

	pax_record(&records, "path", "a\0b", 3);
	tar_pax(&tar, &records);
	tar_add(&tar, (struct member){.path = "a"});
	refuse(&tar, -EBADMSG, "NUL");

	tar_add(&tar, (struct member){.path = "g", .type = 'L', .content = "x"});
	memcpy(tar.data + 124, "00077777777", 12);
	tar_seal(tar.data);
	refuse(&tar, -E2BIG, "extended header");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_formats), cmocka_unit_test(long_names),
		cmocka_unit_test(prefix_and_base256), cmocka_unit_test(sparse), cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
