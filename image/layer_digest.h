/*
 * layer_digest.h - "sha256:…" or "sha512:…" of a stream, compared with what was said.
 *
 * OpenSSL's, which uses the SHA instructions of the processor (about 2 GB/s, libsodium 0.3).
 */
#ifndef IMAGE_LAYER_DIGEST_H
#define IMAGE_LAYER_DIGEST_H

#include <stddef.h>

#include "common/err.h"

enum { LAYER_DIGEST_TEXT_SIZE = 7 + 128 + 1 };

struct layer_digest;

/* `wanted` (borrowed) says the algorithm and the value; NULL: sha256, and nothing is compared.
 * -EINVAL: not a digest; -ENOTSUP: an algorithm that is not known. */
int layer_digest_new(const char *wanted, struct layer_digest **digest, struct err *err);
void layer_digest_free(struct layer_digest **digest);
int layer_digest_feed(struct layer_digest *digest, const void *bytes, size_t len, struct err *err);
/* `text` gets the digest (it may be NULL).  -EBADMSG when it is not the wanted one; `what` is for the text. */
int layer_digest_end(struct layer_digest *digest, const char *what, char text[LAYER_DIGEST_TEXT_SIZE],
		     struct err *err);

#endif
