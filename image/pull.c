/*
 * pull.c - from a reference to an image in the store (pull.h): what all kinds have in common.
 *
 * The store's lock is held shared by every pull, so that gc stays out; the lock of the image's key is
 * held while it is made, so that a second pull waits and then finds it.
 */
#include "image/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "image/pull_impl.h"
#include "image/ref_docker.h"

/* -- names ---------------------------------------------------------------------- */

/* "" for the usual options, else what makes it another image. */
static void options_suffix(const struct pull_options *options, char *text, size_t size)
{
	bool usual = (options->compressor == 0 || options->compressor == SQUASH_ZSTD) && options->level == 0 &&
		     (options->block_size == 0 || options->block_size == 128 << 10);
	if (usual)
		text[0] = '\0';
	else
		snprintf(text, size, "-%s-%d-%u",
			 squash_compressor_name(options->compressor ? options->compressor : SQUASH_ZSTD),
			 options->level, options->block_size ? options->block_size >> 10 : 128);
}

static int add_path(const char *location, struct buf *out, struct err *err)
{
	AUTO_FREE char *path = realpath(location, NULL);
	if (path == NULL)
		return err_errno(err, errno, "%s", location);
	buf_printf(out, "%s", path);
	return 0;
}

/* "oci:DIR[:TAG]", "docker-archive:FILE[:NAME:TAG]": the path alone is made absolute. */
static int add_local(const struct image_ref *ref, struct buf *out, struct err *err)
{
	bool may_have_tag = ref->kind == IMAGE_KIND_OCI || ref->kind == IMAGE_KIND_OCI_ARCHIVE ||
			    ref->kind == IMAGE_KIND_DOCKER_ARCHIVE;
	buf_printf(out, "%s:", image_kind_scheme(ref->kind));
	for (const char *end = ref->location; may_have_tag && (end = strchr(end, ':')) != NULL; end++) {
		AUTO_FREE char *path = strndup(ref->location, (size_t)(end - ref->location));
		if (path == NULL)
			return err_errno(err, ENOMEM, "reference");
		if (*path == '\0' || access(path, F_OK) < 0)
			continue;
		int rc = add_path(path, out, err);
		buf_printf(out, "%s", end);
		return rc;
	}
	/* Shifter's images may be given without their suffix. */
	AUTO_FREE char *longer = NULL;
	if (ref->kind == IMAGE_KIND_SHIFTER && access(ref->location, F_OK) < 0 &&
	    asprintf(&longer, "%s.squashfs", ref->location) < 0)
		longer = NULL;
	return add_path(longer ? longer : ref->location, out, err);
}

int pull_reference(const struct pull_options *options, const char *reference, struct buf *out,
		   struct err *err)
{
	struct image_ref ref = {0};
	struct docker_ref docker;
	char suffix[80];
	int rc = image_ref_parse(reference, &ref, err);
	if (rc == 0 && ref.kind == IMAGE_KIND_DOCKER) {
		rc = docker_ref_parse(ref.location, &docker, err);
		if (rc == 0)
			docker_ref_format(&docker, out);
	} else if (rc == 0) {
		rc = add_local(&ref, out, err);
	}
	image_ref_free(&ref);
	if (rc == 0 && options->platform_is_given) {
		buf_printf(out, " ");
		manifest_platform_format(&options->platform, out);
	}
	options_suffix(options, suffix, sizeof suffix);
	if (suffix[0] != '\0')
		buf_printf(out, " %s", suffix + 1);
	buf_add_u8(out, 0);
	if (rc == 0 && (out->failed || out->len > STORE_REFERENCE_MAX))
		return err_set(err, out->failed ? ENOMEM : EINVAL, "the reference is too long");
	if (rc == 0)
		out->len--;
	return rc;
}

/* -- what is known ----------------------------------------------------------------- */

