/*
 * imgfs_odd_test.c - what ordinary trees lack: devices, extended attributes, owners, directories
 * with an index, files of thousands of blocks; and all of it from several threads.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "runtime/imgfs_ahead.h"

enum { NAMES = 6000, BIG = 3000 * 4096 + 1234 };

static char work[] = "/tmp/cmpirun-odd-XXXXXX";
static bool has_xattrs;
static char long_value[3000];

static const char make_tree[] =
	"cd %s && mkdir -p tree/many && cd tree/many && seq -f 'a-rather-long-name-so-that-there-is-an-index-%%05g' 0 5999 | "
	"xargs touch && cd ../.. && : > tree/attributed && : > tree/same && echo x > tree/owned && ln -s attributed tree/link";
static const char make_image[] =
	"cd %s && head -c 12289234 /dev/urandom > tree/big && "
	"mksquashfs tree image -b 4096 -comp lz4 -no-progress -quiet -p 'block b 640 7 8 259 70000' "
	"-p 'char c 600 0 0 5 1' -p 'pipe i 644 0 0 f' -p 'owned m 4755 1234567 89' > /dev/null 2>&1";

static int shell(const char *format)
{
	char command[2048];
	snprintf(command, sizeof command, format, work);
	return system(command);
}

static int setup(void **state)
{
	char path[256];
	(void)state;
	if (mkdtemp(work) == NULL || shell(make_tree) != 0)
		return -1;
	memset(long_value, 'v', sizeof long_value);
	const char *files[] = {"attributed", "same"};
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/tree/%s", work, files[i]);
		has_xattrs = setxattr(path, "user.short", "abc", 3, 0) == 0 &&
			     setxattr(path, "user.empty", "", 0, 0) == 0 &&
			     setxattr(path, "user.long", long_value, sizeof long_value, 0) == 0;
	}
	return shell(make_image);
}

static int teardown(void **state)
{
	(void)state;
	return shell("rm -rf %s");
}

static struct imgfs *imgfs;
static int image_fd = -1;

static void image_open(void)
{
	char path[256];
	struct err err;
	snprintf(path, sizeof path, "%s/image", work);
	image_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (imgfs_open(image_fd, &(struct imgfs_options){0}, &imgfs, &err) < 0)
		fail_msg("%s", err.text);
}

static void image_close(void)
{
	imgfs_free(&imgfs);
	close_fd(&image_fd);
}

static struct imgfs_entry find(const char *name)
{
	struct imgfs_entry entry = {0};
	assert_int_equal(imgfs_lookup(imgfs, IMGFS_ROOT, name, &entry), 0);
	return entry;
}

static void test_devices_and_owners(void **state)
{
	(void)state;
	image_open();
	struct imgfs_entry block = find("block"), character = find("char");
	assert_int_equal(block.attr.st_mode, S_IFBLK | 0640);
	assert_int_equal(major(block.attr.st_rdev), 259);
	assert_int_equal(minor(block.attr.st_rdev), 70000);
	assert_int_equal(block.attr.st_uid, 7);
	assert_int_equal(block.attr.st_gid, 8);
	assert_int_equal(character.attr.st_rdev, makedev(5, 1));
	assert_int_equal(find("pipe").attr.st_mode, S_IFIFO | 0644);
	assert_int_equal(find("owned").attr.st_uid, 1234567);
	assert_int_equal(find("owned").attr.st_gid, 89);
	assert_int_equal(find("owned").attr.st_mode, S_IFREG | 04755);
	image_close();
}

static void test_xattrs(void **state)
{
	(void)state;
	char value[4096], names[256];
	if (!has_xattrs)
		skip();
	image_open();
	assert_true(imgfs_has_xattrs(imgfs));
	const char *files[] = {"attributed", "same"};  /* the second's values are kept once for both */
	for (int i = 0; i < 2; i++) {
		uint64_t ino = find(files[i]).ino;
		assert_int_equal(imgfs_getxattr(imgfs, ino, "user.short", value, sizeof value), 3);
		assert_memory_equal(value, "abc", 3);
		assert_int_equal(imgfs_getxattr(imgfs, ino, "user.short", NULL, 0), 3);
		assert_int_equal(imgfs_getxattr(imgfs, ino, "user.short", value, 2), -ERANGE);
		assert_int_equal(imgfs_getxattr(imgfs, ino, "user.empty", value, sizeof value), 0);
		assert_int_equal(imgfs_getxattr(imgfs, ino, "user.long", value, sizeof value), sizeof long_value);
		assert_memory_equal(value, long_value, sizeof long_value);
		assert_int_equal(imgfs_getxattr(imgfs, ino, "user.none", value, sizeof value), -ENODATA);
		ssize_t len = imgfs_listxattr(imgfs, ino, names, sizeof names);
		assert_int_equal(len, strlen("user.short") + strlen("user.empty") + strlen("user.long") + 3);
		assert_int_equal(imgfs_listxattr(imgfs, ino, NULL, 0), len);
		assert_int_equal(imgfs_listxattr(imgfs, ino, names, (size_t)len - 1), -ERANGE);
		assert_non_null(memmem(names, (size_t)len, "user.long", 10));
	}
	assert_int_equal(imgfs_listxattr(imgfs, find("owned").ino, names, sizeof names), 0);
	image_close();
}

