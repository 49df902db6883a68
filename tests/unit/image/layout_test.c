/* layout: members of archives and directories are found by name, and nothing outside of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/remove_tree.h"
#include "image/layout.h"
#include "make_tar.h"

static char dir[] = "/tmp/layout_test.XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	remove_tree(AT_FDCWD, dir);
	return 0;
}

static const char *put(const char *name, const void *bytes, size_t len)
{
	static char path[200];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, bytes, len), len);
	return path;
}

static struct layout *archive_of(struct buf *tar)
{
	struct err err = ERR_NONE;
	struct layout *layout = NULL;
	tar_end(tar);
	const char *path = put("archive.tar", tar->data, tar->len);
	AUTO_FD int scratch = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layout_open_archive(path, scratch, &layout, &err) < 0)
		fail_msg("%s", err.text);
	buf_free(tar);
	return layout;
}

/* The content of a member; NULL: there is none of that name. */
static void expect(struct layout *layout, const char *name, const char *content)
{
	AUTO_BUF struct buf bytes = {0};
	struct err err = ERR_NONE;
	int rc = layout_read(layout, name, 1 << 20, &bytes, &err);
	if (!content) {
		assert_true(rc < 0);
		return;
	}
	if (rc < 0)
		fail_msg("%s: %s", name, err.text);
	assert_int_equal(bytes.len, strlen(content));
	assert_memory_equal(bytes.data, content, bytes.len);
}

static void archives(void **state)
{
	(void)state;
	struct buf tar = {0}, bytes = {0};
	struct err err = ERR_NONE;
	static char large[200000];
	memset(large, 'l', sizeof large - 1);
	tar_add(&tar, (struct member){.path = "./a/b", .content = "one"});
	tar_add(&tar, (struct member){.path = "twice", .content = "first"});
	tar_add(&tar, (struct member){.path = "a/link", .type = '2', .target = "../twice"});
	tar_add(&tar, (struct member){.path = "hard", .type = '1', .target = "a/b"});
	tar_add(&tar, (struct member){.path = "a/chain", .type = '2', .target = "link"});
	tar_add(&tar, (struct member){.path = "circle", .type = '2', .target = "circle"});
	tar_add(&tar, (struct member){.path = "out", .type = '2', .target = "../../etc/passwd"});
	tar_add(&tar, (struct member){.path = "absolute", .type = '2', .target = "/twice"});
	tar_add(&tar, (struct member){.path = "../escape", .content = "x"});
	tar_add(&tar, (struct member){.path = "folder", .type = '5'});
	tar_add(&tar, (struct member){.path = "large", .content = large});
	tar_add(&tar, (struct member){.path = "empty"});
	tar_add(&tar, (struct member){.path = "twice", .content = "last"});
	struct layout *layout = archive_of(&tar);
	expect(layout, "a/b", "one");
	expect(layout, "/a//b", "one");
	expect(layout, "a/../a/b", "one");
	expect(layout, "hard", "one");
	expect(layout, "twice", "last");
	expect(layout, "a/link", "last");
	expect(layout, "a/chain", "last");
	expect(layout, "empty", "");
	expect(layout, "large", large);
	expect(layout, "circle", NULL);
	expect(layout, "out", NULL);
	expect(layout, "folder", NULL);
	expect(layout, "../escape", NULL);
	expect(layout, "escape", NULL);
	expect(layout, "nothing", NULL);
	assert_int_equal(layout_read(layout, "large", 100, &bytes, &err), -EFBIG);
	layout_free(&layout);
	layout_free(&layout);
	buf_free(&bytes);
}

