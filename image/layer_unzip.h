/*
 * layer_unzip.h - a compressed stream, pushed in; the plain stream, pushed out.
 *
 * The compression is told by the first bytes, never by a media type: gzip (any number of
 * members), zstd (any number of frames, skippable ones too: zstd:chunked), xz, or none.
 * Memory is bounded whatever the ratio: 64 KiB of output, and the window (zstd 128 MiB, xz
 * 256 MiB at most; 8 MiB and less in what is written by the usual tools).
 */
#ifndef IMAGE_LAYER_UNZIP_H
#define IMAGE_LAYER_UNZIP_H

#include <stddef.h>

#include "common/err.h"

struct layer_unzip;

/* 0 to go on; another value ends the feed and is its result. */
typedef int layer_plain_fn(void *context, const void *bytes, size_t len, struct err *err);

struct layer_unzip *layer_unzip_new(layer_plain_fn *plain, void *context);  /* NULL: no memory */
void layer_unzip_free(struct layer_unzip **unzip);

/* -EBADMSG: broken; -ENOTSUP: compressed in a way that is not known; or what plain gave. */
int layer_unzip_feed(struct layer_unzip *unzip, const void *bytes, size_t len, struct err *err);
/* All was fed: -EBADMSG when the stream is cut. */
int layer_unzip_end(struct layer_unzip *unzip, struct err *err);
/* "gzip", "zstd", "xz", "plain"; "?" before the first bytes have come. */
const char *layer_unzip_name(const struct layer_unzip *unzip);

#endif
