/* image_tree: links, "..", the root, loops; packed and back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mpi-abi/image_tree.h"

static void leads(const struct image_tree *tree, const char *path, const char *real,
		  enum image_tree_kind kind)
{
	char *got = NULL;
	enum image_tree_kind what;
	int rc = image_tree_realpath_new(tree, path, &got, &what);
	if (rc < 0)
		fail_msg("%s: %d", path, rc);
	assert_string_equal(got, real);
	assert_int_equal(what, kind);
	free(got);
}

static void fails(const struct image_tree *tree, const char *path, int number)
{
	char *got = NULL;
	enum image_tree_kind what;
	assert_int_equal(image_tree_realpath_new(tree, path, &got, &what), -number);
}

static void fill(struct image_tree *tree)
{
	struct err err = ERR_NONE;
	const struct {
		enum image_tree_kind kind;
		const char *path, *link;
	} entries[] = {
		{IMAGE_TREE_DIRECTORY, "/usr", NULL},       {IMAGE_TREE_DIRECTORY, "/usr/lib", NULL},
		{IMAGE_TREE_LINK, "/lib", "usr/lib"},       {IMAGE_TREE_FILE, "/usr/lib/a.so.1.2", NULL},
		{IMAGE_TREE_LINK, "/usr/lib/a.so", "a.so.1"}, {IMAGE_TREE_LINK, "/usr/lib/a.so.1", "/lib/a.so.1.2"},
		{IMAGE_TREE_LINK, "/up", "../../../usr/./lib/.."}, {IMAGE_TREE_LINK, "/loop", "/loop"},
		{IMAGE_TREE_LINK, "/usr/lib/gone", "nowhere"},
	};
	for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
		assert_int_equal(image_tree_add(tree, entries[i].kind, entries[i].path, entries[i].link, &err), 0);
}

static void check(const struct image_tree *tree)
{
	leads(tree, "/", "/", IMAGE_TREE_DIRECTORY);
	leads(tree, "", "/", IMAGE_TREE_DIRECTORY);
	leads(tree, "/lib", "/usr/lib", IMAGE_TREE_DIRECTORY);
	leads(tree, "//lib//a.so", "/usr/lib/a.so.1.2", IMAGE_TREE_FILE);
	leads(tree, "/lib/../lib/./a.so.1", "/usr/lib/a.so.1.2", IMAGE_TREE_FILE);
	leads(tree, "/../../usr/..", "/", IMAGE_TREE_DIRECTORY);
	leads(tree, "/up/lib", "/usr/lib", IMAGE_TREE_DIRECTORY);
	fails(tree, "/loop", ELOOP);
	fails(tree, "/lib/gone", ENOENT);
	fails(tree, "/lib/b", ENOENT);
	fails(tree, "/lib/a.so/x", ENOTDIR);
}

static void resolving(void **state)
{
	(void)state;
	struct image_tree tree = {0};
	fill(&tree);
	check(&tree);
	size_t count = tree.count;
	assert_int_equal(image_tree_add(&tree, IMAGE_TREE_FILE, "/usr", NULL, NULL), 0);
	assert_int_equal(tree.count, count);
	leads(&tree, "/usr", "/usr", IMAGE_TREE_DIRECTORY);
	image_tree_free(&tree);
}

static void packed_and_back(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct image_tree tree = {0}, other = {0};
	AUTO_BUF struct buf bytes = {0};
	fill(&tree);
	image_tree_pack(&tree, &bytes);
	struct cursor in = cursor_of(bytes.data, bytes.len);
	assert_int_equal(image_tree_parse(&in, &other, &err), 0);
	check(&other);
	for (size_t len = 0; len < bytes.len; len++) {
		image_tree_free(&other);
		in = cursor_of(bytes.data, len);
		assert_int_equal(image_tree_parse(&in, &other, &err), -EPROTO);
	}
	image_tree_free(&tree);
	image_tree_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolving), cmocka_unit_test(packed_and_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