/* A folder's links lead nowhere outside of it. */
static void directories(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct layout *layout = NULL;
	char path[200];
	put("secret", "secret", 6);
	snprintf(path, sizeof path, "%s/layout", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	put("layout/file", "inside", 6);
	snprintf(path, sizeof path, "%s/layout/up", dir);
	assert_int_equal(symlink("../secret", path), 0);
	snprintf(path, sizeof path, "%s/layout/same", dir);
	assert_int_equal(symlink("file", path), 0);
	snprintf(path, sizeof path, "%s/layout/pipe", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof path, "%s/layout", dir);
	assert_int_equal(layout_open_directory(path, &layout, &err), 0);
	expect(layout, "file", "inside");
	expect(layout, "same", "inside");
	expect(layout, "up", NULL);
	expect(layout, "../secret", NULL);
	expect(layout, "pipe", NULL);
	layout_free(&layout);
	snprintf(path, sizeof path, "%s/none", dir);
	assert_int_equal(layout_open_directory(path, &layout, &err), -ENOENT);
}

#define HEX "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  /* of "hello" */

static void blobs(void **state)
{
	(void)state;
	struct buf tar = {0}, bytes = {0};
	struct err err = ERR_NONE;
	tar_add(&tar, (struct member){.path = "blobs/sha256/short", .content = "x"});
	tar_add(&tar, (struct member){.path = "pax", .type = 'L', .content = "blobs/sha256/" HEX});
	tar_add(&tar, (struct member){.path = "cut", .content = "hello"});
	struct layout *layout = archive_of(&tar);
	assert_int_equal(layout_blob(layout, "sha256:" HEX, 100, &bytes, &err), 0);
	assert_memory_equal(bytes.data, "hello", 5);
	assert_int_equal(layout_blob(layout, "sha256:short", 100, &bytes, &err), -EBADMSG);
	assert_int_equal(layout_blob(layout, "sha256:../../x", 100, &bytes, &err), -EBADMSG);
	layout_free(&layout);
	tar_add(&tar, (struct member){.path = "pax", .type = 'L', .content = "blobs/sha256/" HEX});
	tar_add(&tar, (struct member){.path = "cut", .content = "hellO"});
	layout = archive_of(&tar);
	assert_int_equal(layout_blob(layout, "sha256:" HEX, 100, &bytes, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "damaged"));
	layout_free(&layout);
	buf_free(&bytes);
}

#define ENTRY(name, digit) "{\"mediaType\": \"application/vnd.oci.image.manifest.v1+json\", \"size\": 2, \"digest\": \"sha256:" \
	digit digit digit digit digit digit digit digit "\", \"annotations\": {\"org.opencontainers.image.ref.name\": \"" name "\"}}"

static int find_tag(const char *index, const char *tag, char digest[DIGEST_TEXT_SIZE], struct err *err)
{
	struct buf tar = {0};
	tar_add(&tar, (struct member){.path = "index.json", .content = index});
	struct layout *layout = archive_of(&tar);
	int rc = layout_find_tag(layout, tag, digest, err);
	layout_free(&layout);
	return rc;
}

static void tags(void **state)
{
	(void)state;
	static const char one[] = "{\"schemaVersion\": 2, \"manifests\": [" ENTRY("docker.io/library/app:1", "11111111") "]}";
	static const char two[] = "{\"schemaVersion\": 2, \"manifests\": [" ENTRY("a", "11111111") ", " ENTRY("b", "22222222") "]}";
	char digest[DIGEST_TEXT_SIZE];
	struct err err = ERR_NONE;
	if (find_tag(one, NULL, digest, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(digest[7], '1');
	assert_int_equal(find_tag(one, "1", digest, &err), 0);  /* as Docker names it */
	assert_int_equal(find_tag(one, "2", digest, &err), -ENOENT);
	assert_int_equal(find_tag(two, "b", digest, &err), 0);
	assert_int_equal(digest[7], '2');
	assert_int_equal(find_tag(two, NULL, digest, &err), -ENOENT);
	assert_non_null(strstr(err.text, "a, b"));
	assert_int_equal(find_tag("{}", NULL, digest, &err) < 0, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(archives), cmocka_unit_test(directories), cmocka_unit_test(blobs),
		cmocka_unit_test(tags),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
