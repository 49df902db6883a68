/*
 * imgfs_fuzz.c - a foreign image, walked: open, list, look up, read, links, attributes.
 *
 * Bounded, since an image of some hundred bytes may hold a directory that contains itself.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/imgfs.h"

enum { NODES_MAX = 64, DEPTH_MAX = 4, READ_MAX = 4 };

struct walk {
	struct imgfs *imgfs;
	unsigned nodes, depth;
	uint64_t parent;
};

static void visit(struct walk *walk, uint64_t ino);

static bool on_entry(void *context, const char *name, const struct imgfs_entry *entry, uint64_t next)
{
	struct walk *walk = context;
	struct imgfs_entry found;
	(void)next;
	if (entry->ino == 0)
		return true;
	imgfs_lookup(walk->imgfs, walk->parent, name, &found);
	struct walk below = *walk;
	below.depth++;
	if (below.depth < DEPTH_MAX)
		visit(&below, entry->ino);
	walk->nodes = below.nodes;
	return walk->nodes < NODES_MAX;
}

static void visit(struct walk *walk, uint64_t ino)
{
	static char bytes[1 << 18];
	struct stat attr;
	if (++walk->nodes > NODES_MAX || imgfs_getattr(walk->imgfs, ino, &attr) < 0)
		return;
	uint64_t offset = 0;
	for (int i = 0; i < READ_MAX; i++) {
		ssize_t length = imgfs_read(walk->imgfs, ino, bytes, sizeof bytes, offset);
		if (length <= 0)
			break;
		offset += (uint64_t)length;
	}
	imgfs_read(walk->imgfs, ino, bytes, 4096, (uint64_t)attr.st_size - 1);
	imgfs_readlink(walk->imgfs, ino, bytes, sizeof bytes);
	imgfs_listxattr(walk->imgfs, ino, bytes, sizeof bytes);
	imgfs_getxattr(walk->imgfs, ino, "user.a", bytes, 64);
	walk->parent = ino;
	imgfs_readdir(walk->imgfs, ino, 0, true, on_entry, walk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct walk walk = {0};
	struct err err;
	if (fd < 0)
		fd = memfd_create("image", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	if (imgfs_open(fd, &(struct imgfs_options){0}, &walk.imgfs, &err) < 0)
		return 0;
	visit(&walk, IMGFS_ROOT);
	imgfs_free(&walk.imgfs);
	return 0;
}
