/*
 * build_verify.h - the image read back by our own reader, against what pass 1 has seen.
 */
#ifndef IMAGE_BUILD_VERIFY_H
#define IMAGE_BUILD_VERIFY_H

#include "image/merge.h"

/* Every name and its place in the order, and of each file all that image/attributes.h says, the
 * extended attributes, a link's text, the content.  The tree's inodes have their numbers
 * (build_squash_finish).  `threads` read contents beside each other.  -EIO: it differs, with the
 * first path that does; the image must not be used. */
int build_verify(int fd, const struct merge *merge, unsigned threads, struct err *err);

#endif
