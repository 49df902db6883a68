/*
 * merge.c - layers put upon each other (merge.h).  Pure.
 */
#include "image/merge.h"

#include <stdlib.h>
#include <sys/stat.h>

static int by_stream(const void *a, const void *b, void *context)
{
	const struct layer_tree_inode *one = layer_tree_inode_at(context, *(const uint32_t *)a);
	const struct layer_tree_inode *two = layer_tree_inode_at(context, *(const uint32_t *)b);
	if (one->layer != two->layer)
		return one->layer < two->layer ? -1 : 1;
	/* Entries of one layer are one array. */
	return one->entry < two->entry ? -1 : one->entry > two->entry;
}

/* Lists the regular files and counts. */
static int list_files(struct merge *merge, struct err *err)
{
	struct layer_tree *tree = merge->tree;
	merge->files = calloc(layer_tree_inode_end(tree), sizeof *merge->files);
	if (!merge->files)
		return err_set(err, ENOMEM, "no memory to merge layers");
	for (uint32_t i = 1; i < layer_tree_inode_end(tree); i++) {
		const struct layer_tree_inode *inode = layer_tree_inode_at(tree, i);
		merge->inodes += inode->links > 0;
		if (inode->links == 0 || !S_ISREG(layer_tree_mode(inode)))
			continue;
		merge->files[merge->file_count++] = i;
		merge->bytes += inode->entry->size;  /* each at most LAYER_FILE_MAX, at most 4 million */
		if (merge->bytes > MERGE_BYTES_MAX)
			return err_set(err, EFBIG, "the image has more than %llu GiB of files",
				       (unsigned long long)(MERGE_BYTES_MAX >> 30));
	}
	qsort_r(merge->files, merge->file_count, sizeof *merge->files, by_stream, tree);
	return 0;
}

int merge_layers(struct layer_scan *const *scans, size_t count, struct merge *merge, struct err *err)
{
	*merge = (struct merge){.tree = layer_tree_new()};
	if (!merge->tree)
		return err_set(err, ENOMEM, "no memory to merge layers");
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		size_t entries;
		const struct layer_entry *list = layer_scan_entries(scans[i], &entries);
		rc = layer_tree_apply(merge->tree, (uint32_t)i, list, entries, err);
	}
	if (rc == 0)
		rc = layer_tree_sort(merge->tree, err);
	if (rc == 0)
		rc = list_files(merge, err);
	if (rc < 0)
		merge_free(merge);
	return rc;
}

void merge_free(struct merge *merge)
{
	layer_tree_free(&merge->tree);
	free(merge->files);
	*merge = (struct merge){0};
}
