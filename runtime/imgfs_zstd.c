/*
 * imgfs_zstd.c - a decompressor for libsquashfuse (imgfs_zstd.h).
 *
 * Its interface has no place for a context, so it is kept here, one a thread; it
 * holds nothing from one block to the next.
 */
#include "runtime/imgfs_zstd.h"

#include <zstd.h>

static _Thread_local ZSTD_DCtx *context;

sqfs_err imgfs_zstd_decompress(void *in, size_t in_size, void *out, size_t *out_size)
{
	if (context == NULL)
		context = ZSTD_createDCtx();
	if (context == NULL)
		return SQFS_ERR;
	size_t len = ZSTD_decompressDCtx(context, out, *out_size, in, in_size);
	if (ZSTD_isError(len))
		return SQFS_ERR;
	*out_size = len;
	return SQFS_OK;
}
