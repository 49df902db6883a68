/* attributes: what an inode of the tree is to be, and every fact that can differ. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "image/attributes.h"

static struct attributes at(struct layer_tree *tree, const char *path)
{
	uint32_t id = layer_tree_find_path(tree, path);
	assert_int_not_equal(id, 0);
	return attributes_of(tree, id, 6);
}

static void expect(struct attributes got, struct attributes wanted)
{
	const char *what = attributes_differ(&wanted, &got);
	if (what)
		fail_msg("%s", what);
}

static void of_the_tree(void **state)
{
	(void)state;
	const struct layer_entry entries[] = {
		{.path = "d/", .mode = S_IFDIR | 02750, .uid = 1, .gid = 4000000000, .mtime = -1},
		{.path = "d/file", .mode = S_IFREG | 0640, .size = 7, .uid = 2, .mtime = UINT32_MAX},
		{.path = "d/link", .mode = S_IFLNK | 0777, .target = "/to", .mtime = (int64_t)UINT32_MAX + 1},
		{.path = "made/pipe", .mode = S_IFIFO | 0600},
		{.path = "again", .mode = S_IFREG, .hard_link = true, .target = "d/file"},
	};
	struct err err = ERR_NONE;
	struct layer_tree *tree = layer_tree_new();
	assert_int_equal(layer_tree_apply(tree, 0, entries, 5, &err), 0);
	expect(at(tree, "/"), (struct attributes){.mode = S_IFDIR | 0755, .links = 4, .parent = 7});
	expect(at(tree, "d"), (struct attributes){.mode = S_IFDIR | 02750, .uid = 1, .gid = 4000000000,
						  .links = 2});
	expect(at(tree, "d/file"), (struct attributes){.mode = S_IFREG | 0640, .size = 7, .uid = 2,
						       .mtime = UINT32_MAX, .links = 2});
	expect(at(tree, "again"), at(tree, "d/file"));
	expect(at(tree, "d/link"), (struct attributes){.mode = S_IFLNK | 0777, .size = 3,
						       .mtime = UINT32_MAX, .links = 1});
	expect(at(tree, "made"), (struct attributes){.mode = S_IFDIR | 0755, .links = 2});
	expect(at(tree, "made/pipe"), (struct attributes){.mode = S_IFIFO | 0600, .links = 1});
	/* Once the inodes have numbers. */
	layer_tree_inode(tree, layer_tree_node(tree, layer_tree_find_path(tree, "made")))->number = 5;
	assert_int_equal(at(tree, "made").number, 5);
	assert_int_equal(at(tree, "made/pipe").parent, 0);
	layer_tree_inode(tree, layer_tree_node(tree, TREE_ROOT))->number = 6;
	assert_int_equal(at(tree, "made").parent, 6);
	layer_tree_free(&tree);
}

static void differences(void **state)
{
	(void)state;
	const struct attributes wanted = {.mode = S_IFREG | 0644};
	const struct { struct attributes got; const char *text; } cases[] = {
		{{.mode = S_IFREG | 0644}, NULL},
		{{.mode = S_IFLNK | 0644}, "another type"},
		{{.mode = S_IFREG | 0645}, "another mode"},
		{{.mode = S_IFREG | 0644, .uid = 1}, "another owner"},
		{{.mode = S_IFREG | 0644, .gid = 1}, "another group"},
		{{.mode = S_IFREG | 0644, .mtime = 1}, "another time"},
		{{.mode = S_IFREG | 0644, .size = 1}, "another size"},
		{{.mode = S_IFREG | 0644, .device = 1}, "another device"},
		{{.mode = S_IFREG | 0644, .links = 1}, "another number of links"},
		{{.mode = S_IFREG | 0644, .number = 1}, "another inode"},
		{{.mode = S_IFREG | 0644, .parent = 1}, "another parent"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *text = attributes_differ(&wanted, &cases[i].got);
		if (!cases[i].text)
			assert_null(text);
		else
			assert_string_equal(text, cases[i].text);
	}
}

static void xattrs(void **state)
{
	(void)state;
	const struct layer_xattr list[] = {{"user.a", "1", 1}, {"user.ab", "2", 1}};
	const struct layer_entry entry = {.xattrs = list, .xattr_count = 2};
	assert_ptr_equal(attributes_xattr(&entry, "user.a"), &list[0]);
	assert_ptr_equal(attributes_xattr(&entry, "user.ab"), &list[1]);
	assert_null(attributes_xattr(&entry, "user."));
	assert_null(attributes_xattr(NULL, "user.a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_the_tree), cmocka_unit_test(differences), cmocka_unit_test(xattrs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
