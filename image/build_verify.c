/*
 * build_verify.c - reads an image back (build_verify.h) by squash/, a reader that shares no
 * code with the writer.
 *
 * Flow: one walk over the image's names, in step with one over the tree: the same names in the
 * same order (who looks a name up relies on the order), and of each the same inode; it notes
 * the inode of each regular file.  Then the contents, in the order in which they were written,
 * so that each block is unpacked about once; hashed, compared.
 *
 * What an inode is to be, attributes.c says, to the writer too: compared is that it arrived.
 * An inode with several names is compared once, and its other names lead to the same place.
 *
 * Threads: each has a reader of its own (squash/ is not for threads) and takes the next run
 * of files from a counter.
 */
#include "image/build_verify.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "common/cleanup.h"
#include "image/attributes.h"
#include "squash/squash.h"
#include "squash/squash_disk.h"
#include "squash/squash_xattr.h"

enum { PIECE = 256 * 1024, RUN = 64, THREADS_MAX = 16 };

struct verify {
	int fd;
	const struct merge *merge;
	struct squash *squash;
	struct squash_node *found;  /* by inode of the tree; mode 0: not met */
	uint32_t expected;          /* the name of the tree that comes next; 0: none */
	atomic_size_t next;         /* in merge->files */
	atomic_bool failed;
};

static int differs(const char *path, const char *what, struct err *err)
{
	return err_set(err, EIO, "the image that was built differs from its layers: %.300s: %s; this is a "
		       "defect of cmpirun or of the disk", path, what);
}

/* -- inodes ------------------------------------------------------------- */

static int check_link(struct verify *verify, const char *path, const struct disk_inode *inode,
		      const char *target, struct err *err)
{
	char text[LAYER_PATH_MAX];  /* the size was compared: it fits */
	int rc = disk_link_read(squash_reader(verify->squash), inode, text, err);
	if (rc < 0)
		return rc;
	return strcmp(text, target) ? differs(path, "another link", err) : 0;
}

static int check_xattr(struct verify *verify, const char *path, const struct squash_xattr *got,
		       const struct layer_xattr *wanted, char *value, struct err *err)
{
	if (!wanted)
		return differs(path, "an extended attribute that is none", err);
	int rc = squash_xattr_value(squash_reader(verify->squash), got, value, err);
	if (rc < 0)
		return rc;
	if (got->size != wanted->len || memcmp(value, wanted->value, wanted->len) != 0)
		return differs(path, "another value of an extended attribute", err);
	return 0;
}

static int check_xattrs(struct verify *verify, const char *path, const struct disk_inode *inode,
			const struct layer_entry *entry, struct err *err)
{
	struct disk_reader *reader = squash_reader(verify->squash);
	uint32_t count = 0, wanted = entry ? entry->xattr_count : 0;
	if (inode->xattr == DISK_NO_XATTR)
		return wanted ? differs(path, "extended attributes are missing", err) : 0;
	struct squash_xattrs xattrs;
	AUTO_FREE struct squash_xattr *xattr = malloc(sizeof *xattr);
	AUTO_FREE char *value = malloc(SQUASH_XATTR_VALUE_MAX);
	if (!xattr || !value)
		return err_set(err, ENOMEM, "no memory to read the image back");
	int rc = squash_xattrs_open(reader, inode, &xattrs, err);
	while (rc == 0 && (rc = squash_xattrs_next(reader, &xattrs, xattr, err)) > 0) {
		count++;
		rc = check_xattr(verify, path, xattr, attributes_xattr(entry, xattr->name), value, err);
	}
	if (rc == 0 && count != wanted)  /* all that are there are right: some are missing, or twice */
		rc = differs(path, "another number of extended attributes", err);
	return rc;
}

