/*
 * reorder_read.c - all inodes of a squashfs as entries of a layer (reorder_impl.h).
 *
 * Flow: directories are walked, parents first; then the names that share an inode become hard
 * links to the first of them.  Every string of an entry is its own.
 */
#include "image/reorder_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "image/layer_tree.h"
#include "squash/squash_xattr.h"

enum { CACHE_META = 8 << 20, CACHE_DATA = 8 << 20, CACHE_FRAGMENTS = 16 << 20 };

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory to read the image");
}

static int grow(struct reorder_source *source, struct err *err)
{
	if (source->count < source->room)
		return 0;
	if (source->count >= LAYER_ENTRIES_MAX)
		return err_set(err, E2BIG, "the image has more than %d files", LAYER_ENTRIES_MAX);
	size_t room = source->room ? 2 * source->room : 1024;
	void *entries = realloc(source->entries, room * sizeof *source->entries);
	if (entries)
		source->entries = entries;
	void *inodes = realloc(source->inodes, room * sizeof *source->inodes);
	if (inodes)
		source->inodes = inodes;
	void *places = realloc(source->places, room * sizeof *source->places);
	if (places)
		source->places = places;
	if (!entries || !inodes || !places)
		return no_memory(err);
	source->room = room;
	return 0;
}

/* -- one inode ---------------------------------------------------------- */

static int add_xattr(struct reorder_source *source, const struct squash_xattr *xattr,
		     struct layer_entry *entry, struct err *err)
{
	struct layer_xattr *list = realloc((void *)entry->xattrs, (entry->xattr_count + 1) * sizeof *list);
	if (!list)
		return no_memory(err);
	entry->xattrs = list;
	char *name = strdup(xattr->name), *value = malloc(xattr->size + 1);
	list[entry->xattr_count++] = (struct layer_xattr){name, value, xattr->size};
	if (!name || !value)
		return no_memory(err);
	return squash_xattr_value(&source->reader, xattr, value, err);
}

static int read_xattrs(struct reorder_source *source, const struct disk_inode *inode,
		       struct layer_entry *entry, struct err *err)
{
	struct squash_xattrs xattrs;
	AUTO_FREE struct squash_xattr *xattr = malloc(sizeof *xattr);
	if (inode->xattr == DISK_NO_XATTR)
		return 0;
	if (!xattr)
		return no_memory(err);
	int rc = squash_xattrs_open(&source->reader, inode, &xattrs, err);
	while (rc == 0 && (rc = squash_xattrs_next(&source->reader, &xattrs, xattr, err)) > 0)
		rc = add_xattr(source, xattr, entry, err);
	return rc;
}

static int read_link(struct reorder_source *source, const struct disk_inode *inode,
		     struct layer_entry *entry, struct err *err)
{
	if (inode->size >= LAYER_PATH_MAX)
		return err_set(err, ENAMETOOLONG, "a symbolic link of %llu bytes",
			       (unsigned long long)inode->size);
	char *text = calloc(1, inode->size + 1);
	if (!text)
		return no_memory(err);
	entry->target = text;
	return disk_link_read(&source->reader, inode, text, err);
}

/* `path` as a tar would have it, "./" for the root. */
static int add_entry(struct reorder_source *source, const char *path, uint64_t place,
		     const struct disk_inode *inode, struct err *err)
{
	int rc = grow(source, err);
	if (rc < 0)
		return rc;
	struct layer_entry *entry = &source->entries[source->count];
	*entry = (struct layer_entry){.path = strdup(path), .mode = inode->mode, .mtime = inode->mtime};
	source->inodes[source->count] = *inode;
	source->places[source->count++] = place;
	if (!entry->path)
		return no_memory(err);
	if (S_ISREG(inode->mode))
		entry->size = entry->stored = inode->size;
	if (entry->size > LAYER_FILE_MAX)
		return err_set(err, EFBIG, "a file of %llu bytes", (unsigned long long)entry->size);
	if (disk_id(&source->disk, inode->uid, &entry->uid) < 0 ||
	    disk_id(&source->disk, inode->gid, &entry->gid) < 0)
		return err_set(err, EIO, "an owner that the image does not list");
	if (S_ISLNK(inode->mode))
		rc = read_link(source, inode, entry, err);
	return rc < 0 ? rc : read_xattrs(source, inode, entry, err);
}

/* -- the walk ----------------------------------------------------------- */

static int walk(struct reorder_source *source, const struct disk_inode *dir, char *path, size_t len,
		unsigned depth, struct err *err);

