/*
 * reorder.c - an image with the files of a start first (reorder.h).
 *
 * Flow: the old image's inodes as one layer → a tree → its files in the order of their first
 * use, then the others in the order in which they lay → squashfs (build_squash.h) → read back
 * and compared (build_verify.h) → config and tail → which parts the same run reads of it.
 *
 * That last step carries the uses over by blocks: those of a file that the run touched in the
 * old image are the same blocks of it in the new one, since the block size is kept.  Where they
 * lie, squash/'s reader says by what it asks for (disk_need_fn).
 */
#include "image/reorder.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "common/cleanup.h"
#include "image/build.h"
#include "image/build_squash.h"
#include "image/build_verify.h"
#include "image/config.h"
#include "image/reorder_impl.h"

enum { PIECE = 1 << 20, THREADS_MAX = 16 };

struct reorder {
	const struct image_file *old;
	struct reorder_source source;
	struct merge merge;         /* files: in the new order */
	struct reorder_range *used; /* of the old image, ascending, apart */
	size_t used_count;
	struct reorder_result *result;
	size_t hot_room;
};

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory to write the image anew");
}

static unsigned thread_count(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
	return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : (unsigned)count;
}

/* Of the source, by the inode in the tree; only of what has an entry. */
static size_t source_index(const struct reorder *reorder, uint32_t inode)
{
	return (size_t)(layer_tree_inode_at(reorder->merge.tree, inode)->entry - reorder->source.entries);
}

/* -- the order ---------------------------------------------------------- */

static int by_place(const void *a, const void *b, void *context)
{
	const struct reorder *reorder = context;
	size_t i = source_index(reorder, *(const uint32_t *)a), j = source_index(reorder, *(const uint32_t *)b);
	const struct disk_inode *one = &reorder->source.inodes[i], *two = &reorder->source.inodes[j];
	if (one->start != two->start)
		return one->start < two->start ? -1 : 1;
	if (one->fragment != two->fragment)
		return one->fragment < two->fragment ? -1 : 1;
	if (one->fragment_offset != two->fragment_offset)
		return one->fragment_offset < two->fragment_offset ? -1 : 1;
	return i < j ? -1 : i > j;
}

/* The inode of a regular file at an absolute path without links; 0: there is none. */
static uint32_t find_file(struct layer_tree *tree, const char *path)
{
	uint32_t id = layer_tree_find_path(tree, path);
	if (!id || !S_ISREG(layer_tree_mode(layer_tree_inode(tree, layer_tree_node(tree, id)))))
		return 0;
	return layer_tree_node(tree, id)->inode;
}

static int order_files(struct reorder *reorder, const struct reorder_use *uses, size_t count,
		       struct err *err)
{
	struct merge *merge = &reorder->merge;
	uint32_t end = layer_tree_inode_end(merge->tree);
	AUTO_FREE bool *taken = calloc(end, sizeof *taken);
	merge->files = calloc(end, sizeof *merge->files);
	if (!taken || !merge->files)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		uint32_t inode = *uses[i].path ? find_file(merge->tree, uses[i].path) : 0;
		if (*uses[i].path && !inode)
			return err_set(err, ESTALE, "the profile is of another image: it names %.300s, which is "
				       "no file here; record it with this image", uses[i].path);
		if (!inode || taken[inode])
			continue;
		taken[inode] = true;
		merge->files[merge->file_count++] = inode;
	}
	reorder->result->moved = merge->file_count;
	for (uint32_t i = 1; i < end; i++) {
		const struct layer_tree_inode *inode = layer_tree_inode_at(merge->tree, i);
		merge->inodes += inode->links > 0;
		if (inode->links == 0 || !S_ISREG(layer_tree_mode(inode)))
			continue;
		merge->bytes += inode->entry->size;
		if (merge->bytes > MERGE_BYTES_MAX)
			return err_set(err, EFBIG, "the image has more than %llu GiB of files",
				       (unsigned long long)(MERGE_BYTES_MAX >> 30));
		if (!taken[i])
			merge->files[merge->file_count++] = i;
	}
	size_t moved = reorder->result->moved;
	qsort_r(merge->files + moved, merge->file_count - moved, sizeof *merge->files, by_place, reorder);
	reorder->result->files = merge->file_count;
	return 0;
}

/* -- contents ----------------------------------------------------------- */

