/*
 * manifest_json.h - the JSON of images: manifests, indexes, configs, lists of tags.
 *
 * Pure; foreign bytes, bounded by the caller before they come here.  Docker's schema 2 and OCI's
 * are read alike; Docker's schema 1 is refused with a reason.
 */
#ifndef IMAGE_MANIFEST_JSON_H
#define IMAGE_MANIFEST_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "image/digest.h"

enum {
	MANIFEST_BYTES_MAX = 4 << 20,   /* what registries allow, too */
	MANIFEST_CONFIG_MAX = 8 << 20,
	MANIFEST_LAYERS_MAX = 1024,     /* Docker makes 127 at most */
	MANIFEST_ENTRIES_MAX = 4096,
	MANIFEST_DEPTH_MAX = 4,         /* of indexes in indexes */
};
#define MANIFEST_BLOB_MAX (1ull << 40)

/* What Accept says for a manifest. */
#define MANIFEST_ACCEPT                                                                            \
	"application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "    \
	"application/vnd.docker.distribution.manifest.list.v2+json, "                              \
	"application/vnd.docker.distribution.manifest.v2+json"

struct manifest_blob {
	char media_type[128];
	char digest[DIGEST_TEXT_SIZE];
	uint64_t size;  /* bytes, at most MANIFEST_BLOB_MAX */
};

struct manifest_platform {
	char os[32], architecture[32], variant[32];  /* as Go names them: linux, amd64, v3; "" unknown */
};

struct manifest_entry {
	struct manifest_blob manifest;
	struct manifest_platform platform;
	bool is_index;   /* an index in the index */
	bool is_skipped; /* an attestation, a signature: no image */
	char name[256];  /* org.opencontainers.image.ref.name, in OCI layouts; "" */
};

struct manifest {
	bool is_index;
	struct manifest_blob config, *layers;  /* of an image */
	size_t layer_count;
	struct manifest_entry *entries;        /* of an index */
	size_t entry_count;
};

/* -EBADMSG: not JSON or not this shape; -ENOTSUP: schema 1, an artifact that is no image,
 * encrypted layers. */
int manifest_parse(const void *bytes, size_t len, struct manifest *manifest, struct err *err);
void manifest_json_free(struct manifest *manifest);
#define AUTO_MANIFEST __attribute__((cleanup(manifest_json_free)))

/* The parts of an image's config that say whether the layers are the right ones. */
struct manifest_config {
	struct manifest_platform platform;
	char (*diff_ids)[DIGEST_TEXT_SIZE];
	size_t diff_id_count;
};

int manifest_config_parse(const void *bytes, size_t len, struct manifest_config *config,
			  struct err *err);
void manifest_config_free(struct manifest_config *config);
#define AUTO_MANIFEST_CONFIG __attribute__((cleanup(manifest_config_free)))

/* {"tags": [...]}: appends them to a NULL-terminated list of owned strings. */
int manifest_tags_parse(const void *bytes, size_t len, char ***tags, size_t *count, struct err *err);

#endif