static int take_name(struct reorder_source *source, const struct disk_entry *name, char *path,
		     size_t len, unsigned depth, struct err *err)
{
	struct disk_inode inode;
	size_t name_len = strlen(name->name);
	if (strncmp(name->name, ".wh.", 4) == 0)
		return err_set(err, ENOTSUP, "the name %.200s means a removal in layers, and cannot be kept",
			       name->name);
	if (len + name_len + 2 > LAYER_PATH_MAX)
		return err_set(err, ENAMETOOLONG, "a path of more than %d bytes", LAYER_PATH_MAX);
	int rc = disk_inode_get(&source->reader, name->inode, &inode, err);
	if (rc < 0)
		return rc;
	if (S_ISCHR(inode.mode) || S_ISBLK(inode.mode) || S_ISSOCK(inode.mode)) {
		source->dropped++;
		return 0;
	}
	memcpy(path + len, name->name, name_len + 1);
	rc = add_entry(source, path, name->inode, &inode, err);
	if (rc < 0)
		return err_prefix(err, "/%.300s", path);
	if (!S_ISDIR(inode.mode))
		return 0;
	memcpy(path + len + name_len, "/", 2);
	return walk(source, &inode, path, len + name_len + 1, depth + 1, err);
}

static int walk(struct reorder_source *source, const struct disk_inode *inode, char *path, size_t len,
		unsigned depth, struct err *err)
{
	struct disk_dir dir;
	struct disk_entry name;
	if (depth > TREE_DEPTH_MAX)
		return err_set(err, ELOOP, "more than %d directories below each other", TREE_DEPTH_MAX);
	int rc = disk_dir_open(inode, &dir, err);
	while (rc == 0 && (rc = disk_dir_next(&source->reader, &dir, &name, err)) > 0)
		rc = take_name(source, &name, path, len, depth, err);
	return rc;
}

/* -- hard links --------------------------------------------------------- */

static int by_inode(const void *a, const void *b, void *context)
{
	const uint64_t *places = context;
	size_t one = *(const size_t *)a, two = *(const size_t *)b;
	if (places[one] != places[two])
		return places[one] < places[two] ? -1 : 1;
	return one < two ? -1 : one > two;
}

static int join_links(struct reorder_source *source, struct err *err)
{
	AUTO_FREE size_t *shared = calloc(source->count + 1, sizeof *shared);
	size_t count = 0;
	if (!shared)
		return no_memory(err);
	for (size_t i = 0; i < source->count; i++)
		if (S_ISREG(source->inodes[i].mode))
			shared[count++] = i;
	qsort_r(shared, count, sizeof *shared, by_inode, source->places);
	for (size_t i = 1, first = 0; i < count; i++) {
		if (source->places[shared[i]] != source->places[shared[first]]) {
			first = i;
			continue;
		}
		struct layer_entry *entry = &source->entries[shared[i]];
		if (!(entry->target = strdup(source->entries[shared[first]].path)))
			return no_memory(err);
		entry->hard_link = true;
	}
	return 0;
}

int reorder_source_read(struct reorder_source *source, int fd, struct err *err)
{
	const struct disk_limits limits = {CACHE_META, CACHE_DATA, CACHE_FRAGMENTS};
	struct disk_inode root;
	char path[LAYER_PATH_MAX] = "./";
	int rc = disk_open(&source->disk, fd, &limits, err);
	if (rc < 0)
		return rc;
	source->disk_opened = true;
	if ((rc = disk_reader_init(&source->reader, &source->disk, err)) < 0)
		return rc;
	source->reader_made = true;
	uint64_t place = source->disk.super.root_inode;
	if ((rc = disk_load_ids(&source->reader, err)) == 0 &&
	    (rc = disk_load_xattrs(&source->reader, err)) == 0 &&
	    (rc = disk_inode_get(&source->reader, place, &root, err)) == 0 &&
	    (rc = add_entry(source, path, place, &root, err)) == 0 &&
	    (rc = walk(source, &root, path, 0, 1, err)) == 0)
		rc = join_links(source, err);
	return rc;
}

void reorder_source_free(struct reorder_source *source)
{
	for (size_t i = 0; i < source->count; i++) {
		struct layer_entry *entry = &source->entries[i];
		for (uint32_t j = 0; j < entry->xattr_count; j++) {
			free((char *)entry->xattrs[j].name);
			free((char *)entry->xattrs[j].value);
		}
		free((void *)entry->xattrs);
		free((char *)entry->path);
		free((char *)entry->target);
	}
	free(source->entries);
	free(source->inodes);
	free(source->places);
	if (source->reader_made)
		disk_reader_free(&source->reader);
	if (source->disk_opened)
		disk_close(&source->disk);
	*source = (struct reorder_source){0};
}