static int copy_file(struct reorder *reorder, struct build_squash *squash, uint32_t inode, char *piece,
		     XXH3_state_t *state, struct err *err)
{
	size_t i = source_index(reorder, inode);
	struct layer_entry *entry = &reorder->source.entries[i];
	XXH3_128bits_reset(state);
	int rc = build_squash_begin(squash, inode, err);
	for (uint64_t at = 0; rc == 0 && at < entry->size;) {
		ssize_t got = disk_file_read(&reorder->source.reader, &reorder->source.inodes[i], at, piece,
					     PIECE, err);
		if (got <= 0)
			return got < 0 ? err_prefix(err, "/%.300s", entry->path)
				       : err_set(err, EIO, "/%.300s: shorter than its size", entry->path);
		XXH3_128bits_update(state, piece, (size_t)got);
		rc = build_squash_append(squash, piece, (size_t)got, err);
		at += (uint64_t)got;
	}
	XXH128_hash_t hash = XXH3_128bits_digest(state);
	entry->hash[0] = hash.low64;
	entry->hash[1] = hash.high64;
	return rc < 0 ? rc : build_squash_end(squash, err);
}

static int copy_files(struct reorder *reorder, struct build_squash *squash, struct err *err)
{
	AUTO_FREE char *piece = malloc(PIECE);
	XXH3_state_t *state = XXH3_createState();
	int rc = piece && state ? 0 : no_memory(err);
	for (size_t i = 0; rc == 0 && i < reorder->merge.file_count; i++)
		rc = copy_file(reorder, squash, reorder->merge.files[i], piece, state, err);
	XXH3_freeState(state);
	return rc;
}

static int write_image(struct reorder *reorder, int out_fd, struct err *err)
{
	AUTO_CALL(build_squash_free) struct build_squash *squash = NULL;
	const struct build_squash_options options = {
		.compressor = reorder->old->super.compressor,
		.block_size = reorder->old->super.block_size,
		.threads = thread_count(),
	};
	struct image_config config;
	uint64_t bytes_used;
	int rc = build_squash_new(out_fd, reorder->merge.tree, &options, &squash, err);
	if (rc == 0)
		rc = copy_files(reorder, squash, err);
	if (rc == 0)
		rc = build_squash_finish(squash, &bytes_used, err);
	if (rc == 0)
		rc = build_verify(out_fd, &reorder->merge, options.threads, err);
	if (rc < 0)
		return rc;
	if ((rc = image_config_read(reorder->old, &config, err)) < 0)
		return rc == -ENOENT ? 0 : rc;  /* of another maker: there is no config */
	rc = build_add_json_tail(out_fd, bytes_used, config.json, config.tail.json_len, err);
	image_config_free(&config);
	return rc;
}

/* -- what is hot -------------------------------------------------------- */

static int by_offset(const void *a, const void *b)
{
	const struct reorder_range *one = a, *two = b;
	return one->offset < two->offset ? -1 : one->offset > two->offset;
}

static int sort_uses(struct reorder *reorder, const struct reorder_use *uses, size_t count,
		     struct err *err)
{
	struct reorder_range *used = reorder->used = calloc(count + 1, sizeof *used);
	size_t kept = 0;
	if (!used)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		if (uses[i].offset > reorder->old->size || uses[i].len > reorder->old->size - uses[i].offset)
			return err_set(err, ESTALE, "the profile is of another image, which is larger; record it "
				       "with this image");
		used[i] = (struct reorder_range){uses[i].offset, uses[i].len};
	}
	qsort(used, count, sizeof *used, by_offset);
	for (size_t i = 0; i < count; i++) {
		struct reorder_range *last = kept ? &used[kept - 1] : NULL;
		if (!last || used[i].offset > last->offset + last->len)
			used[kept++] = used[i];
		else if (used[i].offset + used[i].len > last->offset + last->len)
			last->len = used[i].offset + used[i].len - last->offset;
	}
	reorder->used_count = kept;
	return 0;
}

