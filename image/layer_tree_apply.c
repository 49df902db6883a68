/*
 * layer_tree_apply.c - the rules by which a layer changes the tree (layer_tree.h).  Pure.
 *
 * Flow: an entry's path is cleaned to components; all but the last are walked from the root,
 * links followed; then the entry's kind decides what happens to the last.
 *
 * Invariants: a walk never leaves the root, since ".." of the root is the root; at most
 * LINKS_MAX links a path, TREE_DEPTH_MAX directories.  `holds` of a node is the layer that
 * last brought it or anything below it: so a white-out knows what it must leave.
 */
#include <sys/stat.h>

#include "image/layer_tree_impl.h"

enum { LINKS_MAX = 40 };  /* as Linux: MAXSYMLINKS */

static const char whiteout[] = ".wh.", opaque[] = ".wh..wh..opq", whiteout_meta[] = ".wh..wh.";

struct part {
	const char *at;
	size_t len;
};

struct parts {
	struct part list[TREE_DEPTH_MAX + 1];
	size_t count;
};

struct apply {
	struct layer_tree *tree;
	uint32_t layer;
	const struct layer_entry *entry;
	unsigned links;
	bool make;   /* parents that are missing */
};

static bool is_dir(struct layer_tree *tree, uint32_t id)
{
	return S_ISDIR(layer_tree_mode(layer_tree_inode(tree, layer_tree_node(tree, id))));
}

/* Cuts the next component off *text; its len is 0 at the end. */
static struct part part_cut(const char **text)
{
	*text += strspn(*text, "/");
	struct part part = {*text, strcspn(*text, "/")};
	*text += part.len;
	return part;
}

static bool is(struct part part, const char *text)
{
	return part.len == strlen(text) && memcmp(part.at, text, part.len) == 0;
}

static bool begins(struct part part, const char *text)
{
	return part.len >= strlen(text) && memcmp(part.at, text, strlen(text)) == 0;
}

/* A path of a tar, cleaned. */
static int split(const char *path, struct parts *parts, struct err *err)
{
	struct part part;
	parts->count = 0;
	for (const char *rest = path; (part = part_cut(&rest)).len > 0;) {
		if (is(part, "."))
			continue;
		if (is(part, "..")) {
			if (parts->count == 0)
				return err_set(err, EBADMSG, "the path %.200s leads out of the image", path);
			parts->count--;
			continue;
		}
		if (part.len > TREE_NAME_MAX)
			return err_set(err, ENAMETOOLONG, "a name of %zu bytes in the path %.200s", part.len, path);
		if (parts->count > TREE_DEPTH_MAX)
			return err_set(err, E2BIG, "a path of more than %d directories: %.200s",
				       TREE_DEPTH_MAX, path);
		parts->list[parts->count++] = part;
	}
	return 0;
}

/* This layer brings the node: so say all directories above. */
static void hold(const struct apply *apply, uint32_t id)
{
	for (;; id = layer_tree_node(apply->tree, id)->parent) {
		struct layer_tree_node *node = layer_tree_node(apply->tree, id);
		if (node->holds == apply->layer + 1)
			return;
		node->holds = apply->layer + 1;
		if (id == TREE_ROOT)
			return;
	}
}

static int add(struct apply *apply, uint32_t dir, struct part name, const struct layer_entry *entry,
	       uint32_t *id, struct err *err)
{
	uint32_t inode;
	if (layer_tree_node(apply->tree, dir)->depth >= TREE_DEPTH_MAX)
		return err_set(err, E2BIG, "more than %d directories below each other", TREE_DEPTH_MAX);
	int rc = layer_tree_inode_add(apply->tree, entry, apply->layer, &inode, err);
	if (rc == 0)
		rc = layer_tree_node_add(apply->tree, dir, name.at, name.len, inode, id, err);
	if (rc == 0)
		hold(apply, *id);
	return rc;
}

/* -- walking ------------------------------------------------------------ */

static int enter(struct apply *apply, uint32_t *dir, struct part name, struct err *err);

