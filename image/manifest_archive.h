/*
 * manifest_archive.h - manifest.json of Docker's archives (docker save), what they had before 1.10, and
 * Shifter's ID.meta.
 *
 * Pure; foreign bytes.
 */
#ifndef IMAGE_MANIFEST_ARCHIVE_H
#define IMAGE_MANIFEST_ARCHIVE_H

#include "image/manifest_json.h"

struct manifest_archive {
	char *config;     /* names of members; owned */
	char **layers;
	size_t layer_count;
};

/* The image that `wanted` (NAME[:TAG], or NULL: the only one) means. -ENOENT lists the tags. */
int manifest_archive_parse(const void *bytes, size_t len, const char *wanted,
			   struct manifest_archive *archive, struct err *err);
void manifest_archive_free(struct manifest_archive *archive);

/* Before 1.10 an archive has `repositories`, and for each layer ID/json, which names its parent and
 * is the whole image's config, and ID/layer.tar. */
enum { MANIFEST_LAYER_ID_SIZE = 64 + 1 };

/* The top layer's ID, 64 hexadecimal digits, of `wanted` as above. */
int manifest_repositories_parse(const void *bytes, size_t len, const char *wanted,
				char id[MANIFEST_LAYER_ID_SIZE], struct err *err);
/* Of ID/json: its parent's ID; "": it has none. */
int manifest_layer_parent(const void *bytes, size_t len, char parent[MANIFEST_LAYER_ID_SIZE],
			  struct err *err);

/* Lines "ENV: NAME=VALUE", "WORKDIR: /x", "ENTRY: [...]", "CMD: [...]" → the text of an image's
 * config, newly allocated. */
int manifest_shifter_config_new(const char *text, char **config, struct err *err);

#endif