static void name_of(unsigned number, char name[64])
{
	snprintf(name, 64, "a-rather-long-name-so-that-there-is-an-index-%05u", number);
}

struct listing {
	unsigned count, limit;
	uint64_t next;
};

static bool on_entry(void *context, const char *name, const struct imgfs_entry *entry, uint64_t next)
{
	struct listing *listing = context;
	char expected[64];
	if (listing->limit == 0)
		return false;
	listing->limit--;
	listing->next = next;
	if (name[0] == '.')
		return true;
	name_of(listing->count++, expected);
	assert_string_equal(name, expected);
	assert_true(S_ISREG(entry->attr.st_mode));
	return true;
}

static void test_large_directory(void **state)
{
	(void)state;
	char name[64];
	struct imgfs_entry entry;
	image_open();
	uint64_t many = find("many").ino;
	for (unsigned i = 0; i < NAMES; i += 7) {
		name_of(i, name);
		assert_int_equal(imgfs_lookup(imgfs, many, name, &entry), 0);
	}
	for (const char *const *none = (const char *const[]){"A", "a", "a-rather", "b", "zzz", NULL}; *none; none++)
		assert_int_equal(imgfs_lookup(imgfs, many, *none, &entry), -ENOENT);
	struct listing listing = {0};
	for (unsigned before = NAMES; before != listing.count || listing.count == 0;) {
		before = listing.count;
		listing.limit = 57;
		assert_int_equal(imgfs_readdir(imgfs, many, listing.next, listing.count % 2, on_entry, &listing), 0);
	}
	assert_int_equal(listing.count, NAMES);
	/* Any offset at all, as lseek(2) may give it: no crash, no endless listing. */
	for (uint64_t offset = 0; offset < 2000; offset += 13) {
		struct listing any = {.limit = 0};
		assert_int_equal(imgfs_readdir(imgfs, many, offset, false, on_entry, &any), 0);
	}
	image_close();
}

static char *big_bytes(void)
{
	char path[256];
	char *bytes = malloc(BIG);
	snprintf(path, sizeof path, "%s/tree/big", work);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, bytes, BIG), BIG);
	return bytes;
}

struct reader {
	const char *bytes;
	uint64_t ino;
	struct imgfs_ahead *ahead;
	unsigned seed;
	bool sequential;
	atomic_int *wrong;
};

static void *read_big(void *context)
{
	struct reader *reader = context;
	static _Thread_local char got[70000];
	uint64_t offset = 0;
	for (int i = 0; i < 300; i++) {
		size_t size = (size_t)rand_r(&reader->seed) % sizeof got;
		if (!reader->sequential)
			offset = (uint64_t)rand_r(&reader->seed) % BIG;
		else if (offset >= BIG)
			offset = 0;
		size_t expected = size < BIG - offset ? size : (size_t)(BIG - offset);
		imgfs_ahead_note(reader->ahead, reader->ino, offset, size, true);
		if (imgfs_read(imgfs, reader->ino, got, size, offset) != (ssize_t)expected ||
		    memcmp(got, reader->bytes + offset, expected) != 0)
			++*reader->wrong;
		offset += size;
	}
	return NULL;
}

static void test_many_blocks_and_threads(void **state)
{
	(void)state;
	enum { THREADS = 6 };
	pthread_t threads[THREADS];
	struct reader readers[THREADS];
	atomic_int wrong = 0;
	struct err err;
	image_open();
	AUTO_FREE char *bytes = big_bytes();
	struct imgfs_ahead *ahead;
	assert_int_equal(imgfs_ahead_new(imgfs, &ahead, &err), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		readers[i] = (struct reader){bytes, find("big").ino, ahead, i + 1, i % 2 == 0, &wrong};
		assert_int_equal(pthread_create(&threads[i], NULL, read_big, &readers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	imgfs_ahead_free(&ahead);
	image_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_devices_and_owners), cmocka_unit_test(test_xattrs),
		cmocka_unit_test(test_large_directory), cmocka_unit_test(test_many_blocks_and_threads),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
