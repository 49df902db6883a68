/* image_file: each way in which an image can be no image has its own words. */
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

#include "image/image_file.h"
#include "squash/squash.h"
#include "tests/unit/common/make_sif.h"

#define SEED TEST_SOURCE_DIR "/fuzz/squash/squash_fuzz/zstd"

static char dir[] = "/tmp/image_file_test.XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	char command[100];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static const char *path_in_dir(const char *name)
{
	static char path[200];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

/* The first `len` bytes of the seed as a new file. */
static const char *copy_of_seed(const char *name, size_t len)
{
	static char bytes[100000];
	FILE *in = fopen(SEED, "r"), *out = fopen(path_in_dir(name), "w");
	assert_non_null(in);
	assert_non_null(out);
	size_t got = fread(bytes, 1, len, in);
	assert_int_equal(fwrite(bytes, 1, got, out), got);
	fclose(in);
	fclose(out);
	return path_in_dir(name);
}

static void refused(const char *path, int expected, const char *text)
{
	struct err err = ERR_NONE;
	struct image_file file;
	assert_int_equal(image_file_open(path, &file, &err), expected);
	assert_non_null(strstr(err.text, path));
	if (!strstr(err.text, text))
		fail_msg("'%s' lacks '%s'", err.text, text);
}

static void a_good_one(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	AUTO_IMAGE_FILE struct image_file file;
	struct image_file again;
	struct stat st;
	assert_int_equal(image_file_open(SEED, &file, &err), 0);
	assert_int_equal(stat(SEED, &st), 0);
	assert_int_equal(file.size, st.st_size);
	assert_int_equal(file.super.compressor, SQUASH_ZSTD);
	assert_int_equal(file.super.block_size, 4096);
	assert_int_equal(lseek(file.fd, 0, SEEK_CUR), 0);
	assert_true(fcntl(file.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(image_file_unchanged(&file, SEED, &err), 0);
	assert_int_equal(image_file_check(file.fd, "x", &again, &err), 0);
	assert_int_equal(again.fd, -1);
	assert_int_equal(again.size, file.size);
}

static void not_images(void **state)
{
	(void)state;
	refused(path_in_dir("missing"), -ENOENT, "no such file");
	refused(dir, -EISDIR, "mksquashfs");
	assert_int_equal(mkfifo(path_in_dir("fifo"), 0600), 0);
	refused(path_in_dir("fifo"), -EMEDIUMTYPE, "not a regular file");
	refused("/dev/null", -EMEDIUMTYPE, "not a regular file");
	refused(copy_of_seed("empty", 0), -ENODATA, "empty");
	refused(copy_of_seed("head", 60), -ENODATA, "60 bytes");
	refused(copy_of_seed("half", 3000), -ENODATA, "truncated");
	refused(__FILE__, -EMEDIUMTYPE, "not a squashfs image");
}

static void changed(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	AUTO_IMAGE_FILE struct image_file file;
	struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2}};
	const char *path = copy_of_seed("changing", 100000);
	assert_int_equal(image_file_open(path, &file, &err), 0);
	assert_int_equal(image_file_unchanged(&file, path, &err), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(image_file_unchanged(&file, path, &err), -ESTALE);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(image_file_unchanged(&file, path, &err), -ESTALE);
	assert_non_null(strstr(err.text, "to 100 bytes"));
}

/* A SIF file: its partition counts, and is read as the squashfs by itself is. */
static void a_part(void **state)
{
	(void)state;
	enum { AT = 4096 + 3 };
	static char bytes[100000];
	unsigned char head[SIF_HEAD];
	struct err err = ERR_NONE;
	AUTO_IMAGE_FILE struct image_file file;
	struct squash *whole, *part;
	struct squash_node one, two;
	FILE *seed = fopen(SEED, "r"), *out = fopen(path_in_dir("sif"), "w");
	size_t len = fread(bytes, 1, sizeof bytes, seed);
	sif_make(head, AT, len);
	assert_int_equal(fwrite(head, 1, sizeof head, out), sizeof head);
	assert_int_equal(fseek(out, AT, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, len, out), len);
	fputs("behind", out);
	fclose(out);
	if (image_file_open(path_in_dir("sif"), &file, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(file.at, AT);
	assert_int_equal(file.size, len);
	assert_int_equal(file.file_size, AT + len + 6);
	assert_int_equal(image_file_unchanged(&file, "sif", &err), 0);
	assert_int_equal(squash_open(fileno(seed), &whole, &err), 0);
	assert_int_equal(squash_open(file.fd, &part, &err), 0);
	assert_int_equal(squash_lookup(whole, "/", false, &one, &err), 0);
	assert_int_equal(squash_lookup(part, "/", false, &two, &err), 0);
	assert_int_equal(one.inode, two.inode);
	assert_int_equal(one.mode, two.mode);
	squash_free(&whole);
	squash_free(&part);
	fclose(seed);
	assert_int_equal(truncate(path_in_dir("sif"), AT + (off_t)len - 1), 0);
	refused(path_in_dir("sif"), -EBADMSG, "cut off");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one), cmocka_unit_test(not_images), cmocka_unit_test(changed),
		cmocka_unit_test(a_part),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
