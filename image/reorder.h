/*
 * reorder.h - a squashfs written anew, with the files that a start reads first and in its order.
 *
 * Names, types, permissions, owners, times, links, extended attributes and contents stay, as do
 * compressor, block size and the config behind the squashfs (image/config_tail.h); device nodes
 * and sockets are left out, which no container of an ordinary user can use.
 */
#ifndef IMAGE_REORDER_H
#define IMAGE_REORDER_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "image/image_file.h"

/* What a run read of the old image, in its order. */
struct reorder_use {
	const char *path;      /* absolute, of a regular file; "": the file system's own tables */
	uint64_t offset, len;  /* bytes of the image file */
};

struct reorder_range {
	uint64_t offset, len;
};

struct reorder_result {
	struct reorder_range *hot;  /* of the new file: what the same run reads of it; the caller frees it */
	size_t hot_count;
	size_t files, moved;        /* regular files, and those that came first */
	size_t dropped;             /* devices and sockets */
};

/* Writes to out_fd (an empty regular file, read-write), reads it back and compares.  -ESTALE: the
 * uses are of another image; -ENOTSUP: a name that cannot be kept; -EIO, -ENOSPC, -EFBIG, ….  On
 * failure the content of out_fd is of no use. */
int image_reorder(const struct image_file *old, const struct reorder_use *uses, size_t count,
		  int out_fd, struct reorder_result *result, struct err *err);

#endif
