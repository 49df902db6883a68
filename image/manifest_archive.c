/*
 * manifest_archive.c - Docker's manifest.json and repositories, Shifter's meta files (manifest_archive.h).
 */
#include "image/manifest_archive.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "image/ref_docker.h"

static bool same_name(const char *a, const char *b)
{
	struct docker_ref left, right;
	return docker_ref_parse(a, &left, NULL) == 0 && docker_ref_parse(b, &right, NULL) == 0 &&
	       strcmp(left.registry, right.registry) == 0 && strcmp(left.repository, right.repository) == 0 &&
	       strcmp(left.tag, right.tag) == 0;
}

static bool has_tag(const json_t *image, const char *wanted, struct buf *names)
{
	const json_t *tags = json_object_get(image, "RepoTags");
	bool found = false;
	for (size_t i = 0; i < json_array_size(tags); i++) {
		const char *tag = json_string_value(json_array_get(tags, i));
		if (tag == NULL)
			continue;
		buf_printf(names, "%s%.100s", names->len ? ", " : "", tag);
		found = found || (wanted != NULL && same_name(tag, wanted));
	}
	return found;
}

static int refuse_name(const char *wanted, struct buf *names, struct err *err)
{
	if (names->len == 0)
		return err_set(err, ENOENT, "no image in the archive has a name%s",
			       wanted ? ": leave it out" : "; take one out by itself, with docker save NAME");
	return err_set(err, ENOENT, "%s; there is: %.*s",
		       wanted ? "the archive has no image of that name"
			      : "there are several images: put :NAME:TAG behind the file's name",
		       (int)names->len, names->data);
}

static int take(const json_t *image, struct manifest_archive *archive, struct err *err)
{
	const char *config = json_string_value(json_object_get(image, "Config"));
	const json_t *layers = json_object_get(image, "Layers");
	size_t count = json_array_size(layers);
	if (config == NULL || !json_is_array(layers) || count > MANIFEST_LAYERS_MAX)
		return err_set(err, EBADMSG, "an image has no Config, or no Layers, or more than %d",
			       MANIFEST_LAYERS_MAX);
	archive->config = strdup(config);
	archive->layers = calloc(count + 1, sizeof *archive->layers);
	if (archive->config == NULL || archive->layers == NULL)
		return err_errno(err, ENOMEM, "archive");
	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(json_array_get(layers, i));
		if (name == NULL)
			return err_set(err, EBADMSG, "layer %zu has no name", i + 1);
		if ((archive->layers[i] = strdup(name)) == NULL)
			return err_errno(err, ENOMEM, "archive");
		archive->layer_count++;
	}
	return 0;
}

int manifest_archive_parse(const void *bytes, size_t len, const char *wanted,
			   struct manifest_archive *archive, struct err *err)
{
	AUTO_BUF struct buf names = {0};
	json_error_t error;
	*archive = (struct manifest_archive){0};
	json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &error);
	size_t count = json_array_size(root);
	int rc = count > 0 ? 0 : err_set(err, EBADMSG, "manifest.json is no list of images");
	const json_t *found = NULL;
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (has_tag(json_array_get(root, i), wanted, &names) || (wanted == NULL && count == 1))
			found = json_array_get(root, i);
	if (rc == 0 && found == NULL)
		rc = refuse_name(wanted, &names, err);
	if (rc == 0)
		rc = take(found, archive, err);
	json_decref(root);
	if (rc < 0)
		manifest_archive_free(archive);
	return rc;
}

void manifest_archive_free(struct manifest_archive *archive)
{
	for (size_t i = 0; i < archive->layer_count; i++)
		free(archive->layers[i]);
	free(archive->layers);
	free(archive->config);
	*archive = (struct manifest_archive){0};
}

/* -- Docker before 1.10 ------------------------------------------------------------------ */

static int take_id(const char *text, char id[MANIFEST_LAYER_ID_SIZE], struct err *err)
{
	size_t len = MANIFEST_LAYER_ID_SIZE - 1;
	if (text == NULL || strlen(text) != len || strspn(text, "0123456789abcdef") != len)
		return err_set(err, EBADMSG, "a layer's ID is none: %.80s", text ? text : "it is no text");
	memcpy(id, text, MANIFEST_LAYER_ID_SIZE);
	return 0;
}

int manifest_repositories_parse(const void *bytes, size_t len, const char *wanted,
				char id[MANIFEST_LAYER_ID_SIZE], struct err *err)
{
	AUTO_BUF struct buf names = {0};
	json_error_t where;
	json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &where), *tags, *value;
	const char *name, *tag, *found = NULL;
	size_t count = 0;
	int rc = json_is_object(root) ? 0 : err_set(err, EBADMSG, "repositories is no object");
	json_object_foreach(root, name, tags) {
		json_object_foreach(tags, tag, value) {
			AUTO_FREE char *full = NULL;
			if (asprintf(&full, "%.300s:%.130s", name, tag) < 0)
				full = NULL;
			buf_printf(&names, "%s%.100s", count++ ? ", " : "", full ? full : "");
			if (wanted == NULL || (full != NULL && same_name(full, wanted)))
				found = json_string_value(value) ? json_string_value(value) : "";
		}
	}
	if (rc == 0 && (found == NULL || (wanted == NULL && count > 1)))
		rc = refuse_name(wanted, &names, err);
	if (rc == 0)
		rc = take_id(found, id, err);
	json_decref(root);
	return rc;
}

int manifest_layer_parent(const void *bytes, size_t len, char parent[MANIFEST_LAYER_ID_SIZE],
			  struct err *err)
{
	json_error_t where;
	json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &where);
	const json_t *value = json_object_get(root, "parent");
	int rc = json_is_object(root) ? 0 : err_set(err, EBADMSG, "it is no object");
	parent[0] = '\0';
	if (rc == 0 && value != NULL && !json_is_null(value) &&
	    !(json_is_string(value) && json_string_length(value) == 0))
		rc = take_id(json_string_value(value), parent, err);
	json_decref(root);
	return rc;
}

/* -- Shifter --------------------------------------------------------------------------- */

static void add_line(json_t *config, const char *line)
{
	static const struct {
		const char *word, *key;
	} lists[] = {{"ENTRY: ", "Entrypoint"}, {"CMD: ", "Cmd"}};
	if (strncmp(line, "ENV: ", 5) == 0) {
		json_t *list = json_object_get(config, "Env");
		json_array_append_new(list, json_string(line + 5));
	}
	if (strncmp(line, "WORKDIR: ", 9) == 0)
		json_object_set_new(config, "WorkingDir", json_string(line + 9));
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(lists[i].word);
		json_t *value = strncmp(line, lists[i].word, len) == 0
					? json_loads(line + len, JSON_DECODE_ANY, NULL) : NULL;
		if (json_is_array(value))
			json_object_set(config, lists[i].key, value);
		json_decref(value);
	}
}

int manifest_shifter_config_new(const char *text, char **config, struct err *err)
{
	AUTO_FREE char *copy = strdup(text);
	json_t *inner = json_pack("{s:[]}", "Env"), *root = json_pack("{s:o}", "config", inner);
	char *rest = NULL;
	if (copy == NULL || root == NULL) {
		json_decref(root);
		return err_errno(err, ENOMEM, "meta");
	}
	for (char *line = strtok_r(copy, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		add_line(inner, line);
	*config = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return *config ? 0 : err_errno(err, ENOMEM, "meta");
}
