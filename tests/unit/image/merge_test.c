/* merge: which files of all layers are alive, and in which order their content streams by. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "image/merge.h"
#include "make_tar.h"

static struct layer_scan *scan_of(struct buf *tar)
{
	struct err err = ERR_NONE;
	struct layer_scan *scan = NULL;
	const struct build_layer layer = {.size = tar->len + 1024};
	tar_end(tar);
	if (layer_scan_new(&layer, &scan, &err) < 0 || layer_scan_feed(scan, tar->data, tar->len, &err) < 0 ||
	    layer_scan_end(scan, &err) < 0)
		fail_msg("%s", err.text);
	buf_free(tar);
	return scan;
}

static void empty(void **state)
{
	(void)state;
	struct merge merge;
	struct err err = ERR_NONE;
	assert_int_equal(merge_layers(NULL, 0, &merge, &err), 0);
	assert_int_equal(merge.file_count, 0);
	assert_int_equal(merge.inodes, 1);
	assert_int_equal(merge.bytes, 0);
	merge_free(&merge);
	assert_null(merge.tree);
}

static void alive(void **state)
{
	(void)state;
	struct buf low = {0}, high = {0};
	tar_add(&low, (struct member){.path = "z", .content = "zz"});
	tar_add(&low, (struct member){.path = "d/gone", .content = "gone"});
	tar_add(&low, (struct member){.path = "replaced", .content = "old"});
	tar_add(&low, (struct member){.path = "a", .content = "a"});
	tar_add(&low, (struct member){.path = "again", .type = '1', .target = "a"});
	tar_add(&low, (struct member){.path = "link", .type = '2', .target = "a"});
	tar_add(&high, (struct member){.path = "new", .content = "four"});
	tar_add(&high, (struct member){.path = "d/.wh.gone"});
	tar_add(&high, (struct member){.path = "replaced", .content = "young"});
	tar_add(&high, (struct member){.path = "high", .type = '1', .target = "z"});
	struct layer_scan *scans[] = {scan_of(&low), scan_of(&high)};
	struct merge merge;
	struct err err = ERR_NONE;
	if (merge_layers(scans, 2, &merge, &err) < 0)
		fail_msg("%s", err.text);
	/* By layer, then as in its tar: not by name. */
	static const struct { const char *path; uint32_t layer; } wanted[] = {
		{"z", 0}, {"a", 0}, {"new", 1}, {"replaced", 1},
	};
	assert_int_equal(merge.file_count, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct layer_tree_inode *inode = layer_tree_inode_at(merge.tree, merge.files[i]);
		assert_string_equal(inode->entry->path, wanted[i].path);
		assert_int_equal(inode->layer, wanted[i].layer);
		if (i > 0 && inode->layer == wanted[i - 1].layer)
			assert_true(inode->entry->data_at >
				    layer_tree_inode_at(merge.tree, merge.files[i - 1])->entry->data_at);
	}
	assert_int_equal(merge.bytes, 2 + 1 + 4 + 5);
	assert_int_equal(merge.inodes, 4 + 3);  /* and the root, d, the link */
	assert_int_equal(layer_tree_find_path(merge.tree, "d/gone"), 0);
	merge_free(&merge);
	layer_scan_free(&scans[0]);
	layer_scan_free(&scans[1]);
}

static void refused(void **state)
{
	(void)state;
	struct buf good = {0}, bad = {0};
	tar_add(&good, (struct member){.path = "a", .content = "a"});
	tar_add(&bad, (struct member){.path = "b", .type = '1', .target = "nowhere"});
	struct layer_scan *scans[] = {scan_of(&good), scan_of(&bad)};
	struct merge merge;
	struct err err = ERR_NONE;
	assert_int_equal(merge_layers(scans, 2, &merge, &err), -EBADMSG);
	assert_null(merge.tree);
	assert_null(merge.files);
	assert_non_null(strstr(err.text, "nowhere"));
	layer_scan_free(&scans[0]);
	layer_scan_free(&scans[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty), cmocka_unit_test(alive), cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
