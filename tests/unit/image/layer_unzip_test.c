/* layer_unzip: whatever a stream is packed with, and however it comes, its plain bytes come out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "common/buf.h"
#include "image/layer_unzip.h"

enum { PLAIN = 300000 };

static char plain[PLAIN];

static int collect(void *context, const void *bytes, size_t len, struct err *err)
{
	(void)err;
	buf_add(context, bytes, len);
	return 0;
}

static int stop(void *context, const void *bytes, size_t len, struct err *err)
{
	(void)context;
	(void)bytes;
	(void)len;
	(void)err;
	return 7;
}

static int set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof plain; i++)
		plain[i] = (char)(i * i >> 7);
	return 0;
}

static void pack_gzip(size_t from, size_t to, struct buf *out)
{
	z_stream z = {0};
	size_t room = to - from + 1000;
	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	z.next_in = (unsigned char *)plain + from;
	z.avail_in = (unsigned)(to - from);
	z.next_out = (unsigned char *)buf_reserve(out, room);
	z.avail_out = (unsigned)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len += z.total_out;
	deflateEnd(&z);
}

static void pack_zstd(size_t from, size_t to, struct buf *out)
{
	size_t room = ZSTD_compressBound(to - from);
	out->len += ZSTD_compress(buf_reserve(out, room), room, plain + from, to - from, 1);
}

static void pack(const char *how, struct buf *out)
{
	out->len = 0;
	if (strcmp(how, "gzip") == 0) {
		pack_gzip(0, 1000, out);
		pack_gzip(1000, PLAIN, out);
		buf_add(out, "\0\0\0\0\0\0\0\0", 8);
	} else if (strcmp(how, "zstd") == 0) {
		pack_zstd(0, 1000, out);
		buf_add(out, "\x50\x2a\x4d\x18\3\0\0\0abc", 11);  /* a frame to be skipped */
		pack_zstd(1000, PLAIN, out);
	} else if (strcmp(how, "xz") == 0) {
		size_t at = 0;
		uint8_t *room = (uint8_t *)buf_reserve(out, PLAIN + 10000);
		assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, (uint8_t *)plain, PLAIN, room,
							 &at, PLAIN + 10000), LZMA_OK);
		out->len = at;
	} else {
		buf_add(out, plain, PLAIN);
	}
}

static int unzip(const struct buf *packed, size_t len, size_t piece, struct buf *out, const char **name,
		 struct err *err)
{
	struct layer_unzip *unzip = layer_unzip_new(collect, out);
	int rc = 0;
	out->len = 0;
	for (size_t at = 0; rc == 0 && at < len; at += piece)
		rc = layer_unzip_feed(unzip, packed->data + at, len - at < piece ? len - at : piece, err);
	if (rc == 0)
		rc = layer_unzip_end(unzip, err);
	*name = layer_unzip_name(unzip);
	layer_unzip_free(&unzip);
	return rc;
}

static const char *const hows[] = {"plain", "gzip", "zstd", "xz"};

static void all(void **state)
{
	(void)state;
	static const size_t pieces[] = {1, 7, 4096, PLAIN * 2};
	struct buf packed = {0}, out = {0};
	for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
		pack(hows[i], &packed);
		for (size_t j = 0; j < sizeof pieces / sizeof *pieces; j++) {
			struct err err = ERR_NONE;
			const char *name;
			if (unzip(&packed, packed.len, pieces[j], &out, &name, &err) < 0)
				fail_msg("%s by %zu: %s", hows[i], pieces[j], err.text);
			assert_string_equal(name, hows[i]);
			assert_int_equal(out.len, PLAIN);
			assert_memory_equal(out.data, plain, PLAIN);
		}
	}
	buf_free(&packed);
	buf_free(&out);
}

static void cut_and_damaged(void **state)
{
	(void)state;
	struct buf packed = {0}, out = {0};
	for (size_t i = 1; i < sizeof hows / sizeof *hows; i++) {
		struct err err = ERR_NONE;
		const char *name;
		pack(hows[i], &packed);
		size_t end = packed.len - (i == 1 ? 8 : 0);  /* zeros may be behind gzip */
		for (size_t cut = 1; cut < 20; cut++)
			if (unzip(&packed, end - cut, 5000, &out, &name, &err) != -EBADMSG)
				fail_msg("%s, cut by %zu of %zu: %s", hows[i], cut, end, err.text);
		packed.data[end / 2] ^= 0x55;
		int rc = unzip(&packed, packed.len, 5000, &out, &name, &err);
		/* These zstd frames have no checksum: other bytes are the layer's digest's business. */
		if (rc != -EBADMSG && (strcmp(hows[i], "zstd") != 0 || memcmp(out.data, plain, PLAIN) == 0))
			fail_msg("%s, damaged: %d", hows[i], rc);
	}
	struct err err = ERR_NONE;
	const char *name;
	pack("gzip", &packed);
	buf_add(&packed, "garbage", 7);
	assert_int_equal(unzip(&packed, packed.len, 5000, &out, &name, &err), -EBADMSG);
	packed.len = 0;
	buf_add(&packed, "BZh91AY&SY", 10);
	assert_int_equal(unzip(&packed, packed.len, 10, &out, &name, &err), -ENOTSUP);
	buf_free(&packed);
	buf_free(&out);
}

static void short_ones(void **state)
{
	(void)state;
	struct buf packed = {0}, out = {0};
	struct err err = ERR_NONE;
	const char *name;
	assert_int_equal(unzip(&packed, 0, 1, &out, &name, &err), 0);
	assert_int_equal(out.len, 0);
	buf_add(&packed, "abc", 3);  /* less than what tells the kind */
	assert_int_equal(unzip(&packed, 3, 1, &out, &name, &err), 0);
	assert_int_equal(out.len, 3);
	buf_free(&packed);
	buf_free(&out);
}

static void stopped(void **state)
{
	(void)state;
	struct buf packed = {0};
	for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
		struct err err = ERR_NONE;
		struct layer_unzip *unzip = layer_unzip_new(stop, NULL);
		pack(hows[i], &packed);
		assert_int_equal(layer_unzip_feed(unzip, packed.data, packed.len, &err), 7);
		layer_unzip_free(&unzip);
	}
	buf_free(&packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all), cmocka_unit_test(cut_and_damaged), cmocka_unit_test(short_ones),
		cmocka_unit_test(stopped),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
