/*
 * signature_find.c - signatures in a repository (signature_find.h).
 *
 * Flow: index of referrers → manifests → blobs.  What the registry says is believed of nothing but
 * where to look: registry.c compares each blob with its digest, and what the blob signs is compared
 * with the image's by image/sign.c.  So a registry can hide a signature and cannot make one.
 */
#include "image/signature_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

struct manifests {
	struct manifest_blob list[SIGNATURES_MAX];
	size_t count;
};

void signature_finds_free(struct signature_finds **finds)
{
	for (size_t i = 0; *finds && i < (*finds)->count; i++) {
		buf_free(&(*finds)->list[i].bytes);
		free((*finds)->list[i].signature);
	}
	free(*finds);
	*finds = NULL;
}

/* Somebody's rubbish beside the signatures must not stand for them. */
static bool is_passed_over(int rc)
{
	return rc == -ENOENT || rc == -EBADMSG || rc == -EFBIG || rc == -EPROTO;
}

static int take_blobs(struct registry *registry, struct signature_blobs *blobs, const char *digest,
		      struct signature_finds *finds, struct err *err)
{
	for (size_t i = 0; i < blobs->count && finds->count < SIGNATURES_MAX; i++) {
		struct signature_find *find = &finds->list[finds->count];
		struct err why;
		int rc = registry_blob(registry, &blobs->list[i].blob, SIGNATURE_BYTES_MAX, &find->bytes, &why);
		if (is_passed_over(rc)) {
			buf_free(&find->bytes);
			continue;
		}
		finds->count++;
		snprintf(find->digest, sizeof find->digest, "%s", digest);
		find->signature = take_ptr(&blobs->list[i].signature);
		if (rc < 0) {
			*err = why;
			return rc;
		}
	}
	return 0;
}

/* `reference`: a tag, or a manifest's digest.  A broken manifest is no error. */
static int take_manifest(struct registry *registry, const char *reference, const char *digest,
			 struct signature_finds *finds, struct err *err)
{
	AUTO_BUF struct buf bytes = {0};
	AUTO_CALL(signature_blobs_free) struct signature_blobs blobs = {.count = 0};
	char got[DIGEST_TEXT_SIZE];
	struct err why;
	int rc = registry_manifest(registry, reference, &bytes, got, &why);
	if (rc == 0)
		rc = signature_manifest_parse(bytes.data, bytes.len, &blobs, &why);
	if (rc == 0)
		return take_blobs(registry, &blobs, digest, finds, err);
	if (is_passed_over(rc))
		return 0;
	*err = why;
	return rc;
}

static int take_page(void *context, const char *bytes, size_t len, struct err *err)
{
	struct manifests *manifests = context;
	return signature_index_parse(bytes, len, manifests->list, &manifests->count, err);
}

static int list_by_tag(struct registry *registry, const char *tag, struct manifests *manifests,
		       struct err *err)
{
	AUTO_BUF struct buf bytes = {0};
	char got[DIGEST_TEXT_SIZE];
	int rc = registry_manifest(registry, tag, &bytes, got, err);
	return rc < 0 ? rc : take_page(manifests, bytes.data, bytes.len, err);
}

/* A registry that does not know the API may answer anything, a refusal too. */
static int list_referrers(struct registry *registry, const char *digest, const char *tag,
			  struct manifests *manifests, struct err *err)
{
	struct err why;
	int rc = registry_referrers(registry, digest, take_page, manifests, &why);
	if (manifests->count == 0 && (rc == 0 || rc == -EKEYREJECTED || is_passed_over(rc)))
		rc = list_by_tag(registry, tag, manifests, &why);
	if (rc == 0 || is_passed_over(rc))
		return 0;
	*err = why;
	return rc;
}

int signature_find(struct registry *registry, const char *digest, struct signature_finds *finds,
		   struct err *err)
{
	struct manifests manifests = {.count = 0};
	char tag[DIGEST_TEXT_SIZE + 8];
	snprintf(tag, sizeof tag, "%s", digest);
	*strchr(tag, ':') = '-';
	int rc = list_referrers(registry, digest, tag, &manifests, err);
	for (size_t i = 0; rc == 0 && i < manifests.count; i++)
		rc = take_manifest(registry, manifests.list[i].digest, digest, finds, err);
	strcat(tag, ".sig");
	if (rc == 0)
		rc = take_manifest(registry, tag, digest, finds, err);
	return rc < 0 ? err_prefix(err, "signatures") : 0;
}
