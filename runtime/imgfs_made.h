/*
 * imgfs_made.h - what was made in the image's tree after it was built: mount points.  Pure.
 *
 * A handful of directories, empty files and links, kept in memory and searched.  A node is named by
 * its index; parents are inode numbers of FUSE, ours or the image's.
 */
#ifndef RUNTIME_IMGFS_MADE_H
#define RUNTIME_IMGFS_MADE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { IMGFS_MADE_MAX = 65536 };

struct imgfs_made_node {
	uint64_t parent;
	char *name;
	mode_t mode;       /* with its type: S_IFDIR, S_IFREG or S_IFLNK */
	char *points_to;   /* of a link, else NULL */
};

struct imgfs_made {
	struct imgfs_made_node *nodes;
	size_t count, size;
};

/* The index of the new node, or -ENOSPC, -ENOMEM, -EPERM (another type). */
long imgfs_made_add(struct imgfs_made *made, uint64_t parent, const char *name, mode_t mode,
		    const char *points_to);
/* Its index, or -ENOENT. */
long imgfs_made_find(const struct imgfs_made *made, uint64_t parent, const char *name);
/* The first child of `parent` at index `from` or behind, or -ENOENT. */
long imgfs_made_next(const struct imgfs_made *made, uint64_t parent, size_t from);
void imgfs_made_free(struct imgfs_made *made);

#endif
