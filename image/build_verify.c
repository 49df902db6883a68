/*
 * build_verify.c - reads an image back (build_verify.h) by squash/, a reader that shares no
 * code with the writer.
 *
 * Flow: one walk over the image's names, each looked up in the tree: as many names, the same
 * attributes; it notes the inode of each regular file.  Then the contents, in the order in
 * which they were written, so that each block is unpacked about once; hashed, compared.
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
#include "squash/squash.h"

enum { PIECE = 256 * 1024, RUN = 64, THREADS_MAX = 16 };

struct verify {
	int fd;
	const struct merge *merge;
	struct squash *squash;
	struct squash_node *found;  /* by inode of the tree; mode 0: not met */
	uint64_t names;
	atomic_size_t next;         /* in merge->files */
	atomic_bool failed;
};

static int differs(struct verify *verify, const char *path, const char *what, struct err *err)
{
	(void)verify;
	return err_set(err, EIO, "the image that was built differs from its layers: %.300s: %s; this is a "
		       "defect of cmpirun or of the disk", path, what);
}

/* -- names -------------------------------------------------------------- */

static int check_link(struct verify *verify, const char *path, const struct squash_node *node,
		      const char *target, struct err *err)
{
	AUTO_FREE char *text = NULL;
	int rc = squash_readlink_new(verify->squash, node, &text, err);
	if (rc < 0)
		return rc;
	return strcmp(text, target) ? differs(verify, path, "another link", err) : 0;
}

static int on_name(void *context, const char *path, const struct squash_node *node, struct err *err)
{
	struct verify *verify = context;
	struct layer_tree *tree = verify->merge->tree;
	uint32_t id = layer_tree_find_path(tree, path);
	if (!id)
		return differs(verify, path, "is in none", err);
	const struct layer_tree_inode *inode = layer_tree_inode(tree, layer_tree_node(tree, id));
	struct squash_node *found = &verify->found[layer_tree_node(tree, id)->inode];
	if (node->mode != layer_tree_mode(inode))
		return differs(verify, path, "another type or mode", err);
	if (found->mode && found->inode != node->inode)
		return differs(verify, path, "a hard link that is none", err);
	verify->names++;
	*found = *node;
	if (S_ISLNK(node->mode) && check_link(verify, path, node, inode->entry->target, err) < 0)
		return -err->number;
	if (S_ISREG(node->mode) && node->size != inode->entry->size)
		return differs(verify, path, "another size", err);
	return SQUASH_VISIT_ON;
}

static int check_names(struct verify *verify, struct err *err)
{
	struct layer_tree *tree = verify->merge->tree;
	struct squash_node root;
	uint64_t names = 0;
	int rc = squash_lookup(verify->squash, "/", false, &root, err);
	if (rc == 0 && root.mode != layer_tree_mode(layer_tree_inode(tree, layer_tree_node(tree, TREE_ROOT))))
		rc = differs(verify, "/", "another mode", err);
	if (rc == 0)
		rc = squash_walk(verify->squash, "/", on_name, verify, err);
	for (uint32_t id = TREE_ROOT + 1; id < layer_tree_node_end(tree); id++)
		names += layer_tree_node(tree, id)->parent != 0;
	if (rc == 0 && names != verify->names)
		rc = differs(verify, "/", "names are missing", err);
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
		return differs(verify, path_of(tree, index, path, sizeof path), "another content", err);
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
		rc = check_names(&verify, err);
	return rc < 0 ? rc : check_contents(&verify, threads, err);
}