/* The inode at `place` of the image, of which `id` is a name in the tree. */
static int check_inode(struct verify *verify, const char *path, uint32_t id, uint64_t place,
		       struct err *err)
{
	struct disk_reader *reader = squash_reader(verify->squash);
	struct layer_tree *tree = verify->merge->tree;
	const struct layer_entry *entry = layer_tree_inode(tree, layer_tree_node(tree, id))->entry;
	const struct attributes wanted = attributes_of(tree, id, verify->merge->inodes);
	struct disk_inode inode;
	int rc = disk_inode_get(reader, place, &inode, err);
	if (rc < 0)
		return rc;
	bool sized = S_ISREG(inode.mode) || S_ISLNK(inode.mode);
	struct attributes got = {
		.mode = inode.mode, .mtime = inode.mtime, .links = inode.links, .number = inode.number,
		.parent = S_ISDIR(inode.mode) ? inode.parent : 0, .size = sized ? inode.size : 0,
		.device = S_ISCHR(inode.mode) || S_ISBLK(inode.mode) ? inode.device : 0,
	};
	if (disk_id(reader->disk, inode.uid, &got.uid) < 0 || disk_id(reader->disk, inode.gid, &got.gid) < 0)
		return differs(path, "an owner that is not listed", err);
	const char *what = attributes_differ(&wanted, &got);
	if (what)
		return differs(path, what, err);
	if (S_ISLNK(inode.mode))
		rc = check_link(verify, path, &inode, entry->target, err);
	return rc < 0 ? rc : check_xattrs(verify, path, &inode, entry, err);
}

/* -- names -------------------------------------------------------------- */

/* The name behind `id`, parents first, each directory in its order; 0: it was the last. */
static uint32_t next_name(struct layer_tree *tree, uint32_t id)
{
	if (layer_tree_node(tree, id)->child)
		return layer_tree_node(tree, id)->child;
	while (id != TREE_ROOT && !layer_tree_node(tree, id)->next)
		id = layer_tree_node(tree, id)->parent;
	return id == TREE_ROOT ? 0 : layer_tree_node(tree, id)->next;
}

static int on_name(void *context, const char *path, const struct squash_node *node, struct err *err)
{
	struct verify *verify = context;
	struct layer_tree *tree = verify->merge->tree;
	uint32_t id = layer_tree_find_path(tree, path);
	if (!id)
		return differs(path, "is in none", err);
	if (id != verify->expected)
		return differs(path, "names are missing before it, or not in order", err);
	verify->expected = next_name(tree, id);
	struct squash_node *found = &verify->found[layer_tree_node(tree, id)->inode];
	if (found->mode && found->inode != node->inode)
		return differs(path, "a hard link that is none", err);
	int rc = found->mode ? 0 : check_inode(verify, path, id, node->inode, err);
	*found = *node;
	return rc < 0 ? rc : SQUASH_VISIT_ON;
}

static int check_names(struct verify *verify, struct err *err)
{
	struct layer_tree *tree = verify->merge->tree;
	const struct squash_super *super = &squash_reader(verify->squash)->disk->super;
	char path[512];
	if (super->inodes != verify->merge->inodes)
		return differs("/", "another number of inodes", err);
	int rc = check_inode(verify, "/", TREE_ROOT, super->root_inode, err);
	verify->expected = next_name(tree, TREE_ROOT);
	if (rc == 0)
		rc = squash_walk(verify->squash, "/", on_name, verify, err);
	if (rc == 0 && verify->expected)
		rc = differs(layer_tree_path(tree, verify->expected, path, sizeof path), "is missing", err);
	return rc;
}

/* -- contents ----------------------------------------------------------- */

struct reader {
	struct verify *verify;
	pthread_t thread;
	bool started;
	int rc;
	struct err err;
};

/* Any path of an inode, for the text. */
static const char *path_of(struct layer_tree *tree, uint32_t inode, char *text, size_t size)
{
	for (uint32_t id = TREE_ROOT + 1; id < layer_tree_node_end(tree); id++)
		if (layer_tree_node(tree, id)->parent && layer_tree_node(tree, id)->inode == inode)
			return layer_tree_path(tree, id, text, size);
	return "?";
}

