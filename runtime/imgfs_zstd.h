/*
 * imgfs_zstd.h - zstd blocks with one context for all of them.
 *
 * libsquashfuse makes a context for each block: 160 KiB to initialise, a tenth of
 * the time that a block of 128 KiB takes.
 */
#ifndef RUNTIME_IMGFS_ZSTD_H
#define RUNTIME_IMGFS_ZSTD_H

#include <squashfuse/squashfuse.h>

/* Of libsquashfuse's type sqfs_decompressor: *out_size is the room before and the
 * length after. */
sqfs_err imgfs_zstd_decompress(void *in, size_t in_size, void *out, size_t *out_size);

#endif
