/*
 * signature_find.h - all signatures that a repository has of an image.
 *
 * Places, for a digest: what the OCI 1.1 Referrers API lists; where the registry has no such API, or
 * it lists none, what stands under the tag sha256-HEX in its place; and the tag sha256-HEX.sig of
 * cosign's first form.
 */
#ifndef IMAGE_SIGNATURE_FIND_H
#define IMAGE_SIGNATURE_FIND_H

#include "image/registry.h"
#include "image/signature_json.h"

struct signature_find {
	char digest[DIGEST_TEXT_SIZE];  /* of the image that it should be of */
	struct buf bytes;               /* payload or bundle */
	char *signature;                /* beside a payload; NULL: a bundle */
};

struct signature_finds {
	struct signature_find list[SIGNATURES_MAX];
	size_t count;
};

/* Appends.  What is broken or gone is left aside, as if it were not there; an error is one of the
 * network, or of a registry that refuses. */
int signature_find(struct registry *registry, const char *digest, struct signature_finds *finds,
		   struct err *err);
void signature_finds_free(struct signature_finds **finds);

#endif
