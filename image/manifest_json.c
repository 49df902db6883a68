/*
 * manifest_json.c - manifests, indexes, configs and tag lists, read with jansson (manifest_json.h).
 *
 * A key that stands twice is refused: two readers that see different values would agree on the
 * digest and not on the image.  Everything that becomes a path or an amount of memory is checked
 * here, once.
 */
#include "image/manifest_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *load(const void *bytes, size_t len, const char *what, struct err *err)
{
	json_error_t error;
	json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		err_set(err, EBADMSG, "%s: not JSON: %s (line %d)", what, error.text, error.line);
	else if (!json_is_object(root)) {
		json_decref(root);
		root = NULL;
		err_set(err, EBADMSG, "%s: not a JSON object", what);
	}
	return root;
}

/* "" when there is none; -EBADMSG when it is no string or too long. */
static int copy_string(const json_t *object, const char *key, char *to, size_t size, struct err *err)
{
	const json_t *value = json_object_get(object, key);
	to[0] = '\0';
	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_string(value) || json_string_length(value) >= size)
		return err_set(err, EBADMSG, "\"%s\" is not a string of less than %zu bytes", key, size);
	memcpy(to, json_string_value(value), json_string_length(value) + 1);
	return 0;
}

static int parse_blob(const json_t *object, struct manifest_blob *blob, struct err *err)
{
	const json_t *size = json_object_get(object, "size");
	const char *digest = json_string_value(json_object_get(object, "digest"));
	if (digest == NULL)
		return err_set(err, EBADMSG, "a blob has no digest");
	int rc = digest_copy(blob->digest, digest, err);
	if (rc < 0)
		return err_set(err, EBADMSG, "\"%.80s\" is not a digest", digest);
	if (!json_is_integer(size) || json_integer_value(size) < 0 ||
	    (uint64_t)json_integer_value(size) > MANIFEST_BLOB_MAX)
		return err_set(err, EBADMSG, "blob %.19s has no size from 0 to 1 TiB", digest);
	blob->size = (uint64_t)json_integer_value(size);
	return copy_string(object, "mediaType", blob->media_type, sizeof blob->media_type, err);
}

static int parse_platform(const json_t *object, struct manifest_platform *platform, struct err *err)
{
	int rc = copy_string(object, "os", platform->os, sizeof platform->os, err);
	if (rc == 0)
		rc = copy_string(object, "architecture", platform->architecture,
				 sizeof platform->architecture, err);
	if (rc == 0)
		rc = copy_string(object, "variant", platform->variant, sizeof platform->variant, err);
	return rc;
}

static bool is_index_type(const char *media_type)
{
	return strcmp(media_type, "application/vnd.oci.image.index.v1+json") == 0 ||
	       strcmp(media_type, "application/vnd.docker.distribution.manifest.list.v2+json") == 0;
}

static bool is_image_type(const char *media_type)
{
	return media_type[0] == '\0' ||
	       strcmp(media_type, "application/vnd.oci.image.manifest.v1+json") == 0 ||
	       strcmp(media_type, "application/vnd.docker.distribution.manifest.v2+json") == 0;
}

static int parse_entry(const json_t *object, struct manifest_entry *entry, struct err *err)
{
	int rc = parse_blob(object, &entry->manifest, err);
	if (rc == 0)
		rc = parse_platform(json_object_get(object, "platform"), &entry->platform, err);
	if (rc < 0)
		return rc;
	const json_t *notes = json_object_get(object, "annotations");
	const char *name = json_string_value(json_object_get(notes, "org.opencontainers.image.ref.name"));
	if (name != NULL)
		snprintf(entry->name, sizeof entry->name, "%s", name);
	entry->is_index = is_index_type(entry->manifest.media_type);
	/* BuildKit gives its attestations the platform unknown/unknown. */
	entry->is_skipped = json_object_get(notes, "vnd.docker.reference.type") != NULL ||
			    json_object_get(object, "artifactType") != NULL ||
			    strcmp(entry->platform.os, "unknown") == 0 ||
			    (!entry->is_index && !is_image_type(entry->manifest.media_type));
	return 0;
}

static int parse_index(const json_t *list, struct manifest *manifest, struct err *err)
{
	size_t count = json_array_size(list);
	if (count > MANIFEST_ENTRIES_MAX)
		return err_set(err, EBADMSG, "an index of %zu entries (at most %d)", count,
			       MANIFEST_ENTRIES_MAX);
	manifest->is_index = true;
	manifest->entries = calloc(count + 1, sizeof *manifest->entries);
	if (manifest->entries == NULL)
		return err_errno(err, ENOMEM, "index");
	for (size_t i = 0; i < count; i++) {
		int rc = parse_entry(json_array_get(list, i), &manifest->entries[i], err);
		if (rc < 0)
			return err_prefix(err, "index entry %zu", i);
		manifest->entry_count++;
	}
	return 0;
}

static int check_layer_type(const char *media_type, struct err *err)
{
	if (strstr(media_type, "+encrypted") != NULL)
		return err_set(err, ENOTSUP, "the layers are encrypted (%s)", media_type);
	if (media_type[0] != '\0' && strstr(media_type, "tar") == NULL)
		return err_set(err, ENOTSUP, "a layer is no tar archive but %s: this is not a container "
			       "image", media_type);
	return 0;
}

