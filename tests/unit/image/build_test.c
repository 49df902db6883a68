/* build: layers made by hand become an image that reads as it should; and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <lzma.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/cleanup.h"
#include "image/build.h"
#include "make_tar.h"
#include "squash/squash.h"

static int memory_file(const void *bytes, size_t len)
{
	int fd = memfd_create("build_test", MFD_CLOEXEC);
	assert_true(fd >= 0);
	if (len)
		assert_int_equal(write(fd, bytes, len), len);
	return fd;
}

static void pack_gzip(const struct buf *tar, size_t from, size_t to, struct buf *out)
{
	z_stream z = {0};
	char *room = buf_reserve(out, to - from + 1000);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	z.next_in = (unsigned char *)tar->data + from;
	z.avail_in = (unsigned)(to - from);
	z.next_out = (unsigned char *)room;
	z.avail_out = (unsigned)(to - from + 1000);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len += z.total_out;
	deflateEnd(&z);
}

/* The kinds of blobs. */
static void pack(const struct buf *tar, const char *how, struct buf *out)
{
	if (strcmp(how, "gzip") == 0) {
		pack_gzip(tar, 0, tar->len, out);
	} else if (strcmp(how, "members") == 0) {
		pack_gzip(tar, 0, 700, out);
		pack_gzip(tar, 700, tar->len, out);
		buf_add(out, "\0\0\0", 3);
	} else if (strcmp(how, "zstd") == 0) {
		char *room = buf_reserve(out, ZSTD_compressBound(tar->len) + 100);
		memcpy(room, "\x50\x2a\x4d\x18\3\0\0\0abc", 11);  /* a skippable frame */
		size_t one = ZSTD_compress(room + 11, tar->len + 1000, tar->data, 700, 3);
		size_t two = ZSTD_compress(room + 11 + one, ZSTD_compressBound(tar->len), tar->data + 700,
					   tar->len - 700, 3);
		out->len += 11 + one + two;
	} else if (strcmp(how, "xz") == 0) {
		size_t at = 0;
		char *room = buf_reserve(out, tar->len + 1000);
		assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, (uint8_t *)tar->data,
							 tar->len, (uint8_t *)room, &at, tar->len + 1000), LZMA_OK);
		out->len += at;
	} else {
		buf_add(out, tar->data, tar->len);
	}
}

struct built {
	int fd;
	struct build_result result;
	struct squash *squash;
};

static int build(struct buf *const *tars, size_t count, const char *how, struct built *built,
		 struct err *err)
{
	struct build_layer layers[5] = {0};
	struct build_input input = {.layers = layers, .layer_count = count, .reference = "test"};
	for (size_t i = 0; i < count; i++) {
		struct buf blob = {0};
		pack(tars[i], how, &blob);
		layers[i] = (struct build_layer){.fd = memory_file(blob.data, blob.len), .size = blob.len};
		buf_free(&blob);
	}
	*built = (struct built){.fd = memory_file("", 0)};
	int rc = build_image(&input, built->fd, &built->result, err);
	if (rc == 0)
		assert_int_equal(squash_open(built->fd, &built->squash, err), 0);
	for (size_t i = 0; i < count; i++)
		close(layers[i].fd);
	return rc;
}

static void release(struct built *built)
{
	squash_free(&built->squash);
	close(built->fd);
}

