/*
 * squash_unpack.c - the five decompressors of squashfs behind one function.
 *
 * Flow: one block (at most 1 MiB unpacked) in, its bytes out.  Pure but for memory.
 * Invariant: every decompressor is given the room that there is and keeps to it;
 * what it says came out is checked once more at the end.
 */
#include "squash/squash_unpack.h"

#include <lz4.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <stdbool.h>
#include <stdint.h>
#include <zlib.h>
#include <zstd.h>

/* Enough for a dictionary of the largest block, 1 MiB, and its tables. */
#define XZ_MEMORY_MAX (64u << 20)

int squash_unpack_init(struct squash_unpack *unpack, enum squash_compressor compressor,
		       struct err *err)
{
	*unpack = (struct squash_unpack){.compressor = compressor};
	if (compressor != SQUASH_ZSTD)
		return 0;
	unpack->zstd = ZSTD_createDCtx();
	return unpack->zstd ? 0 : err_set(err, ENOMEM, "no memory for zstd");
}

void squash_unpack_free(struct squash_unpack *unpack)
{
	ZSTD_freeDCtx(unpack->zstd);
	*unpack = (struct squash_unpack){0};
}

static bool unpack_gzip(const void *in, size_t len, void *out, size_t *size)
{
	uLongf room = *size;
	bool ok = uncompress(out, &room, in, len) == Z_OK;
	*size = room;
	return ok;
}

static bool unpack_xz(const void *in, size_t len, void *out, size_t *size)
{
	uint64_t memory = XZ_MEMORY_MAX;
	size_t used = 0, made = 0;
	lzma_ret rc = lzma_stream_buffer_decode(&memory, 0, NULL, in, &used, len, out, &made, *size);
	*size = made;
	return rc == LZMA_OK;
}

static bool unpack_lzo(const void *in, size_t len, void *out, size_t *size)
{
	lzo_uint room = *size;
	bool ok = lzo1x_decompress_safe(in, len, out, &room, NULL) == LZO_E_OK;
	*size = room;
	return ok;
}

static bool unpack_lz4(const void *in, size_t len, void *out, size_t *size)
{
	int made = LZ4_decompress_safe(in, out, (int)len, (int)*size);
	*size = made < 0 ? 0 : (size_t)made;
	return made >= 0;
}

static bool unpack_zstd(void *context, const void *in, size_t len, void *out, size_t *size)
{
	size_t made = ZSTD_decompressDCtx(context, out, *size, in, len);
	bool ok = !ZSTD_isError(made);
	*size = ok ? made : 0;
	return ok;
}

int squash_unpack_block(struct squash_unpack *unpack, const void *in, size_t len, void *out,
			size_t size, size_t *unpacked, struct err *err)
{
	size_t made = size;
	bool ok = false;
	switch (unpack->compressor) {
	case SQUASH_GZIP: ok = unpack_gzip(in, len, out, &made); break;
	case SQUASH_XZ:   ok = unpack_xz(in, len, out, &made); break;
	case SQUASH_LZO:  ok = unpack_lzo(in, len, out, &made); break;
	case SQUASH_LZ4:  ok = unpack_lz4(in, len, out, &made); break;
	case SQUASH_ZSTD: ok = unpack_zstd(unpack->zstd, in, len, out, &made); break;
	case SQUASH_LZMA: break;
	}
	if (!ok || made > size)
		return err_set(err, EIO, "broken %s block; copy or build the image again",
			       squash_compressor_name(unpack->compressor));
	*unpacked = made;
	return 0;
}
