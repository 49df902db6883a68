/*
 * image_file.h - the one squashfs file that is the image.
 *
 * Opens and checks; reads the superblock (96 bytes; of a SIF file its table too) and nothing
 * else, since the bytes that a job reads from the image file are counted.
 */
#ifndef IMAGE_IMAGE_FILE_H
#define IMAGE_IMAGE_FILE_H

#include <stdint.h>

#include "common/err.h"
#include "common/squash_super.h"

struct image_file {
	int fd;               /* read-only, close-on-exec, at offset 0 */
	uint64_t at, size;    /* the part of the file that is the image, bytes (common/squash_file.h): all of it,
			       * or a SIF file's partition; at least super.bytes_used */
	uint64_t file_size;
	uint64_t inode, device;
	int64_t mtime_ns;     /* with size, inode, device: has it changed meanwhile? */
	struct squash_super super;
};

/* Opens the squashfs or SIF file at `path`.  Errors, each with its cure: -ENOENT, -EACCES,
 * -EISDIR, -EMEDIUMTYPE (no squashfs, or a special file), -ENODATA (truncated), -ENOTSUP
 * (compressor or version), -EBADMSG (broken superblock).  The text names the path. */
int image_file_open(const char *path, struct image_file *file, struct err *err);

/* Checks what is behind `fd` (any offset; pread): for a memory file that has
 * arrived.  `name` is for the texts.  `file->fd` is -1 then: fd stays the caller's. */
int image_file_check(int fd, const char *name, struct image_file *file, struct err *err);

/* Is the file at file->fd still the one that was opened?  -ESTALE with the reason. */
int image_file_unchanged(const struct image_file *file, const char *name, struct err *err);

void image_file_close(struct image_file *file);
#define AUTO_IMAGE_FILE __attribute__((cleanup(image_file_close)))

#endif