static void expect_file(struct built *built, const char *path, mode_t mode, const char *content)
{
	struct err err = ERR_NONE;
	struct squash_node node;
	AUTO_FREE char *bytes = NULL;
	size_t len;
	if (squash_lookup(built->squash, path, false, &node, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(node.mode, mode);
	if (!content)
		return;
	assert_int_equal(squash_slurp_new(built->squash, &node, 1 << 20, &bytes, &len, &err), 0);
	assert_string_equal(bytes, content);
}

static void two_layers(struct buf *low, struct buf *high)
{
	struct buf records = {0};
	tar_add(low, (struct member){.path = "./", .type = '5', .mode = 0755});
	tar_add(low, (struct member){.path = "etc/", .type = '5', .mode = 0750, .uid = 7});
	tar_add(low, (struct member){.path = "etc/a", .content = "low", .mtime = -5});
	tar_add(low, (struct member){.path = "etc/b", .content = "gone"});
	tar_add(low, (struct member){.path = "bin/su", .content = "set", .mode = 06755});
	tar_add(low, (struct member){.path = "pipe", .type = '6', .mode = 0600});
	tar_add(low, (struct member){.path = "dev", .type = '4'});
	tar_end(low);
	tar_add(high, (struct member){.path = "etc/a", .content = "high"});
	tar_add(high, (struct member){.path = "etc/.wh.b"});
	pax_record(&records, "SCHILY.xattr.user.x", "y", 1);
	tar_pax(high, &records);
	tar_add(high, (struct member){.path = "empty"});
	tar_add(high, (struct member){.path = "su2", .type = '1', .target = "bin/su"});
	tar_add(high, (struct member){.path = "link", .type = '2', .target = "etc/a"});
	pax_record(&records, "GNU.sparse.major", "0", 1);
	pax_record(&records, "GNU.sparse.size", "300000", 6);
	pax_record(&records, "GNU.sparse.map", "299999,1", 8);
	pax_record(&records, "GNU.sparse.name", "holes", 5);
	tar_pax(high, &records);
	tar_add(high, (struct member){.path = "x", .content = "!"});
	tar_end(high);
}

static void round_trip(void **state)
{
	(void)state;
	static const char *const hows[] = {"plain", "gzip", "members", "zstd", "xz"};
	struct buf low = {0}, high = {0}, *tars[] = {&low, &high};
	char digest[DIGEST_TEXT_SIZE] = "";
	two_layers(&low, &high);
	for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
		struct err err = ERR_NONE;
		struct built built;
		struct squash_node one, two;
		char last;
		if (build(tars, 2, hows[i], &built, &err) < 0)
			fail_msg("%s: %s", hows[i], err.text);
		expect_file(&built, "/etc", S_IFDIR | 0750, NULL);
		expect_file(&built, "/bin", S_IFDIR | 0755, NULL);
		expect_file(&built, "/etc/a", S_IFREG | 0644, "high");
		expect_file(&built, "/bin/su", S_IFREG | 06755, "set");
		expect_file(&built, "/pipe", S_IFIFO | 0600, NULL);
		expect_file(&built, "/empty", S_IFREG | 0644, "");
		assert_int_equal(squash_lookup(built.squash, "/etc/b", false, &one, &err), -ENOENT);
		assert_int_equal(squash_lookup(built.squash, "/dev", false, &one, &err), -ENOENT);
		assert_int_equal(squash_lookup(built.squash, "/bin/su", false, &one, &err), 0);
		assert_int_equal(squash_lookup(built.squash, "/su2", false, &two, &err), 0);
		assert_int_equal(one.inode, two.inode);
		assert_int_equal(squash_lookup(built.squash, "/link", true, &two, &err), 0);
		assert_int_equal(two.size, 4);
		assert_int_equal(squash_lookup(built.squash, "/holes", true, &two, &err), 0);
		assert_int_equal(two.size, 300000);
		assert_int_equal(squash_read(built.squash, &two, 299999, &last, 1, &err), 1);
		assert_int_equal(last, '!');
		assert_int_equal(built.result.files, 9);
		assert_int_equal(built.result.size % 4096, 0);
		/* The same image, however its layers are packed. */
		if (i > 0)
			assert_string_equal(built.result.digest, digest);
		memcpy(digest, built.result.digest, sizeof digest);
		release(&built);
	}
	buf_free(&low);
	buf_free(&high);
}

static void without_layers(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct built built;
	assert_int_equal(build(NULL, 0, "plain", &built, &err), 0);
	expect_file(&built, "/", S_IFDIR | 0755, NULL);
	release(&built);
}

/* Of an ACI's tar the rootfs alone is the layer. */
static void below(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct buf tar = {0};
	struct built built = {0};
	struct squash_node one, two;
	tar_add(&tar, (struct member){.path = "manifest", .content = "{}"});
	tar_add(&tar, (struct member){.path = "./rootfs/", .type = '5', .mode = 0711});
	tar_add(&tar, (struct member){.path = "rootfs/a", .content = "one"});
	tar_add(&tar, (struct member){.path = "rootfs2/a", .content = "elsewhere"});
	tar_add(&tar, (struct member){.path = "/rootfs/d/b", .type = '1', .target = "rootfs/a"});
	tar_add(&tar, (struct member){.path = "rootfs/link", .type = '2', .target = "rootfs/a"});
	tar_add(&tar, (struct member){.path = "rootfs/z", .content = "last"});
	tar_end(&tar);
	struct build_layer layer = {.fd = memory_file(tar.data, tar.len), .size = tar.len, .below = "rootfs"};
	struct build_input input = {.layers = &layer, .layer_count = 1};
	built.fd = memory_file("", 0);
	if (build_image(&input, built.fd, &built.result, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(squash_open(built.fd, &built.squash, &err), 0);
	assert_int_equal(built.result.files, 5);
	expect_file(&built, "/", S_IFDIR | 0711, NULL);
	expect_file(&built, "/a", S_IFREG | 0644, "one");
	expect_file(&built, "/z", S_IFREG | 0644, "last");
	assert_int_equal(squash_lookup(built.squash, "/a", false, &one, &err), 0);
	assert_int_equal(squash_lookup(built.squash, "/d/b", false, &two, &err), 0);
	assert_int_equal(one.inode, two.inode);
	assert_int_equal(squash_lookup(built.squash, "/link", true, &two, &err), -ENOENT);
	release(&built);
	layer.below = "nowhere";
	built.fd = memory_file("", 0);
	assert_int_equal(build_image(&input, built.fd, &built.result, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "no nowhere"));
	/* A name that leads out of it is refused, as one that leads out of the tar. */
	tar.len -= 1024;
	tar_add(&tar, (struct member){.path = "rootfs/../../x", .content = "x"});
	tar_end(&tar);
	close(layer.fd);
	layer = (struct build_layer){.fd = memory_file(tar.data, tar.len), .size = tar.len, .below = "rootfs"};
	assert_int_equal(build_image(&input, built.fd, &built.result, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "leads out"));
	close(built.fd);
	close(layer.fd);
	buf_free(&tar);
}

/* Digests, sizes and diff_ids that do not hold; a scan that is fed by hand. */
static void promises(void **state)
{
	(void)state;
	static const char zeros[] =
		"sha256:0000000000000000000000000000000000000000000000000000000000000000";
	/* of 1024 zeros */
	static const char empty_tar[] =
		"sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
	static const struct {
		struct build_layer layer;
		size_t len;
		int number;
		const char *text;
	} promise[] = {
		{{.size = 1024, .digest = empty_tar, .diff_id = empty_tar}, 1024, 0, ""},
		{{.size = 1023}, 1024, -EBADMSG, "longer"},
		{{.size = 1025}, 1024, -EBADMSG, "1024 bytes"},
		{{.digest = zeros}, 1024, -EBADMSG, "its digest is sha256:5f70bf18"},
		{{.diff_id = zeros}, 1024, -EBADMSG, "its diff_id is sha256:5f70bf18"},
	};
	char bytes[1024] = {0};
	for (size_t i = 0; i < sizeof promise / sizeof *promise; i++) {
		struct err err = ERR_NONE;
		struct layer_scan *scan = NULL;
		assert_int_equal(layer_scan_new(&promise[i].layer, &scan, &err), 0);
		int rc = 0;
		for (size_t at = 0; rc == 0 && at < promise[i].len; at += 100)
			rc = layer_scan_feed(scan, bytes + at, promise[i].len - at < 100 ? promise[i].len - at : 100,
					     &err);
		if (rc == 0)
			rc = layer_scan_end(scan, &err);
		assert_int_equal(rc, promise[i].number);
		assert_non_null(strstr(err.text, promise[i].text));
		layer_scan_free(&scan);
	}
	struct err err = ERR_NONE;
	struct layer_scan *scan = NULL;
	struct build_layer bad = {.digest = "sha256:../../x"};
	assert_int_equal(layer_scan_new(&bad, &scan, &err), -EINVAL);
	bad.digest = "md5:d41d8cd98f00b204e9800998ecf8427e";
	assert_int_equal(layer_scan_new(&bad, &scan, &err), -EINVAL);
}

static void damaged(void **state)
{
	(void)state;
	static const char *const hows[] = {"gzip", "zstd", "xz"};
	struct buf low = {0}, high = {0};
	two_layers(&low, &high);
	for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
		struct err err = ERR_NONE;
		struct built built;
		struct buf blob = {0}, *tars[] = {&blob};
		pack(&low, hows[i], &blob);
		blob.len -= 10;  /* cut */
		assert_int_equal(build(tars, 1, "plain", &built, &err), -EBADMSG);
		assert_non_null(strstr(err.text, hows[i]));
		release(&built);
		blob.len += 10;
		blob.data[blob.len / 2] ^= 0x55;
		assert_int_equal(build(tars, 1, "plain", &built, &err), -EBADMSG);
		release(&built);
		buf_free(&blob);
	}
	buf_free(&low);
	buf_free(&high);
}

/* 2 GB of zeros in 2 MB: bounded memory. */
static void bomb(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct buf blob = {0};
	struct built built;
	struct rusage usage;
	char header[512], *zeros = calloc(1, 1 << 20);
	struct buf tar = {0};
	z_stream z = {0};
	tar_add(&tar, (struct member){.path = "bomb"});
	snprintf(tar.data + 124, 12, "%011llo", 2ull << 30);
	tar_seal(tar.data);
	memcpy(header, tar.data, 512);
	char *room = buf_reserve(&blob, 16 << 20);
	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	z.next_out = (unsigned char *)room;
	z.next_in = (unsigned char *)header;
	z.avail_in = 512;
	z.avail_out = 16 << 20;
	deflate(&z, Z_NO_FLUSH);
	for (int i = 0; i < 2048; i++) {
		z.next_in = (unsigned char *)zeros;
		z.avail_in = 1 << 20;
		assert_int_equal(deflate(&z, i == 2047 ? Z_FINISH : Z_NO_FLUSH), i == 2047 ? Z_STREAM_END : Z_OK);
	}
	blob.len = z.total_out;
	deflateEnd(&z);
	struct buf *tars[] = {&blob};
	if (build(tars, 1, "plain", &built, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(built.result.bytes, 2ull << 30);
	assert_true(built.result.size < 1 << 20);
	getrusage(RUSAGE_SELF, &usage);
#ifndef __SANITIZE_ADDRESS__
	assert_true(usage.ru_maxrss < 200 * 1024);
#endif
	release(&built);
	free(zeros);
	buf_free(&blob);
	buf_free(&tar);
}

static int cancel(void *context, const struct build_progress *progress)
{
	(void)progress;
	return *(int *)context;
}

static void cancelled(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	int one = 1;
	struct build_result result;
	struct build_input input = {.progress = cancel, .context = &one};
	int fd = memory_file("", 0);
	assert_int_equal(build_image(&input, fd, &result, &err), -ECANCELED);
	close(fd);
}

static void full_disk(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct build_result result;
	struct build_input input = {0};
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	assert_int_equal(build_image(&input, fd, &result, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "No space"));
	close(fd);
}

static void options(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct build_result result;
	struct build_input input = {.block_size = 5000};
	int fd = memory_file("", 0);
	assert_int_equal(build_image(&input, fd, &result, &err), -EINVAL);
	input = (struct build_input){.compressor = SQUASH_GZIP, .block_size = 4096, .level = 1};
	assert_int_equal(build_image(&input, fd, &result, &err), 0);
	close(fd);
	fd = memory_file("", 0);
	input = (struct build_input){.level = 99};
	assert_int_equal(build_image(&input, fd, &result, &err), -EINVAL);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(without_layers), cmocka_unit_test(below),
		cmocka_unit_test(promises),
		cmocka_unit_test(damaged),    cmocka_unit_test(bomb),		cmocka_unit_test(cancelled),
		cmocka_unit_test(full_disk),  cmocka_unit_test(options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
