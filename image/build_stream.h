/*
 * build_stream.h - pass 2: the layers once more, what is alive of them into the image.
 */
#ifndef IMAGE_BUILD_STREAM_H
#define IMAGE_BUILD_STREAM_H

#include "image/build.h"
#include "image/build_squash.h"
#include "image/merge.h"

/* Each layer is read up to its last file that is alive, and not at all when none is.
 * -EBADMSG: a blob is not what pass 1 has read; -ECANCELED: by input->progress. */
int build_stream(const struct build_input *input, const struct merge *merge,
		 struct build_squash *squash, struct err *err);

#endif
