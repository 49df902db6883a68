/*
 * layer_unzip.c - decompression that is pushed (layer_unzip.h).
 *
 * Flow: the first six bytes are held back until the kind is known; from then on each piece
 * goes through the step function of its kind until it is used up, each step giving at most
 * OUT bytes to the sink.
 *
 * Caveat: behind the last gzip member zeros are taken (tapes, and some registries pad), but
 * nothing else: gzip(1) ignores garbage there, which would hide a cut stream.
 */
#include "image/layer_unzip.h"

#include <lzma.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "common/cleanup.h"

enum { SNIFF = 6, OUT = 256 * 1024 };
#define XZ_MEMORY_MAX (256ull << 20)

enum kind { KIND_UNKNOWN, KIND_PLAIN, KIND_GZIP, KIND_ZSTD, KIND_XZ };

struct layer_unzip {
	layer_plain_fn *plain;
	void *context;
	enum kind kind;
	unsigned char head[SNIFF];
	size_t head_len;
	bool inside;    /* of a member or frame: an end now is a cut */
	bool any;       /* a member has ended */
	z_stream gzip;
	lzma_stream xz;
	ZSTD_DStream *zstd;
	char out[OUT];
};

struct layer_unzip *layer_unzip_new(layer_plain_fn *plain, void *context)
{
	struct layer_unzip *unzip = calloc(1, sizeof *unzip);
	if (!unzip)
		return NULL;
	unzip->plain = plain;
	unzip->context = context;
	return unzip;
}

void layer_unzip_free(struct layer_unzip **unzip)
{
	if (!*unzip)
		return;
	if ((*unzip)->kind == KIND_GZIP)
		inflateEnd(&(*unzip)->gzip);
	if ((*unzip)->kind == KIND_XZ)
		lzma_end(&(*unzip)->xz);
	ZSTD_freeDStream((*unzip)->zstd);
	free(*unzip);
	*unzip = NULL;
}

const char *layer_unzip_name(const struct layer_unzip *unzip)
{
	static const char *const names[] = {
		[KIND_UNKNOWN] = "?", [KIND_PLAIN] = "plain", [KIND_GZIP] = "gzip",
		[KIND_ZSTD] = "zstd", [KIND_XZ] = "xz",
	};
	return names[unzip->kind];
}

static int cut_or_broken(const struct layer_unzip *unzip, struct err *err, const char *what)
{
	return err_set(err, EBADMSG, "broken %s stream: %s", layer_unzip_name(unzip), what);
}

/* -- what is it? -------------------------------------------------------- */

static enum kind sniff(const unsigned char *head, size_t len)
{
	static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd},
				   skippable[] = {0x2a, 0x4d, 0x18},
				   xz[] = {0xfd, '7', 'z', 'X', 'Z', 0};
	if (len >= 2 && memcmp(head, gzip, 2) == 0)
		return KIND_GZIP;
	if (len >= 4 && (memcmp(head, zstd, 4) == 0 ||
			 ((head[0] & 0xf0) == 0x50 && memcmp(head + 1, skippable, 3) == 0)))
		return KIND_ZSTD;
	return len >= 6 && memcmp(head, xz, 6) == 0 ? KIND_XZ : KIND_PLAIN;
}

static int start(struct layer_unzip *unzip, struct err *err)
{
	enum kind kind = sniff(unzip->head, unzip->head_len);
	if (unzip->head_len >= 3 && memcmp(unzip->head, "BZh", 3) == 0)
		return err_set(err, ENOTSUP, "compressed by bzip2, which no registry does; compress it by "
			       "gzip or zstd");
	if (kind == KIND_GZIP && inflateInit2(&unzip->gzip, 15 + 16) != Z_OK)
		return err_set(err, ENOMEM, "no memory to decompress");
	if (kind == KIND_ZSTD && !(unzip->zstd = ZSTD_createDStream()))
		return err_set(err, ENOMEM, "no memory to decompress");
	if (kind == KIND_XZ && lzma_stream_decoder(&unzip->xz, XZ_MEMORY_MAX, LZMA_CONCATENATED) != LZMA_OK)
		return err_set(err, ENOMEM, "no memory to decompress");
	unzip->kind = kind;
	return 0;
}

/* -- one step each: uses some of *in, gives some out -------------------- */

struct input {
	const unsigned char *at;
	size_t len;
};

static int give(struct layer_unzip *unzip, size_t len, struct err *err)
{
	return len ? unzip->plain(unzip->context, unzip->out, len, err) : 0;
}

/* Between members: zeros are skipped, anything else begins one. */
static bool skip_padding(struct layer_unzip *unzip, struct input *in)
{
	while (unzip->any && !unzip->inside && in->len && *in->at == 0) {
		in->at++;
		in->len--;
	}
	return in->len > 0;
}

