/*
 * imgfs_test.c - an image read through imgfs.h and compared with the tree it was made of, for every
 * compressor that mksquashfs has here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "runtime/imgfs.h"

static char work[] = "/tmp/cmpirun-imgfs-XXXXXX";
static const char *const compressors[] = {"zstd", "gzip", "lz4", "xz", "lzo"};

static const char make_tree[] =
	"cd %s && mkdir -p tree/dir/sub tree/empty tree/many && "
	"head -c 700000 /dev/urandom > tree/dir/random && head -c 3000000 /dev/zero > tree/dir/zeros && "
	"cat tree/dir/random tree/dir/zeros tree/dir/random > tree/big && seq 30000 > tree/dir/sub/text && "
	"truncate -s 5M tree/sparse && : > tree/nothing && ln -s dir/sub tree/link && "
	"ln tree/big tree/hard && for i in $(seq 2000); do echo $i > tree/many/name-$i; done && "
	"for c in zstd gzip lz4 xz lzo; do "
	"mksquashfs tree $c.sqsh -comp $c -all-root -no-progress -quiet > /dev/null || rm -f $c.sqsh; done && "
	"mksquashfs tree export.sqsh -b 4096 -no-fragments -noI -noD -no-progress -quiet > /dev/null";

static int setup(void **state)
{
	char command[2048];
	(void)state;
	if (mkdtemp(work) == NULL)
		return -1;
	snprintf(command, sizeof command, make_tree, work);
	return system(command);
}

static int teardown(void **state)
{
	char command[100];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", work);
	return system(command);
}

static int open_at(const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", work, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static struct imgfs *open_image(int fd, const struct imgfs_options *options)
{
	struct imgfs *imgfs;
	struct err err;
	if (imgfs_open(fd, options, &imgfs, &err) < 0)
		fail_msg("%s", err.text);
	return imgfs;
}

static void compare_file(struct imgfs *imgfs, uint64_t ino, const char *path, size_t step)
{
	static char expected[1 << 20], got[1 << 20];
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	for (uint64_t offset = 0;; offset += step) {
		ssize_t want = pread(fd, expected, step, (off_t)offset);
		assert_int_equal(imgfs_read(imgfs, ino, got, step, offset), want);
		assert_memory_equal(got, expected, (size_t)want);
		if (want == 0)
			return;
	}
}

static void compare(struct imgfs *imgfs, uint64_t ino, const char *path);

struct names {
	struct imgfs *imgfs;
	uint64_t ino, next;
	const char *path;
	size_t count, limit;
};

static bool on_entry(void *context, const char *name, const struct imgfs_entry *entry, uint64_t next)
{
	struct names *names = context;
	if (names->count == names->limit)
		return false;
	names->count++;
	names->next = next;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return true;
	char path[512];
	struct imgfs_entry found;
	snprintf(path, sizeof path, "%s/%s", names->path, name);
	assert_int_equal(imgfs_lookup(names->imgfs, names->ino, name, &found), 0);
	assert_int_equal(found.ino, entry->ino);
	assert_int_equal(found.attr.st_ino, entry->attr.st_ino);
	compare(names->imgfs, entry->ino, path);
	return true;
}

static void compare_directory(struct imgfs *imgfs, uint64_t ino, const char *path)
{
	/* In small pieces, each from the offset of the last. */
	struct names names = {.imgfs = imgfs, .ino = ino, .path = path, .limit = 7};
	size_t expected = 0;
	DIR *dir = opendir(path);
	while (readdir(dir) != NULL)
		expected++;
	closedir(dir);
	for (size_t before = SIZE_MAX; names.count != before; names.limit = names.count + 7) {
		before = names.count;
		assert_int_equal(imgfs_readdir(imgfs, ino, names.next, true, on_entry, &names), 0);
	}
	assert_int_equal(names.count, expected);
}

static void compare(struct imgfs *imgfs, uint64_t ino, const char *path)
{
	struct stat attr, expected;
	char text[256], link[256] = "";
	assert_int_equal(imgfs_getattr(imgfs, ino, &attr), 0);
	assert_int_equal(lstat(path, &expected), 0);
	assert_int_equal(attr.st_mode, expected.st_mode);
	assert_int_equal(attr.st_mtim.tv_sec, expected.st_mtim.tv_sec);
	assert_int_equal(attr.st_uid, 77);
	if (!S_ISDIR(attr.st_mode)) {
		assert_int_equal(attr.st_size, expected.st_size);
		assert_int_equal(attr.st_nlink, expected.st_nlink);
	}
	if (S_ISDIR(attr.st_mode)) {
		compare_directory(imgfs, ino, path);
	} else if (S_ISREG(attr.st_mode)) {
		compare_file(imgfs, ino, path, 131072);
	} else {
		assert_true(readlink(path, link, sizeof link - 1) > 0);
		assert_int_equal(imgfs_readlink(imgfs, ino, text, sizeof text), 0);
		assert_string_equal(text, link);
		assert_int_equal(imgfs_readlink(imgfs, ino, text, strlen(link)), -ENAMETOOLONG);
	}
}

static const struct imgfs_options ids = {.own_ids = true, .uid = 77, .gid = 78};