static int check_file(struct verify *verify, struct squash *squash, uint32_t index, char *piece,
		      XXH3_state_t *state, struct err *err)
{
	struct layer_tree *tree = verify->merge->tree;
	const struct layer_entry *entry = layer_tree_inode_at(tree, index)->entry;
	const struct squash_node *node = &verify->found[index];
	char path[512];
	XXH3_128bits_reset(state);
	for (uint64_t at = 0; at < entry->size;) {
		uint64_t left = entry->size - at;
		ssize_t got = squash_read(squash, node, at, piece, left < PIECE ? (size_t)left : PIECE, err);
		if (got < 0)
			return err_prefix(err, "reading the image back, %s",
					  path_of(tree, index, path, sizeof path));
		if (got == 0)
			break;
		XXH3_128bits_update(state, piece, (size_t)got);
		at += (uint64_t)got;
	}
	XXH128_hash_t hash = XXH3_128bits_digest(state);
	if (hash.low64 != entry->hash[0] || hash.high64 != entry->hash[1])
		return differs(path_of(tree, index, path, sizeof path), "another content", err);
	return 0;
}

static int read_files(struct reader *reader, struct err *err)
{
	struct verify *verify = reader->verify;
	AUTO_CALL(squash_free) struct squash *squash = NULL;
	AUTO_FREE char *piece = malloc(PIECE);
	XXH3_state_t *state = XXH3_createState();
	int rc = piece && state ? squash_open(verify->fd, &squash, err)
				: err_set(err, ENOMEM, "no memory to read the image back");
	while (rc == 0 && !atomic_load(&verify->failed)) {
		size_t from = atomic_fetch_add(&verify->next, RUN);
		if (from >= verify->merge->file_count)
			break;
		size_t to = from + RUN < verify->merge->file_count ? from + RUN : verify->merge->file_count;
		for (size_t i = from; rc == 0 && i < to; i++)
			rc = check_file(verify, squash, verify->merge->files[i], piece, state, err);
	}
	if (rc < 0)
		atomic_store(&verify->failed, true);
	XXH3_freeState(state);
	return rc;
}

static void *reader_main(void *argument)
{
	struct reader *reader = argument;
	reader->rc = read_files(reader, &reader->err);
	return NULL;
}

static int check_contents(struct verify *verify, unsigned threads, struct err *err)
{
	struct reader readers[THREADS_MAX] = {0};
	int rc = 0;
	threads = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
	for (unsigned i = 1; i < threads; i++) {
		readers[i].verify = verify;
		/* One fewer is slower, not wrong. */
		readers[i].started = pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]) == 0;
	}
	readers[0].verify = verify;
	reader_main(&readers[0]);
	for (unsigned i = 0; i < threads; i++) {
		if (readers[i].started)
			pthread_join(readers[i].thread, NULL);
		if (rc == 0 && readers[i].rc < 0) {
			rc = readers[i].rc;
			*err = readers[i].err;
		}
	}
	return rc;
}

int build_verify(int fd, const struct merge *merge, unsigned threads, struct err *err)
{
	AUTO_CALL(squash_free) struct squash *squash = NULL;
	AUTO_FREE struct squash_node *found = calloc(layer_tree_inode_end(merge->tree), sizeof *found);
	struct verify verify = {.fd = fd, .merge = merge, .found = found};
	struct err own = ERR_NONE;
	if (!err)
		err = &own;
	if (!found)
		return err_set(err, ENOMEM, "no memory to read the image back");
	int rc = squash_open(fd, &squash, err);
	verify.squash = squash;
	if (rc == 0)
		rc = disk_load_ids(squash_reader(squash), err);
	if (rc == 0)
		rc = disk_load_xattrs(squash_reader(squash), err);
	if (rc == 0)
		rc = check_names(&verify, err);
	return rc < 0 ? rc : check_contents(&verify, threads, err);
}