/* Does the run's use touch [at, at + len)? */
static bool is_used(const struct reorder *reorder, uint64_t at, uint64_t len)
{
	size_t low = 0, high = reorder->used_count;
	while (low < high) {  /* the first that ends behind `at` */
		size_t middle = low + (high - low) / 2;
		if (reorder->used[middle].offset + reorder->used[middle].len > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low < reorder->used_count && reorder->used[low].offset < at + len;
}

struct touch {
	const struct reorder *reorder;
	bool touched;
};

/* Data lies before the inode table: of the tables nothing counts here. */
static int on_old_need(void *context, uint64_t at, uint64_t len)
{
	struct touch *touch = context;
	if (at < touch->reorder->old->super.inode_table)
		touch->touched |= is_used(touch->reorder, at, len);
	return 0;
}

static int on_new_need(void *context, uint64_t at, uint64_t len)
{
	struct reorder *reorder = context;
	struct reorder_result *result = reorder->result;
	if (result->hot_count && result->hot[result->hot_count - 1].offset == at)
		return 0;
	if (result->hot_count == reorder->hot_room) {
		size_t room = reorder->hot_room ? 2 * reorder->hot_room : 256;
		struct reorder_range *hot = realloc(result->hot, room * sizeof *hot);
		if (!hot)
			return -ENOMEM;
		result->hot = hot;
		reorder->hot_room = room;
	}
	result->hot[result->hot_count++] = (struct reorder_range){at, len};
	return 0;
}

static int find_new(struct disk_reader *reader, const char *path, struct disk_inode *inode,
		    struct err *err)
{
	struct disk_entry entry;
	int rc = disk_inode_get(reader, reader->disk->super.root_inode, inode, err);
	while (rc == 0 && *(path += strspn(path, "/"))) {
		char name[DISK_NAME_MAX + 1];
		size_t len = strcspn(path, "/");
		if (len > DISK_NAME_MAX)
			return err_set(err, ENAMETOOLONG, "a name of %zu bytes", len);
		memcpy(name, path, len);
		name[len] = '\0';
		path += len;
		rc = disk_dir_find(reader, inode, name, &entry, err);
		if (rc == 0)
			return err_set(err, EIO, "%s is missing in the new image", name);
		if (rc > 0)
			rc = disk_inode_get(reader, entry.inode, inode, err);
	}
	return rc;
}

/* The blocks of one file that the run touched. */
static int carry_file(struct reorder *reorder, struct disk_reader *reader, size_t i, bool *any,
		      struct err *err)
{
	struct reorder_source *source = &reorder->source;
	struct touch touch = {.reorder = reorder};
	struct disk_inode inode;
	int rc = find_new(reader, source->entries[i].path, &inode, err);
	source->reader.need = on_old_need;
	source->reader.need_context = &touch;
	for (uint64_t at = 0; rc == 0 && at < inode.size; at += reorder->old->super.block_size) {
		touch.touched = false;
		rc = disk_file_load(&source->reader, &source->inodes[i], at, err);
		if (rc < 0 || !touch.touched)
			continue;
		*any = true;
		rc = disk_file_load(reader, &inode, at, err);
	}
	source->reader.need = NULL;
	return rc;
}

static int carry_uses(struct reorder *reorder, int out_fd, struct err *err)
{
	const struct disk_limits limits = {8 << 20, 8 << 20, 8 << 20};
	struct disk disk;
	struct disk_reader reader;
	bool any = reorder->result->moved == 0;
	int rc = disk_open(&disk, out_fd, &limits, err);
	if (rc < 0)
		return rc;
	rc = disk_reader_init(&reader, &disk, err);
	if (rc == 0) {
		reader.need = on_new_need;
		reader.need_context = reorder;
		on_new_need(reorder, 0, SQUASH_SUPER_SIZE);
		for (size_t i = 0; rc == 0 && i < reorder->result->moved; i++)
			rc = carry_file(reorder, &reader, source_index(reorder, reorder->merge.files[i]), &any, err);
		on_new_need(reorder, disk.super.id_table, disk.super.bytes_used - disk.super.id_table);
		disk_reader_free(&reader);
	}
	disk_close(&disk);
	if (rc == 0 && !any)
		return err_set(err, ESTALE, "the profile is of another image: no file that it names lies where it "
			       "says; record it with this image");
	return rc;
}

int image_reorder(const struct image_file *old, const struct reorder_use *uses, size_t count,
		  int out_fd, struct reorder_result *result, struct err *err)
{
	struct reorder reorder = {.old = old, .result = result, .merge.tree = layer_tree_new()};
	*result = (struct reorder_result){0};
	int rc = reorder.merge.tree ? sort_uses(&reorder, uses, count, err) : no_memory(err);
	if (rc == 0)
		rc = reorder_source_read(&reorder.source, old->fd, err);
	if (rc == 0)
		rc = layer_tree_apply(reorder.merge.tree, 0, reorder.source.entries, reorder.source.count, err);
	if (rc == 0)
		rc = layer_tree_sort(reorder.merge.tree, err);
	if (rc == 0)
		rc = order_files(&reorder, uses, count, err);
	if (rc == 0)
		rc = write_image(&reorder, out_fd, err);
	if (rc == 0)
		rc = carry_uses(&reorder, out_fd, err);
	result->dropped = reorder.source.dropped;
	merge_free(&reorder.merge);
	reorder_source_free(&reorder.source);
	free(reorder.used);
	if (rc < 0) {
		free(result->hot);
		result->hot = NULL;
		result->hot_count = 0;
	}
	return rc;
}