static void test_whole_tree(void **state)
{
	(void)state;
	char tree[256], name[64];
	int tried = 0;
	snprintf(tree, sizeof tree, "%s/tree", work);
	for (size_t i = 0; i < 6; i++) {
		snprintf(name, sizeof name, "%s.sqsh", i < 5 ? compressors[i] : "export");
		AUTO_FD int fd = open_at(name);
		if (fd < 0)
			continue;
		struct imgfs *imgfs = open_image(fd, &ids);
		compare(imgfs, IMGFS_ROOT, tree);
		imgfs_free(&imgfs);
		tried++;
	}
	assert_true(tried >= 5);
}

static uint64_t find(struct imgfs *imgfs, const char *name)
{
	struct imgfs_entry entry;
	assert_int_equal(imgfs_lookup(imgfs, IMGFS_ROOT, name, &entry), 0);
	return entry.ino;
}

static void test_odd_reads(void **state)
{
	(void)state;
	AUTO_FD int fd = open_at("zstd.sqsh");
	struct imgfs *imgfs = open_image(fd, &ids);
	char path[256], bytes[16];
	snprintf(path, sizeof path, "%s/tree/big", work);
	compare_file(imgfs, find(imgfs, "big"), path, 77777);
	assert_int_equal(imgfs_read(imgfs, find(imgfs, "big"), bytes, 16, 1ull << 62), 0);
	assert_int_equal(imgfs_read(imgfs, find(imgfs, "big"), bytes, 0, 0), 0);
	assert_int_equal(imgfs_read(imgfs, find(imgfs, "dir"), bytes, 16, 0), -EISDIR);
	assert_int_equal(find(imgfs, "big"), find(imgfs, "hard"));
	struct imgfs_entry entry;
	assert_int_equal(imgfs_lookup(imgfs, find(imgfs, "big"), "x", &entry), -ENOTDIR);
	assert_int_equal(imgfs_lookup(imgfs, IMGFS_ROOT, "", &entry), -ENOENT);
	imgfs_free(&imgfs);
}

static bool remember(void *context, const char *name, const struct imgfs_entry *entry, uint64_t next)
{
	(void)entry;
	(void)next;
	strcat(strcat(context, name), " ");
	return true;
}

static void test_made_nodes(void **state)
{
	(void)state;
	AUTO_FD int fd = open_at("zstd.sqsh");
	struct imgfs *imgfs = open_image(fd, &ids);
	struct imgfs_entry dir, file, link, entry;
	char text[256] = "";
	uint64_t empty = find(imgfs, "empty");
	assert_int_equal(imgfs_make(imgfs, empty, "d", S_IFDIR | 0755, NULL, &dir), 0);
	assert_int_equal(imgfs_make(imgfs, dir.ino, "f", S_IFREG | 0644, NULL, &file), 0);
	assert_int_equal(imgfs_make(imgfs, dir.ino, "l", S_IFLNK | 0777, "to", &link), 0);
	assert_int_equal(imgfs_make(imgfs, dir.ino, "f", S_IFREG, NULL, &entry), -EEXIST);
	assert_int_equal(imgfs_make(imgfs, IMGFS_ROOT, "big", S_IFREG, NULL, &entry), -EEXIST);
	assert_int_equal(imgfs_make(imgfs, find(imgfs, "big"), "x", S_IFREG, NULL, &entry), -ENOTDIR);
	assert_int_equal(imgfs_readdir(imgfs, empty, 0, true, remember, text), 0);
	assert_string_equal(text, ". .. d ");
	text[0] = '\0';
	assert_int_equal(imgfs_readdir(imgfs, dir.ino, 0, false, remember, text), 0);
	assert_string_equal(text, ". .. f l ");
	assert_int_equal(imgfs_readlink(imgfs, link.ino, text, sizeof text), 0);
	assert_string_equal(text, "to");
	assert_int_equal(imgfs_read(imgfs, file.ino, text, sizeof text, 0), 0);
	assert_int_equal(imgfs_readdir(imgfs, file.ino, 0, false, remember, text), -ENOTDIR);
	assert_int_equal(imgfs_lookup(imgfs, file.ino, "x", &entry), -ENOTDIR);
	assert_int_equal(imgfs_make(imgfs, file.ino, "x", S_IFREG, NULL, &entry), -ENOTDIR);
	assert_int_equal(imgfs_getattr(imgfs, IMGFS_MADE_BASE + 1000, &entry.attr), -ESTALE);
	imgfs_free(&imgfs);
}

static void test_own_ids_of_the_image(void **state)
{
	(void)state;
	AUTO_FD int fd = open_at("zstd.sqsh");
	struct imgfs *imgfs = open_image(fd, &(struct imgfs_options){0});
	struct stat attr;
	assert_int_equal(imgfs_getattr(imgfs, IMGFS_ROOT, &attr), 0);
	assert_int_equal(attr.st_uid, 0);
	assert_int_equal(attr.st_gid, 0);
	imgfs_free(&imgfs);
}

static void test_no_image(void **state)
{
	(void)state;
	struct imgfs *imgfs = NULL;
	struct err err = ERR_NONE;
	AUTO_FD int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(imgfs_open(fd, &ids, &imgfs, &err) < 0);
	assert_null(imgfs);
	assert_true(err.number > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_tree), cmocka_unit_test(test_odd_reads),
		cmocka_unit_test(test_made_nodes), cmocka_unit_test(test_own_ids_of_the_image),
		cmocka_unit_test(test_no_image),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
