/*
 * squash_unpack.h - one compressed block of a squashfs, unpacked.
 */
#ifndef SQUASH_SQUASH_UNPACK_H
#define SQUASH_SQUASH_UNPACK_H

#include <stddef.h>

#include "common/err.h"
#include "common/squash_super.h"

struct squash_unpack {
	enum squash_compressor compressor;
	void *zstd;  /* its context, kept since making one costs more than a small block */
};

int squash_unpack_init(struct squash_unpack *unpack, enum squash_compressor compressor,
		       struct err *err);
void squash_unpack_free(struct squash_unpack *unpack);

/* Unpacks `len` bytes into at most `size`; *unpacked says how many came out.
 * -EIO for broken data; nothing is written behind out + size. */
int squash_unpack_block(struct squash_unpack *unpack, const void *in, size_t len, void *out,
			size_t size, size_t *unpacked, struct err *err);

#endif
