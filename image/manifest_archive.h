/*
 * manifest_archive.h - manifest.json of Docker's archives (docker save), and Shifter's ID.meta.
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

/* Lines "ENV: NAME=VALUE", "WORKDIR: /x", "ENTRY: [...]", "CMD: [...]" → the text of an image's
 * config, newly allocated. */
int manifest_shifter_config_new(const char *text, char **config, struct err *err);

#endif
