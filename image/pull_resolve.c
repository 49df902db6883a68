/*
 * pull_resolve.c - from a tag or digest to the manifest of one image, and its config (pull_impl.h).
 *
 * Down through indexes, MANIFEST_DEPTH_MAX deep at most: the entry for the platform, or, where an
 * index has none, the first index in it that has one.  The same way through a registry and through
 * an OCI layout.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "image/pull_impl.h"

enum { NESTED_MAX = 16 };

/* A search through indexes: how many were asked for. */
struct search {
	struct pull_work *work;
	unsigned asked;
};

static int load_manifest(struct pull_work *work, const char *reference, struct manifest *manifest,
			 struct buf *bytes, char digest[DIGEST_TEXT_SIZE], struct err *err)
{
	bytes->len = 0;
	int rc = work->registry ? registry_manifest(work->registry, reference, bytes, digest, err)
				: layout_blob(work->layout, reference, MANIFEST_BYTES_MAX, bytes, err);
	if (work->registry == NULL)
		snprintf(digest, DIGEST_TEXT_SIZE, "%s", reference);
	return rc < 0 ? rc : manifest_parse(bytes->data, bytes->len, manifest, err);
}

static int load_entry(struct search *search, const struct manifest_blob *entry, struct manifest *manifest,
		      struct buf *bytes, struct err *err)
{
	char digest[DIGEST_TEXT_SIZE];
	if (++search->asked > NESTED_MAX)
		return err_set(err, EBADMSG, "more than %d indexes in indexes", NESTED_MAX);
	int rc = load_manifest(search->work, entry->digest, manifest, bytes, digest, err);
	if (rc < 0)
		return rc;
	if (bytes->len == entry->size)
		return 0;
	manifest_json_free(manifest);
	return err_set(err, EBADMSG, "manifest %.19s has %zu bytes, the index says %llu", entry->digest, bytes->len,
		       (unsigned long long)entry->size);
}

/* Goes down from an index to an image: *manifest becomes that one. */
static int descend(struct search *search, struct manifest *manifest, struct buf *bytes, unsigned depth,
		   struct err *err)
{
	struct manifest next = {0};
	size_t chosen;
	int rc = manifest_choose(manifest, &search->work->options->platform, &chosen, err);
	if (rc == 0) {
		struct manifest_blob entry = manifest->entries[chosen].manifest;
		rc = load_entry(search, &entry, &next, bytes, err);
		if (rc < 0)
			return rc;
		manifest_json_free(manifest);
		*manifest = next;
		memcpy(search->work->manifest, entry.digest, sizeof entry.digest);
		if (next.is_index && depth + 1 >= MANIFEST_DEPTH_MAX)
			return err_set(err, EBADMSG, "indexes in indexes, deeper than %d", MANIFEST_DEPTH_MAX);
		return next.is_index ? descend(search, manifest, bytes, depth + 1, err) : 0;
	}
	for (size_t i = 0; i < manifest->entry_count && depth + 1 < MANIFEST_DEPTH_MAX; i++) {
		if (!manifest->entries[i].is_index)
			continue;
		struct err inner;
		int found = load_entry(search, &manifest->entries[i].manifest, &next, bytes, &inner);
		if (found == 0)
			memcpy(search->work->manifest, manifest->entries[i].manifest.digest, DIGEST_TEXT_SIZE);
		if (found == 0 && next.is_index)
			found = descend(search, &next, bytes, depth + 1, &inner);
		if (found == 0) {
			manifest_json_free(manifest);
			*manifest = next;
			return 0;
		}
		manifest_json_free(&next);
		if (found != -ENOENT) {
			*err = inner;
			return found;
		}
	}
	return rc;
}

/* Small blobs are kept, too, so that a config is fetched once. */
static int config_of_store(struct pull_work *work, const struct manifest_blob *blob)
{
	uint64_t size;
	char got[DIGEST_TEXT_SIZE];
	AUTO_FD int fd = -1;
	if (store_blob_open(work->options->store, blob->digest, &fd, &size) < 0 || size != blob->size)
		return -ENOENT;
	char *room = buf_reserve(&work->config, (size_t)size + 1);
	if (room == NULL || pread(fd, room, (size_t)size, 0) != (ssize_t)size ||
	    digest_of(room, (size_t)size, blob->digest, got, NULL) < 0 || strcmp(got, blob->digest) != 0)
		return -ENOENT;
	work->config.len += (size_t)size;
	return 0;
}

static int load_config(struct pull_work *work, const struct manifest_blob *blob, struct err *err)
{
	if (work->registry == NULL) {
		int rc = layout_blob(work->layout, blob->digest, MANIFEST_CONFIG_MAX, &work->config, err);
		return rc < 0 ? err_prefix(err, "config") : 0;
	}
	if (config_of_store(work, blob) == 0)
		return 0;
	int rc = registry_blob(work->registry, blob, MANIFEST_CONFIG_MAX, &work->config, err);
	if (rc == 0)
		rc = store_blob_put(work->options->store, blob->digest, work->config.data, work->config.len, err);
	return rc < 0 ? err_prefix(err, "config") : 0;
}

static int check_platform(const struct pull_work *work, const struct manifest_platform *is, struct err *err)
{
	const struct manifest_platform *wanted = &work->options->platform;
	if (is->os[0] == '\0' || manifest_platform_fit(wanted, is) > 0)
		return 0;
	AUTO_BUF struct buf have = {0}, want = {0};
	manifest_platform_format(is, &have);
	manifest_platform_format(wanted, &want);
	return err_set(err, ENOENT, "the image is for %.*s, and %.*s is wanted; --platform takes another",
		       (int)have.len, have.data, (int)want.len, want.data);
}

int pull_work_take_manifest(struct pull_work *work, const struct manifest *manifest, struct err *err)
{
	AUTO_MANIFEST_CONFIG struct manifest_config config = {0};
	int rc = manifest_config_parse(work->config.data, work->config.len, &config, err);
	if (rc == 0)
		rc = check_platform(work, &config.platform, err);
	if (rc < 0)
		return rc;
	if (config.diff_id_count != manifest->layer_count)
		return err_set(err, EBADMSG, "the manifest has %zu layers, the config %zu", manifest->layer_count,
			       config.diff_id_count);
	rc = pull_work_set_layers(work, manifest->layer_count, err);
	for (size_t i = 0; rc == 0 && i < manifest->layer_count; i++) {
		struct pull_layer *layer = &work->layers[i];
		layer->blob = manifest->layers[i];
		memcpy(layer->diff_id, config.diff_ids[i], sizeof layer->diff_id);
		work->status[i] = (struct pull_layer_status){.digest = layer->blob.digest, .size = layer->blob.size};
	}
	return rc;
}

int pull_resolve(struct pull_work *work, const char *reference, struct err *err)
{
	AUTO_BUF struct buf bytes = {0};
	AUTO_MANIFEST struct manifest manifest = {0};
	struct search search = {.work = work};
	char remote[DIGEST_TEXT_SIZE];
	int rc = load_manifest(work, reference, &manifest, &bytes, remote, err);
	if (rc < 0)
		return rc;
	memcpy(work->remote, remote, sizeof remote);
	memcpy(work->manifest, remote, sizeof remote);
	if (manifest.is_index)
		rc = descend(&search, &manifest, &bytes, 0, err);
	if (rc == 0)
		rc = load_config(work, &manifest.config, err);
	return rc < 0 ? rc : pull_work_take_manifest(work, &manifest, err);
}
