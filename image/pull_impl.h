/*
 * pull_impl.h - what the files of a pull share.
 */
#ifndef IMAGE_PULL_IMPL_H
#define IMAGE_PULL_IMPL_H

#include "image/layout.h"
#include "image/pull.h"
#include "image/pull_scan.h"
#include "image/registry.h"

struct pull_layer {
	struct manifest_blob blob;         /* digest "": not known (a plain tar) */
	char diff_id[DIGEST_TEXT_SIZE];    /* "": not known */
	const char *below;                 /* as build_layer's; NULL: all of it is the layer */
	int fd;                            /* -1: not here yet; the layer's */
	bool is_given;                     /* fd was there from the start, and is no file of the store's */
	bool is_partial, was_resumed, has_failed_once;
	struct registry_fetch fetch;
	int fetch_rc;
	struct err fetch_err;
	struct pull_scan *scan;            /* under way */
	struct layer_scan *found;          /* ended well */
};

/* One image on its way. */
struct pull_work {
	const struct pull_options *options;
	struct registry *registry;                /* NULL: all layers are given */
	struct layout *layout;                    /* where manifests are when there is no registry */
	struct buf reference;                     /* as the store keeps it, NUL-terminated */
	char remote[DIGEST_TEXT_SIZE], validator[100], manifest[DIGEST_TEXT_SIZE];
	struct buf config;
	struct pull_layer *layers;
	struct pull_layer_status *status;         /* one a layer */
	size_t layer_count;
};

/* Makes room for `count` layers, all with fd -1. */
int pull_work_set_layers(struct pull_work *work, size_t count, struct err *err);
/* From a tag or digest to manifest, config and layers (pull_resolve.c).  work->remote stays "" when
 * there is nothing of that name. */
int pull_resolve(struct pull_work *work, const char *reference, struct err *err);
/* Takes layers and diff_ids from manifest and config, which must agree; and looks at the platform. */
int pull_work_take_manifest(struct pull_work *work, const struct manifest *manifest, struct err *err);
void pull_work_free(struct pull_work *work);
#define AUTO_PULL_WORK __attribute__((cleanup(pull_work_free)))

/* Until every layer is here and looked at (pull_layers.c). */
int pull_layers_get(struct pull_work *work, struct err *err);
int pull_report(const struct pull_work *work, uint64_t built, uint64_t build_total, struct err *err);

/* From known layers to a published image (pull.c). */
int pull_work_finish(struct pull_work *work, struct pull_result *result, struct err *err);

/* The last steps: tag and path of an image that is in the store. */
int pull_work_finish_known(struct pull_work *work, const char *key, struct pull_result *result,
			   struct err *err);

/* From the registry (pull_registry.c), and from files of this machine (pull_local.c). */
int pull_from_registry(const struct pull_options *options, const char *location,
		       struct pull_result *result, struct err *err);
int pull_from_files(const struct pull_options *options, const struct image_ref *ref,
		    struct pull_result *result, struct err *err);

/* Is what the tag meant at the last pull still in a store?  1: yes, *result is filled. */
int pull_find_known(const struct pull_options *options, const char *reference, const char *remote,
		    const char *validator, struct pull_result *result, struct err *err);

void pull_note(const struct pull_options *options, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
