/*
 * build_verify.h - the image read back by our own reader, against what pass 1 has seen.
 */
#ifndef IMAGE_BUILD_VERIFY_H
#define IMAGE_BUILD_VERIFY_H

#include "image/merge.h"

/* Every name, type, permission, link text, size, hard link and content.  `threads` read
 * contents beside each other.  -EIO: it differs, with the first path that does. */
int build_verify(int fd, const struct merge *merge, unsigned threads, struct err *err);

#endif