static int find_in(struct store *store, const char *reference, const char *remote, const char *validator,
		   struct pull_result *result, struct err *err)
{
	struct store_tag tag;
	int rc = store_tag_find(store, reference, &tag, err);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if ((remote != NULL && strcmp(tag.remote, remote) != 0) ||
	    (validator != NULL && strcmp(tag.validator, validator) != 0))
		return 0;
	rc = store_image_find(store, tag.key, &result->image, err);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	result->path = store_image_path_new(store, tag.key, ".sqsh");
	result->was_there = true;
	store_image_touch(store, tag.key);
	return result->path ? 1 : err_errno(err, ENOMEM, "image");
}

int pull_find_known(const struct pull_options *options, const char *reference, const char *remote,
		    const char *validator, struct pull_result *result, struct err *err)
{
	int rc = find_in(options->store, reference, remote, validator, result, err);
	if (rc == 0 && options->shared != NULL)
		rc = find_in(options->shared, reference, remote, validator, result, err);
	return rc;
}

/* -- building ------------------------------------------------------------------------ */

struct build_context {
	const struct pull_work *work;
	struct err err;
};

static int on_build(void *context, const struct build_progress *progress)
{
	struct build_context *build = context;
	return pull_report(build->work, progress->done, progress->total ? progress->total : 1, &build->err);
}

static void describe_layers(const struct pull_work *work, struct build_layer *layers)
{
	for (size_t i = 0; i < work->layer_count; i++) {
		const struct pull_layer *layer = &work->layers[i];
		layers[i] = (struct build_layer){
			.fd = layer->fd,
			.size = layer->blob.size,
			.media_type = layer->blob.media_type[0] ? layer->blob.media_type : NULL,
			.digest = layer->blob.digest[0] ? layer->blob.digest : NULL,
			.diff_id = layer->diff_id[0] ? layer->diff_id : NULL,
			.below = layer->below,
			.scan = layer->found,
		};
	}
}

static int build(struct pull_work *work, int fd, struct build_result *built, struct err *err)
{
	struct build_context context = {.work = work};
	AUTO_FREE struct build_layer *layers = calloc(work->layer_count + 1, sizeof *layers);
	if (layers == NULL)
		return err_errno(err, ENOMEM, "layers");
	describe_layers(work, layers);
	struct build_input input = {
		.layers = layers,
		.layer_count = work->layer_count,
		.config = work->config.data,
		.config_len = work->config.len,
		.reference = work->reference.data,
		.manifest_digest = work->manifest[0] ? work->manifest : NULL,
		.compressor = work->options->compressor,
		.level = work->options->level,
		.block_size = work->options->block_size,
		.progress = on_build,
		.context = &context,
	};
	return build_image(&input, fd, built, err);
}

static int publish(struct pull_work *work, struct store_image *image, struct err *err)
{
	struct store *store = work->options->store;
	struct build_result built = {0};
	char temporary[64];
	AUTO_FD int fd = -1;
	int rc = store_image_create(store, &fd, temporary, err);
	if (rc < 0)
		return rc;
	rc = build(work, fd, &built, err);
	if (rc == 0) {
		memcpy(image->digest, built.digest, sizeof image->digest);
		image->size = built.size;
		image->files = built.files;
		image->bytes = built.bytes;
		image->created = image->used = time(NULL);
		snprintf(image->reference, sizeof image->reference, "%s", work->reference.data);
		memcpy(image->manifest, work->manifest, sizeof image->manifest);
		rc = store_image_publish(store, image, fd, temporary, err);
	}
	if (rc < 0)
		store_temporary_remove(store, temporary);
	return rc;
}

static int put_tag(const struct pull_work *work, const char *key, struct err *err)
{
	struct store_tag *tag = calloc(1, sizeof *tag);
	if (tag == NULL)
		return err_errno(err, ENOMEM, "tag");
	snprintf(tag->reference, sizeof tag->reference, "%s", work->reference.data);
	memcpy(tag->remote, work->remote, sizeof tag->remote);
	memcpy(tag->validator, work->validator, sizeof tag->validator);
	snprintf(tag->key, sizeof tag->key, "%s", key);
	tag->checked = time(NULL);
	int rc = store_tag_put(work->options->store, tag, err);
	free(tag);
	return rc;
}

