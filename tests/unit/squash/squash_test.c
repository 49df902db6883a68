/* squash: an image of every compressor, made from a tree with traps, read by path. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "squash/squash.h"

/* What the images hold (block size 4096). Numbers: seq 40000, 228,894 bytes: some blocks and a tail. */
static const char make_tree[] =
	"set -e; mkdir -p r/etc r/usr/lib r/deep/a/b r/many; ln -s usr/lib r/lib;"
	"echo hello > r/etc/motd; seq 40000 > r/numbers; head -c 20000 /dev/zero > r/hole; : > r/empty;"
	"echo x >> r/hole; ln -s ../../../../../etc/motd r/deep/a/out; ln -s /etc r/deep/a/b/root_etc;"
	"ln -s loop2 r/loop1; ln -s loop1 r/loop2; ln -s b/../../a r/deep/a/self; ln r/numbers r/hard;"
	"echo so > r/usr/lib/lib.so.1; mkfifo r/fifo; ln -s nowhere r/dangling;"
	"for i in $(seq 700); do echo $i > r/many/file$i; done;"
	"for c in gzip xz lzo lz4 zstd; do mksquashfs r $c -comp $c -b 4096 -noappend -all-root"
	" -no-progress -quiet -no-xattrs >/dev/null; done;"
	"mksquashfs r none -noI -noD -noF -b 131072 -noappend -no-progress -quiet -no-xattrs >/dev/null";

static const char *const images[] = {"gzip", "xz", "lzo", "lz4", "zstd", "none"};
static char dir[] = "/tmp/squash_test.XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) && chdir(dir) == 0 ? system(make_tree) : -1;
}

static int teardown(void **state)
{
	(void)state;
	char command[100];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return chdir("/") == 0 ? system(command) : -1;
}

struct open_image {
	int fd;
	struct squash *squash;
};

static struct open_image image_of(const char *name)
{
	struct err err = ERR_NONE;
	struct open_image image = {.fd = open(name, O_RDONLY | O_CLOEXEC)};
	assert_true(image.fd >= 0);
	if (squash_open(image.fd, &image.squash, &err) < 0)
		fail_msg("%s: %s", name, err.text);
	return image;
}

static void image_close(struct open_image *image)
{
	squash_free(&image->squash);
	assert_null(image->squash);
	close(image->fd);
}

static void contents(void **state)
{
	(void)state;
	static char expected[300000];
	for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
		struct err err = ERR_NONE;
		struct open_image image = image_of(images[i]);
		struct squash_node node;
		char *bytes = NULL, piece[5000];
		size_t len = 0;
		FILE *file = fopen("r/numbers", "r");
		assert_non_null(file);
		size_t size = fread(expected, 1, sizeof expected, file);
		fclose(file);
		assert_int_equal(squash_lookup(image.squash, "/numbers", true, &node, &err), 0);
		assert_int_equal(node.size, size);
		assert_int_equal(squash_slurp_new(image.squash, &node, size, &bytes, &len, &err), 0);
		assert_int_equal(len, size);
		assert_memory_equal(bytes, expected, size);
		free(bytes);
		for (size_t at = 0; at < size + 3000; at += 3333) {
			ssize_t got = squash_read(image.squash, &node, at, piece, sizeof piece, &err);
			size_t left = at < size ? size - at : 0;
			assert_int_equal(got, left < sizeof piece ? left : sizeof piece);
			assert_memory_equal(piece, expected + at, (size_t)got);
		}
		assert_int_equal(squash_slurp_new(image.squash, &node, 100, &bytes, &len, &err), -EFBIG);
		assert_int_equal(squash_lookup(image.squash, "hole", true, &node, &err), 0);
		assert_int_equal(squash_read(image.squash, &node, 19999, piece, sizeof piece, &err), 3);
		assert_memory_equal(piece, "\0x\n", 3);
		assert_int_equal(squash_lookup(image.squash, "empty", true, &node, &err), 0);
		assert_int_equal(squash_read(image.squash, &node, 0, piece, sizeof piece, &err), 0);
		image_close(&image);
	}
}

static void real_is(struct squash *squash, const char *path, const char *expected)
{
	struct err err = ERR_NONE;
	char *real = NULL;
	if (squash_realpath_new(squash, path, &real, NULL, &err) < 0)
		fail_msg("%s: %s", path, err.text);
	assert_string_equal(real, expected);
	free(real);
}

static void fails(struct squash *squash, const char *path, int expected)
{
	struct err err = ERR_NONE;
	struct squash_node node;
	assert_int_equal(squash_lookup(squash, path, true, &node, &err), expected);
	assert_true(err.text[0] != '\0');
}