static int check_config_type(const char *media_type, struct err *err)
{
	if (media_type[0] == '\0' || strcmp(media_type, "application/vnd.oci.image.config.v1+json") == 0 ||
	    strcmp(media_type, "application/vnd.docker.container.image.v1+json") == 0)
		return 0;
	return err_set(err, ENOTSUP, "this is no container image: its config is %s", media_type);
}

static int parse_image(const json_t *root, struct manifest *manifest, struct err *err)
{
	int rc = parse_blob(json_object_get(root, "config"), &manifest->config, err);
	if (rc < 0)
		return err_prefix(err, "config");
	if ((rc = check_config_type(manifest->config.media_type, err)) < 0)
		return rc;
	if (manifest->config.size > MANIFEST_CONFIG_MAX)
		return err_set(err, EBADMSG, "a config of %llu bytes (at most %d)",
			       (unsigned long long)manifest->config.size, MANIFEST_CONFIG_MAX);
	const json_t *list = json_object_get(root, "layers");
	size_t count = json_array_size(list);
	if (!json_is_array(list) || count > MANIFEST_LAYERS_MAX)
		return err_set(err, EBADMSG, "%zu layers (at most %d)", count, MANIFEST_LAYERS_MAX);
	manifest->layers = calloc(count + 1, sizeof *manifest->layers);
	if (manifest->layers == NULL)
		return err_errno(err, ENOMEM, "manifest");
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct manifest_blob *layer = &manifest->layers[i];
		rc = parse_blob(json_array_get(list, i), layer, err);
		if (rc == 0)
			rc = check_layer_type(layer->media_type, err);
		if (rc < 0)
			return err_prefix(err, "layer %zu", i + 1);
		manifest->layer_count++;
	}
	return 0;
}

int manifest_parse(const void *bytes, size_t len, struct manifest *manifest, struct err *err)
{
	*manifest = (struct manifest){0};
	json_t *root = load(bytes, len, "manifest", err);
	if (root == NULL)
		return -EBADMSG;
	const json_t *entries = json_object_get(root, "manifests");
	int rc;
	if (json_is_array(entries) && json_object_get(root, "layers") == NULL)
		rc = parse_index(entries, manifest, err);
	else if (json_object_get(root, "fsLayers") != NULL || json_object_get(root, "signatures") != NULL)
		rc = err_set(err, ENOTSUP, "this image has a manifest of Docker's schema 1, which nobody "
			     "makes since 2016; push it again with a present docker, podman or skopeo");
	else if (json_is_object(json_object_get(root, "config")) && entries == NULL)
		rc = parse_image(root, manifest, err);
	else
		rc = err_set(err, EBADMSG, "manifest: neither an image nor an index");
	json_decref(root);
	if (rc < 0)
		manifest_json_free(manifest);
	return rc;
}

void manifest_json_free(struct manifest *manifest)
{
	free(manifest->layers);
	free(manifest->entries);
	*manifest = (struct manifest){0};
}

static int parse_diff_ids(const json_t *list, struct manifest_config *config, struct err *err)
{
	size_t count = json_array_size(list);
	if (count > MANIFEST_LAYERS_MAX)
		return err_set(err, EBADMSG, "config: %zu diff_ids (at most %d)", count, MANIFEST_LAYERS_MAX);
	config->diff_ids = calloc(count + 1, sizeof *config->diff_ids);
	if (config->diff_ids == NULL)
		return err_errno(err, ENOMEM, "config");
	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		if (text == NULL || digest_copy(config->diff_ids[i], text, NULL) < 0)
			return err_set(err, EBADMSG, "config: diff_id %zu is not a digest", i + 1);
	}
	config->diff_id_count = count;
	return 0;
}

int manifest_config_parse(const void *bytes, size_t len, struct manifest_config *config,
			  struct err *err)
{
	*config = (struct manifest_config){0};
	json_t *root = load(bytes, len, "config", err);
	if (root == NULL)
		return -EBADMSG;
	int rc = parse_platform(root, &config->platform, err);
	if (rc < 0)
		err_prefix(err, "config");
	if (rc == 0)
		rc = parse_diff_ids(json_object_get(json_object_get(root, "rootfs"), "diff_ids"), config, err);
	json_decref(root);
	if (rc < 0)
		manifest_config_free(config);
	return rc;
}

void manifest_config_free(struct manifest_config *config)
{
	free(config->diff_ids);
	*config = (struct manifest_config){0};
}

int manifest_tags_parse(const void *bytes, size_t len, char ***tags, size_t *count, struct err *err)
{
	json_t *root = load(bytes, len, "list of tags", err);
	if (root == NULL)
		return -EBADMSG;
	const json_t *list = json_object_get(root, "tags");
	size_t more = json_array_size(list);
	char **bigger = realloc(*tags, (*count + more + 1) * sizeof *bigger);
	int rc = bigger ? 0 : err_errno(err, ENOMEM, "tags");
	if (bigger != NULL)
		*tags = bigger;
	for (size_t i = 0; rc == 0 && i < more; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		if (text == NULL)
			continue;
		if (((*tags)[*count] = strdup(text)) == NULL)
			rc = err_errno(err, ENOMEM, "tags");
		else
			++*count;
	}
	if (bigger != NULL)
		(*tags)[*count] = NULL;
	json_decref(root);
	return rc;
}
