/*
 * signature_json.h - the JSON that leads to the signatures of an image in its repository.
 *
 * Two documents: an index of what refers to the image (the OCI 1.1 Referrers API, or the tag
 * sha256-HEX that stands for it), and the manifests in it, whose blobs are the signatures.  Pure;
 * foreign bytes, bounded by the caller.  Nothing here is believed but as a place to look at.
 */
#ifndef IMAGE_SIGNATURE_JSON_H
#define IMAGE_SIGNATURE_JSON_H

#include "image/manifest_json.h"

enum { SIGNATURES_MAX = 64, SIGNATURE_BYTES_MAX = 1 << 20 };

/* What a bundle of "cosign sign" says about the image; other statements are no signatures. */
#define SIGNATURE_PREDICATE "https://sigstore.dev/cosign/sign/v1"

struct signature_blob {
	struct manifest_blob blob;  /* at most SIGNATURE_BYTES_MAX */
	char *signature;            /* the blob is cosign's payload, this is beside it; NULL: a bundle */
};

struct signature_blobs {
	struct signature_blob list[SIGNATURES_MAX];
	size_t count;
};

/* Both append and leave what is no signature aside, and what is too much.  -EBADMSG: not JSON. */

/* Manifests that may hold signatures: by their artifactType, or because there is none. */
int signature_index_parse(const void *bytes, size_t len, struct manifest_blob list[SIGNATURES_MAX],
			  size_t *count, struct err *err);
int signature_manifest_parse(const void *bytes, size_t len, struct signature_blobs *blobs,
			     struct err *err);
void signature_blobs_free(struct signature_blobs *blobs);

#endif