static void paths(void **state)
{
	(void)state;
	struct open_image image = image_of("zstd");
	real_is(image.squash, "/", "/");
	real_is(image.squash, "", "/");
	real_is(image.squash, "lib/lib.so.1", "/usr/lib/lib.so.1");
	real_is(image.squash, "//lib/./../lib//", "/usr/lib");
	real_is(image.squash, "/deep/a/out", "/etc/motd");
	real_is(image.squash, "/deep/a/b/root_etc/motd", "/etc/motd");
	real_is(image.squash, "/deep/a/b/root_etc/..", "/");
	real_is(image.squash, "/deep/a/self/self/self/b", "/deep/a/b");
	real_is(image.squash, "/../../..", "/");
	fails(image.squash, "/nothing", -ENOENT);
	fails(image.squash, "/dangling", -ENOENT);
	fails(image.squash, "/etc/motd/x", -ENOTDIR);
	fails(image.squash, "/etc/motd/..", -ENOTDIR);
	fails(image.squash, "/loop1", -ELOOP);
	char path[SQUASH_PATH_MAX + 2];
	memset(path, 'a', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	fails(image.squash, path, -ENAMETOOLONG);
	image_close(&image);
}

static void links_and_types(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct open_image image = image_of("zstd");
	struct squash_node node, other;
	char *target = NULL;
	assert_int_equal(squash_lookup(image.squash, "/lib", false, &node, &err), 0);
	assert_true(S_ISLNK(node.mode));
	assert_int_equal(squash_readlink_new(image.squash, &node, &target, &err), 0);
	assert_string_equal(target, "usr/lib");
	free(target);
	assert_int_equal(squash_lookup(image.squash, "/lib", true, &node, &err), 0);
	assert_true(S_ISDIR(node.mode));
	assert_int_equal(squash_readlink_new(image.squash, &node, &target, &err), -EINVAL);
	assert_int_equal(squash_lookup(image.squash, "/fifo", true, &node, &err), 0);
	assert_true(S_ISFIFO(node.mode));
	assert_int_equal(squash_read(image.squash, &node, 0, &node, 1, &err), -EINVAL);
	assert_int_equal(squash_lookup(image.squash, "/numbers", true, &node, &err), 0);
	assert_int_equal(squash_lookup(image.squash, "/hard", true, &other, &err), 0);
	assert_int_equal(node.inode, other.inode);
	image_close(&image);
}

struct seen {
	size_t files, dirs, links, stop_after;
	bool prune;
};

static int see(void *context, const char *path, const struct squash_node *node, struct err *err)
{
	struct seen *seen = context;
	(void)err;
	assert_true(path[0] == '/' && path[1] != '\0');
	seen->files += S_ISREG(node->mode);
	seen->dirs += S_ISDIR(node->mode);
	seen->links += S_ISLNK(node->mode);
	if (seen->stop_after && seen->files >= seen->stop_after)
		return SQUASH_VISIT_STOP;
	if (seen->prune && strcmp(path, "/many") == 0)
		return SQUASH_VISIT_PRUNE;
	return SQUASH_VISIT_ON;
}

static void walks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
		struct err err = ERR_NONE;
		struct open_image image = image_of(images[i]);
		struct seen all = {0}, pruned = {.prune = true}, few = {.stop_after = 10}, one = {0};
		assert_int_equal(squash_walk(image.squash, "/", see, &all, &err), 0);
		assert_int_equal(all.files, 706);
		assert_int_equal(all.dirs, 7);
		assert_int_equal(all.links, 7);
		assert_int_equal(squash_walk(image.squash, "/", see, &pruned, &err), 0);
		assert_int_equal(pruned.files, 6);
		assert_int_equal(squash_walk(image.squash, "/", see, &few, &err), 0);
		assert_int_equal(few.files, 10);
		assert_int_equal(squash_list(image.squash, "/deep/../lib/..", see, &one, &err), 0);
		assert_int_equal(one.files, 0);
		assert_int_equal(one.dirs, 1);
		assert_int_equal(squash_walk(image.squash, "/numbers", see, &one, &err), -ENOTDIR);
		image_close(&image);
	}
}

/* Every single byte of a small image turned round: never more than an error. */
static void broken_images(void **state)
{
	(void)state;
	static uint8_t bytes[20000];
	FILE *file = fopen(TEST_SOURCE_DIR "/fuzz/squash/squash_fuzz/gzip", "r");
	assert_non_null(file);
	size_t len = fread(bytes, 1, sizeof bytes, file), errors = 0;
	fclose(file);
	int fd = open("broken", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, bytes, len), len);
	for (size_t i = 96; i < len; i++) {
		struct err err = ERR_NONE;
		struct squash *squash = NULL;
		struct seen seen = {0};
		uint8_t turned = (uint8_t)~bytes[i];
		assert_int_equal(pwrite(fd, &turned, 1, (off_t)i), 1);
		if (squash_open(fd, &squash, &err) == 0) {
			errors += squash_walk(squash, "/", see, &seen, &err) < 0;
			squash_free(&squash);
		}
		assert_int_equal(pwrite(fd, &bytes[i], 1, (off_t)i), 1);
	}
	close(fd);
	assert_true(errors > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contents), cmocka_unit_test(paths), cmocka_unit_test(links_and_types),
		cmocka_unit_test(walks),    cmocka_unit_test(broken_images),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
