/*
 * pull.h - a reference → a squashfs file in the store.
 *
 * From a registry, an OCI layout, an archive, a tar, a directory, a SIF file or another squashfs
 * file.  Layers are looked at while they come (build.h); what is in the store already is not fetched;
 * of two pulls of one image at once, one does the work and the other waits for it.
 */
#ifndef IMAGE_PULL_H
#define IMAGE_PULL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "image/build.h"
#include "image/image_ref.h"
#include "image/manifest_choose.h"
#include "image/registry_conf.h"
#include "image/store.h"

enum pull_when {
	PULL_ALWAYS,   /* ask the registry whether the tag means another image now */
	PULL_MISSING,  /* only what is not in the store */
	PULL_NEVER,
};

enum pull_layer_state { PULL_LAYER_WAITS, PULL_LAYER_COMES, PULL_LAYER_READ, PULL_LAYER_DONE };

struct pull_layer_status {
	const char *digest;
	uint64_t size, have;  /* bytes of the blob; how many are here */
	enum pull_layer_state state;
	bool was_there;       /* in the store, before */
};

/* How far it is; strings and arrays live as long as the call. */
struct pull_status {
	const struct pull_layer_status *layers;
	size_t layer_count;
	uint64_t built, build_total;  /* bytes put into squashfs; total 0: not begun */
};

struct pull_options {
	struct store *store, *shared;  /* shared: looked into first, not written; may be NULL */
	const struct registry_conf *conf;
	struct manifest_platform platform;
	bool platform_is_given;
	enum pull_when when;
	enum squash_compressor compressor;  /* 0, 0, 0: the usual */
	int level;
	uint32_t block_size;
	unsigned parallel;                  /* layers fetched at once; 0: 4 */
	/* Both may be NULL.  A value other than 0 from `status` ends the pull with -ECANCELED. */
	int (*status)(void *context, const struct pull_status *status);
	void (*note)(void *context, const char *text);
	void *context;
};

struct pull_result {
	struct store_image image;
	char *path;      /* of the squashfs file; owned */
	bool was_there;  /* nothing had to be done */
};

/* Errors: those of registry.h and build.h; -ENOENT also: PULL_NEVER and not in the store; of the
 * platform; -ENOSPC, -EDQUOT: the store's disk. */
int pull_image(const struct pull_options *options, const char *reference, struct pull_result *result,
	       struct err *err);
void pull_result_free(struct pull_result *result);

/* The reference as the store keeps it: normalised, absolute, with the options that make it
 * another image.  Appends to *out. */
int pull_reference(const struct pull_options *options, const char *reference, struct buf *out,
		   struct err *err);

#endif