/* From *dir along the text of a link. */
static int follow(struct apply *apply, uint32_t *dir, const char *text, struct err *err)
{
	struct part part;
	if (++apply->links > LINKS_MAX)
		return err_set(err, ELOOP, "too many symbolic links");
	if (*text == '/')
		*dir = TREE_ROOT;
	while (*dir && (part = part_cut(&text)).len > 0) {
		int rc = 0;
		if (is(part, ".."))
			*dir = layer_tree_node(apply->tree, *dir)->parent;
		else if (!is(part, "."))
			rc = enter(apply, dir, part, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Goes down into `name`; *dir becomes 0 when it is not there and nothing is to be made. */
static int enter(struct apply *apply, uint32_t *dir, struct part name, struct err *err)
{
	if (name.len > TREE_NAME_MAX)
		return err_set(err, ENAMETOOLONG, "a name of %zu bytes in a symbolic link", name.len);
	uint32_t id = layer_tree_find(apply->tree, *dir, name.at, name.len);
	if (!id && !apply->make) {
		*dir = 0;
		return 0;
	}
	if (!id)
		return add(apply, *dir, name, NULL, dir, err);
	const struct layer_tree_inode *inode = layer_tree_inode(apply->tree, layer_tree_node(apply->tree, id));
	if (S_ISLNK(layer_tree_mode(inode)))
		return follow(apply, dir, inode->entry->target, err);
	if (!S_ISDIR(layer_tree_mode(inode)))
		return err_set(err, EBADMSG, "%.*s is not a directory", (int)name.len, name.at);
	*dir = id;
	return 0;
}

/* The directory of the last component; 0 when it is not there. */
static int walk(struct apply *apply, const struct parts *parts, uint32_t *dir, struct err *err)
{
	*dir = TREE_ROOT;
	apply->links = 0;
	for (size_t i = 0; *dir && i + 1 < parts->count; i++) {
		int rc = enter(apply, dir, parts->list[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* -- white-outs --------------------------------------------------------- */

/* Removes what lower layers brought of the node. */
static void hide(const struct apply *apply, uint32_t id)
{
	struct layer_tree *tree = apply->tree;
	if (layer_tree_node(tree, id)->holds != apply->layer + 1) {
		layer_tree_remove(tree, id);
		return;
	}
	for (uint32_t child = layer_tree_node(tree, id)->child, next; child; child = next) {
		next = layer_tree_node(tree, child)->next;
		hide(apply, child);  /* at most TREE_DEPTH_MAX deep */
	}
}

static int apply_whiteout(struct apply *apply, const struct parts *parts, struct err *err)
{
	struct part name = parts->list[parts->count - 1];
	struct err ignored = ERR_NONE;
	uint32_t dir, child, next;
	bool all = is(name, opaque);
	if (!all && begins(name, whiteout_meta))
		return 0;  /* AUFS' own: .wh..wh.plnk, .wh..wh.aufs */
	name.at += sizeof whiteout - 1;
	name.len -= sizeof whiteout - 1;
	if (name.len == 0 || is(name, ".") || is(name, ".."))
		return err_set(err, EBADMSG, "a white-out of '%.*s'", (int)name.len, name.at);
	apply->make = false;
	if (walk(apply, parts, &dir, &ignored) < 0 || !dir)
		return 0;  /* a parent that is no directory: there is nothing to hide */
	if (!all && (child = layer_tree_find(apply->tree, dir, name.at, name.len)))
		hide(apply, child);
	if (!all)
		return 0;
	for (child = layer_tree_node(apply->tree, dir)->child; child; child = next) {
		next = layer_tree_node(apply->tree, child)->next;
		hide(apply, child);
	}
	return 0;
}

/* -- entries ------------------------------------------------------------ */

static int apply_hard_link(struct apply *apply, uint32_t dir, struct part name, struct err *err)
{
	struct layer_tree *tree = apply->tree;
	struct parts parts;
	uint32_t target_dir, target = 0, id;
	int rc = split(apply->entry->target, &parts, err);
	apply->make = false;
	if (rc == 0 && parts.count > 0)
		rc = walk(apply, &parts, &target_dir, err);
	if (rc < 0)
		return rc;
	if (parts.count > 0 && target_dir)
		target = layer_tree_find(tree, target_dir, parts.list[parts.count - 1].at,
				   parts.list[parts.count - 1].len);
	if (!target || is_dir(tree, target))
		return err_set(err, EBADMSG, "a hard link to %.200s, which is %s", apply->entry->target,
			       target ? "a directory" : "not there");
	if (layer_tree_node(tree, dir)->depth >= TREE_DEPTH_MAX)
		return err_set(err, E2BIG, "more than %d directories below each other", TREE_DEPTH_MAX);
	uint32_t inode = layer_tree_node(tree, target)->inode, old = layer_tree_find(tree, dir, name.at, name.len);
	if (old == target)
		return 0;
	layer_tree_inode_at(tree, inode)->links++;  /* `old` may be the directory that the target is in */
	if (old)
		layer_tree_remove(tree, old);
	rc = layer_tree_node_add(tree, dir, name.at, name.len, inode, &id, err);
	layer_tree_inode_drop(tree, inode);
	if (rc == 0)
		hold(apply, id);
	return rc;
}

static void change_attributes(struct apply *apply, uint32_t id)
{
	struct layer_tree_inode *inode = layer_tree_inode(apply->tree, layer_tree_node(apply->tree, id));
	inode->entry = apply->entry;
	inode->layer = apply->layer;
	hold(apply, id);
}

static int apply_entry(struct apply *apply, struct err *err)
{
	struct layer_tree *tree = apply->tree;
	const struct layer_entry *entry = apply->entry;
	struct parts parts;
	uint32_t dir, id;
	int rc = split(entry->path, &parts, err);
	if (rc < 0)
		return rc;
	if (parts.count == 0) {
		if (!S_ISDIR(entry->mode))
			return err_set(err, EBADMSG, "the root is not a directory");
		change_attributes(apply, TREE_ROOT);
		return 0;
	}
	struct part name = parts.list[parts.count - 1];
	if (begins(name, whiteout))
		return apply_whiteout(apply, &parts, err);
	apply->make = true;
	if ((rc = walk(apply, &parts, &dir, err)) < 0)
		return rc;
	if (entry->hard_link)
		return apply_hard_link(apply, dir, name, err);
	id = layer_tree_find(tree, dir, name.at, name.len);
	if (id && S_ISDIR(entry->mode) && is_dir(tree, id)) {
		change_attributes(apply, id);
		return 0;
	}
	if (id)
		layer_tree_remove(tree, id);
	if (S_ISCHR(entry->mode) || S_ISBLK(entry->mode))
		return 0;
	return add(apply, dir, name, entry, &id, err);
}

int layer_tree_apply(struct layer_tree *tree, uint32_t layer, const struct layer_entry *entries, size_t count,
	       struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct apply apply = {.tree = tree, .layer = layer, .entry = &entries[i]};
		int rc = apply_entry(&apply, err);
		if (rc < 0)
			return err_prefix(err, "layer %u, member %.200s", layer + 1, entries[i].path);
	}
	return 0;
}
