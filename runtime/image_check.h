/*
 * image_check.h - is what is behind a descriptor a squashfs image?
 */
#ifndef RUNTIME_IMAGE_CHECK_H
#define RUNTIME_IMAGE_CHECK_H

#include <sys/stat.h>
#include <unistd.h>

#include "common/squash_super.h"

/* Reads and checks the superblock; the errors of squash_super_parse(). Inline: two programs that share no library
 * of this folder need it. */
static inline int image_check(int image_fd, struct err *err)
{
	char head[SQUASH_SUPER_SIZE];
	struct squash_super super;
	struct stat status;
	ssize_t len = fstat(image_fd, &status) < 0 ? -1 : pread(image_fd, head, sizeof head, 0);
	if (len < 0)
		return err_errno(err, errno, "read the image");
	return squash_super_parse(head, (size_t)len, (uint64_t)status.st_size, &super, err);
}

#endif
