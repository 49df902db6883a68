/*
 * image_tree.c - where a path of the image leads (image_tree.h).
 *
 * Resolving works on two texts: what is resolved already (no links in it) and what is left.  A link
 * puts its text in front of the rest; an absolute one empties the first as well; ".." cuts the
 * first and stays at the root there.  Both are bounded, links are counted.
 */
#include "mpi-abi/image_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for the tree of the image");
}

int image_tree_add(struct image_tree *tree, enum image_tree_kind kind, const char *path,
		   const char *link, struct err *err)
{
	if (tree->count == tree->size) {
		size_t size = tree->size ? tree->size * 2 : 256;
		void *more = realloc(tree->entries, size * sizeof *tree->entries);
		if (!more)
			return no_memory(err);
		tree->entries = more;
		tree->size = size;
	}
	size_t before = tree->by_path.count;
	if (!names_add(&tree->by_path, path, tree->count))
		return no_memory(err);
	if (tree->by_path.count == before)
		return 0;
	struct image_tree_entry *entry = &tree->entries[tree->count++];
	*entry = (struct image_tree_entry){.path = strdup(path), .kind = kind};
	if (kind == IMAGE_TREE_LINK)
		entry->link = strdup(link);
	return entry->path && (kind != IMAGE_TREE_LINK || entry->link) ? 0 : no_memory(err);
}

struct walk {
	char done[IMAGE_TREE_PATH_MAX], rest[2 * IMAGE_TREE_PATH_MAX];
	size_t done_len;
	int links;
};

static int follow(struct walk *walk, const char *link, const char *behind)
{
	char text[2 * IMAGE_TREE_PATH_MAX];
	if (++walk->links > IMAGE_TREE_LINKS_MAX)
		return -ELOOP;
	int len = snprintf(text, sizeof text, "%s/%s", link, behind);
	if (len < 0 || (size_t)len >= sizeof text)
		return -ENAMETOOLONG;
	if (link[0] == '/')
		walk->done_len = 0;
	memcpy(walk->rest, text, (size_t)len + 1);
	return 0;
}

/* One name; `behind` is what comes after it, inside walk->rest. */
static int step(const struct image_tree *tree, struct walk *walk, const char *name, size_t len,
		const char *behind, enum image_tree_kind *kind, bool *followed)
{
	if (len == 1 && name[0] == '.')
		return 0;
	if (len == 2 && memcmp(name, "..", 2) == 0) {
		while (walk->done_len > 0 && walk->done[--walk->done_len] != '/')
			;
		*kind = IMAGE_TREE_DIRECTORY;
		return 0;
	}
	size_t before = walk->done_len;
	if (before + len + 2 > sizeof walk->done)
		return -ENAMETOOLONG;
	walk->done[before] = '/';
	memcpy(walk->done + before + 1, name, len);
	walk->done_len = before + 1 + len;
	walk->done[walk->done_len] = '\0';
	const struct name *found = names_find(&tree->by_path, walk->done);
	if (!found)
		return -ENOENT;
	const struct image_tree_entry *entry = &tree->entries[found->value];
	*kind = entry->kind;
	if (entry->kind != IMAGE_TREE_LINK)
		return 0;
	walk->done_len = before;
	*kind = IMAGE_TREE_DIRECTORY;
	*followed = true;
	return follow(walk, entry->link, behind);
}

int image_tree_realpath_new(const struct image_tree *tree, const char *path, char **real,
			    enum image_tree_kind *kind)
{
	struct walk walk = {.done_len = 0};
	size_t at = 0;
	*kind = IMAGE_TREE_DIRECTORY;
	if (strlen(path) >= IMAGE_TREE_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(walk.rest, path, strlen(path) + 1);
	for (;;) {
		bool followed = false;
		at += strspn(walk.rest + at, "/");
		size_t len = strcspn(walk.rest + at, "/");
		if (len == 0)
			break;
		if (*kind != IMAGE_TREE_DIRECTORY)
			return -ENOTDIR;
		int rc = step(tree, &walk, walk.rest + at, len, walk.rest + at + len, kind, &followed);
		if (rc < 0)
			return rc;
		at = followed ? 0 : at + len;
	}
	walk.done[walk.done_len] = '\0';
	*real = strdup(walk.done_len ? walk.done : "/");
	return *real ? 0 : -ENOMEM;
}

void image_tree_pack(const struct image_tree *tree, struct buf *out)
{
	buf_add_u32(out, (uint32_t)tree->count);
	for (size_t i = 0; i < tree->count; i++) {
		buf_add_u8(out, (uint8_t)tree->entries[i].kind);
		buf_add_str(out, tree->entries[i].path);
		if (tree->entries[i].kind == IMAGE_TREE_LINK)
			buf_add_str(out, tree->entries[i].link);
	}
}

int image_tree_parse(struct cursor *in, struct image_tree *tree, struct err *err)
{
	uint32_t count = cursor_u32(in);
	if (count > IMAGE_TREE_ENTRIES_MAX)
		in->bad = true;
	for (uint32_t i = 0; !in->bad && i < count; i++) {
		unsigned kind = cursor_u8(in);
		char *path = cursor_str_new(in), *link = NULL;
		if (kind == IMAGE_TREE_LINK)
			link = cursor_str_new(in);
		if (kind < IMAGE_TREE_DIRECTORY || kind > IMAGE_TREE_FILE || (path && path[0] != '/'))
			in->bad = true;
		int rc = in->bad ? 0 : image_tree_add(tree, (enum image_tree_kind)kind, path, link, err);
		free(path);
		free(link);
		if (rc < 0)
			return rc;
	}
	return in->bad ? err_set(err, EPROTO, "the index of the image is broken: its tree") : 0;
}

void image_tree_free(struct image_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		free(tree->entries[i].path);
		free(tree->entries[i].link);
	}
	free(tree->entries);
	names_free(&tree->by_path);
	*tree = (struct image_tree){0};
}
