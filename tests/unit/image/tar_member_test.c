/* tar_member: one member of a tar, wherever it stands, and no more than that is read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "common/cleanup.h"
#include "image/tar_member.h"
#include "make_tar.h"

static int file_of(const struct buf *tar)
{
	int fd = memfd_create("tar", MFD_CLOEXEC);
	assert_int_equal(write(fd, tar->data, tar->len), tar->len);
	return fd;
}

static int get(const struct buf *tar, const char *name, size_t most, struct buf *bytes, struct err *err)
{
	AUTO_FD int fd = file_of(tar);
	bytes->len = 0;
	return tar_member_read(fd, name, most, bytes, err);
}

static void found(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct buf tar = {0}, packed = {0}, bytes = {0};
	tar_add(&tar, (struct member){.path = "rootfs/manifest", .content = "another"});
	tar_add(&tar, (struct member){.path = "manifest", .type = '5'});
	tar_add(&tar, (struct member){.path = "./manifest", .content = "this one"});
	tar_add(&tar, (struct member){.path = "empty"});
	tar_add(&tar, (struct member){.path = "link", .type = '1', .target = "manifest"});
	size_t before = tar.len;
	tar_add(&tar, (struct member){.path = "behind", .content = "x"});
	tar_end(&tar);
	assert_int_equal(get(&tar, "manifest", 8, &bytes, &err), 0);
	assert_int_equal(bytes.len, 8);
	assert_memory_equal(bytes.data, "this one", 8);
	assert_int_equal(get(&tar, "empty", 8, &bytes, &err), 0);
	assert_int_equal(bytes.len, 0);
	assert_int_equal(get(&tar, "manifest", 7, &bytes, &err), -EFBIG);
	assert_int_equal(get(&tar, "nothing", 8, &bytes, &err), -ENOENT);
	assert_non_null(strstr(err.text, "nothing"));
	assert_int_equal(get(&tar, "link", 8, &bytes, &err), -ENOENT);
	char *room = buf_reserve(&packed, ZSTD_compressBound(tar.len));
	packed.len = ZSTD_compress(room, ZSTD_compressBound(tar.len), tar.data, tar.len, 1);
	assert_int_equal(get(&packed, "behind", 8, &bytes, &err), 0);
	assert_memory_equal(bytes.data, "x", 1);
	/* What stands behind it is not looked at. */
	memset(tar.data + before, 'z', tar.len - before);
	assert_int_equal(get(&tar, "manifest", 8, &bytes, &err), 0);
	assert_int_equal(get(&tar, "behind", 8, &bytes, &err), -EBADMSG);
	tar.len = 3 * 512 + 4;  /* ends inside of it */
	assert_int_equal(get(&tar, "manifest", 8, &bytes, &err), -EBADMSG);
	buf_free(&tar);
	buf_free(&packed);
	buf_free(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(found)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
