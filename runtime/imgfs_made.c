/*
 * imgfs_made.c - mount points in memory (imgfs_made.h).  Pure.
 *
 * Nothing is ever removed: mount points are made before the root becomes read-only, and needed
 * until the end.
 */
#include "runtime/imgfs_made.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"

static int make_room(struct imgfs_made *made)
{
	if (made->count == IMGFS_MADE_MAX)
		return -ENOSPC;
	if (made->count < made->size)
		return 0;
	size_t size = made->size ? 2 * made->size : 16;
	struct imgfs_made_node *nodes = realloc(made->nodes, size * sizeof *nodes);
	if (nodes == NULL)
		return -ENOMEM;
	made->nodes = nodes;
	made->size = size;
	return 0;
}

long imgfs_made_add(struct imgfs_made *made, uint64_t parent, const char *name, mode_t mode,
		    const char *points_to)
{
	if (!S_ISDIR(mode) && !S_ISREG(mode) && !S_ISLNK(mode))
		return -EPERM;
	int rc = make_room(made);
	if (rc < 0)
		return rc;
	AUTO_FREE char *name_copy = strdup(name);
	AUTO_FREE char *link_copy = points_to ? strdup(points_to) : NULL;
	if (name_copy == NULL || (points_to != NULL && link_copy == NULL))
		return -ENOMEM;
	made->nodes[made->count] = (struct imgfs_made_node){
		parent, take_ptr(&name_copy), mode, take_ptr(&link_copy)};
	return (long)made->count++;
}

long imgfs_made_find(const struct imgfs_made *made, uint64_t parent, const char *name)
{
	for (size_t i = 0; i < made->count; i++)
		if (made->nodes[i].parent == parent && strcmp(made->nodes[i].name, name) == 0)
			return (long)i;
	return -ENOENT;
}

long imgfs_made_next(const struct imgfs_made *made, uint64_t parent, size_t from)
{
	for (size_t i = from; i < made->count; i++)
		if (made->nodes[i].parent == parent)
			return (long)i;
	return -ENOENT;
}

void imgfs_made_free(struct imgfs_made *made)
{
	for (size_t i = 0; i < made->count; i++) {
		free(made->nodes[i].name);
		free(made->nodes[i].points_to);
	}
	free(made->nodes);
	*made = (struct imgfs_made){0};
}