/* By the manifest's digest; where there is none, by what the file system says of the source. */
static int make_key(const struct pull_work *work, char key[STORE_KEY_MAX], struct err *err)
{
	char suffix[80], digest[DIGEST_TEXT_SIZE];
	AUTO_BUF struct buf text = {0};
	memcpy(digest, work->manifest, sizeof digest);
	if (digest[0] == '\0') {
		buf_printf(&text, "%s %s", work->reference.data, work->validator);
		int rc = text.failed ? -ENOMEM : digest_of(text.data, text.len, NULL, digest, err);
		if (rc < 0)
			return rc;
	}
	options_suffix(work->options, suffix, sizeof suffix);
	snprintf(key, STORE_KEY_MAX, "%s%s", digest_hex(digest), suffix);
	return 0;
}

/* The disk must take what is still to come, and about as much again for the image. */
static int check_space(struct pull_work *work, struct err *err)
{
	uint64_t needed = 0, free_bytes = store_free_bytes(work->options->store);
	for (size_t i = 0; i < work->layer_count; i++) {
		struct pull_layer *layer = &work->layers[i];
		uint64_t size;
		AUTO_FD int fd = -1;
		if (!layer->is_given && store_blob_open(work->options->store, layer->blob.digest, &fd, &size) < 0)
			needed += layer->blob.size;
	}
	if (needed <= free_bytes)
		return 0;
	return err_set(err, ENOSPC, "image store %s: the layers need %" PRIu64 " MiB, and %" PRIu64 " MiB are "
		       "free; make room with: cmpi image gc, or name another place by CMPIRUN_STORE",
		       store_path(work->options->store), needed >> 20, free_bytes >> 20);
}

int pull_work_finish_known(struct pull_work *work, const char *key, struct pull_result *result,
			   struct err *err)
{
	int rc = put_tag(work, key, err);
	if (rc == 0 && (result->path = store_image_path_new(work->options->store, key, ".sqsh")) == NULL)
		rc = err_errno(err, ENOMEM, "image");
	return rc;
}

int pull_work_finish(struct pull_work *work, struct pull_result *result, struct err *err)
{
	struct store *store = work->options->store;
	AUTO_FD int lock = -1;
	int rc = make_key(work, result->image.key, err);
	char key[STORE_KEY_MAX];
	if (rc < 0)
		return rc;
	memcpy(key, result->image.key, sizeof key);
	rc = store_lock(store, key, true, false, &lock, err);
	if (rc == -EBUSY) {
		pull_note(work->options, "another pull of this image is under way: waiting for it");
		rc = store_lock(store, key, true, true, &lock, err);
	}
	if (rc < 0)
		return rc;
	rc = store_image_find(store, key, &result->image, err);
	result->was_there = rc == 0;
	if (rc == -ENOENT) {
		memcpy(result->image.key, key, sizeof key);
		rc = check_space(work, err);
		if (rc == 0)
			rc = pull_layers_get(work, err);
		if (rc == 0)
			rc = publish(work, &result->image, err);
	} else if (rc == 0) {
		store_image_touch(store, key);
	}
	return rc < 0 ? rc : pull_work_finish_known(work, key, result, err);
}

int pull_image(const struct pull_options *options, const char *reference, struct pull_result *result,
	       struct err *err)
{
	struct image_ref ref = {0};
	AUTO_FD int lock = -1;
	*result = (struct pull_result){0};
	int rc = image_ref_parse(reference, &ref, err);
	if (rc == 0)
		rc = store_lock(options->store, "store", false, true, &lock, err);
	if (rc == 0)
		rc = ref.kind == IMAGE_KIND_DOCKER ? pull_from_registry(options, ref.location, result, err)
						   : pull_from_files(options, &ref, result, err);
	image_ref_free(&ref);
	if (rc < 0)
		pull_result_free(result);
	return rc;
}

void pull_result_free(struct pull_result *result)
{
	free(result->path);
	*result = (struct pull_result){0};
}
