/*
 * reorder_impl.h - what reorder.c and reorder_read.c share: the old image as entries of a layer.
 */
#ifndef IMAGE_REORDER_IMPL_H
#define IMAGE_REORDER_IMPL_H

#include "image/layer_entry.h"
#include "squash/squash_disk.h"

struct reorder_source {
	struct disk disk;
	struct disk_reader reader;
	bool disk_opened, reader_made;
	struct layer_entry *entries;
	struct disk_inode *inodes;  /* beside the entries */
	uint64_t *places;           /* of the inodes */
	size_t count, room, dropped;
};

/* Reads all inodes; of contents nothing.  Also after a failure, reorder_source_free(). */
int reorder_source_read(struct reorder_source *source, int fd, struct err *err);
void reorder_source_free(struct reorder_source *source);

#endif