static int step_gzip(struct layer_unzip *unzip, struct input *in, struct err *err)
{
	z_stream *gzip = &unzip->gzip;
	if (!skip_padding(unzip, in))
		return 0;
	unsigned part = in->len > UINT32_MAX / 2 ? UINT32_MAX / 2 : (unsigned)in->len;
	unzip->inside = true;
	gzip->next_in = (unsigned char *)in->at;
	gzip->avail_in = part;
	do {
		gzip->next_out = (unsigned char *)unzip->out;
		gzip->avail_out = OUT;
		int status = inflate(gzip, Z_NO_FLUSH);
		int rc = give(unzip, OUT - gzip->avail_out, err);
		if (rc != 0)
			return rc;
		if (status == Z_STREAM_END) {
			unzip->inside = false;
			unzip->any = true;
			inflateReset(gzip);
			break;
		}
		if (status == Z_MEM_ERROR)
			return err_set(err, ENOMEM, "no memory to decompress");
		if (status != Z_OK && status != Z_BUF_ERROR)
			return cut_or_broken(unzip, err, gzip->msg ? gzip->msg : "its data is broken");
	} while (gzip->avail_in > 0 || gzip->avail_out == 0);
	in->at += part - gzip->avail_in;
	in->len -= part - gzip->avail_in;
	return 0;
}

static int step_zstd(struct layer_unzip *unzip, struct input *in, struct err *err)
{
	ZSTD_inBuffer from = {.src = in->at, .size = in->len};
	ZSTD_outBuffer to = {.dst = unzip->out};
	do {
		to.size = OUT;
		to.pos = 0;
		size_t status = ZSTD_decompressStream(unzip->zstd, &to, &from);
		if (ZSTD_isError(status))
			return cut_or_broken(unzip, err, ZSTD_getErrorName(status));
		int rc = give(unzip, to.pos, err);
		if (rc != 0)
			return rc;
		unzip->inside = status != 0;
		if (status == 0 && from.pos == from.size)
			break;  /* asked again, it would begin a frame that is not there */
	} while (from.pos < from.size || to.pos == to.size);
	in->at += from.pos;
	in->len = 0;
	return 0;
}

/* `action` is LZMA_FINISH at the end only. */
static int step_xz(struct layer_unzip *unzip, struct input *in, lzma_action action, struct err *err)
{
	lzma_stream *xz = &unzip->xz;
	xz->next_in = in->at;
	xz->avail_in = in->len;
	unzip->inside = true;
	do {
		xz->next_out = (unsigned char *)unzip->out;
		xz->avail_out = OUT;
		lzma_ret status = lzma_code(xz, action);
		int rc = give(unzip, OUT - xz->avail_out, err);
		if (rc != 0)
			return rc;
		if (status == LZMA_STREAM_END) {
			unzip->inside = false;
			break;
		}
		if (status == LZMA_MEMLIMIT_ERROR)
			return err_set(err, EFBIG, "an xz stream that needs more than 256 MiB of memory");
		if (status == LZMA_MEM_ERROR)
			return err_set(err, ENOMEM, "no memory to decompress");
		if (status == LZMA_BUF_ERROR)
			break;
		if (status != LZMA_OK)
			return cut_or_broken(unzip, err, "its data is broken");
	} while (xz->avail_in > 0 || xz->avail_out == 0);
	in->at = xz->next_in;
	in->len = xz->avail_in;
	return 0;
}

static int take(struct layer_unzip *unzip, const void *bytes, size_t len, struct err *err)
{
	struct input in = {bytes, len};
	int rc = 0;
	if (unzip->kind == KIND_PLAIN)
		return len ? unzip->plain(unzip->context, bytes, len, err) : 0;
	while (rc == 0 && in.len > 0) {
		rc = unzip->kind == KIND_GZIP ? step_gzip(unzip, &in, err)
		     : unzip->kind == KIND_ZSTD ? step_zstd(unzip, &in, err)
						: step_xz(unzip, &in, LZMA_RUN, err);
	}
	return rc;
}

/* The head is there, or will not grow any more. */
static int begin(struct layer_unzip *unzip, struct err *err)
{
	int rc = start(unzip, err);
	return rc < 0 ? rc : take(unzip, unzip->head, unzip->head_len, err);
}

int layer_unzip_feed(struct layer_unzip *unzip, const void *data, size_t len, struct err *err)
{
	const char *bytes = data;
	if (unzip->kind == KIND_UNKNOWN) {
		size_t part = SNIFF - unzip->head_len < len ? SNIFF - unzip->head_len : len;
		memcpy(unzip->head + unzip->head_len, bytes, part);
		unzip->head_len += part;
		if (unzip->head_len < SNIFF)
			return 0;
		int rc = begin(unzip, err);
		if (rc != 0)
			return rc;
		bytes += part;
		len -= part;
	}
	return take(unzip, bytes, len, err);
}

int layer_unzip_end(struct layer_unzip *unzip, struct err *err)
{
	struct input none = {0};
	int rc = unzip->kind == KIND_UNKNOWN ? begin(unzip, err) : 0;
	if (rc == 0 && unzip->kind == KIND_XZ)
		rc = step_xz(unzip, &none, LZMA_FINISH, err);
	if (rc == 0 && unzip->inside)
		rc = cut_or_broken(unzip, err, "it is cut");
	return rc;
}
