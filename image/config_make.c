/*
 * config_make.c - from the OCI config to ours (config_make.h).  Pure.
 */
#include "image/config_make.h"

#include <jansson.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "image/config.h"
#include "image/digest.h"

static void copy_members(const json_t *from, json_t *to, const char *const *keys)
{
	for (; *keys; keys++) {
		json_t *value = json_object_get(from, *keys);
		if (value && !json_is_null(value))
			json_object_set(to, *keys, value);
	}
}

static int add_digest(const char *config, size_t len, json_t *out, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = digest_of(config, len, NULL, text, err);
	if (rc == 0)
		json_object_set_new(out, "config_digest", json_string(text));
	return rc;
}

static int fill(const char *config, size_t len, json_t *out, struct err *err)
{
	static const char *const outer[] = {"architecture", "variant", "os", "created", "author", NULL};
	static const char *const inner[] = {"Env", "Entrypoint", "Cmd", "WorkingDir", "User", "Labels",
					    "ExposedPorts", "Volumes", "StopSignal", NULL};
	json_error_t where;
	if (!config)
		return 0;
	json_t *root = json_loadb(config, len, 0, &where), *kept = json_object();
	int rc = 0;
	if (!json_is_object(root)) {
		rc = err_set(err, EBADMSG, "the image's config: %s", root ? "it is not an object" : where.text);
	} else {
		copy_members(root, out, outer);
		copy_members(json_object_get(root, "config"), kept, inner);
		json_object_set(out, "config", kept);
		rc = add_digest(config, len, out, err);
	}
	json_decref(root);
	json_decref(kept);
	return rc;
}

/* What is written can be read. */
static int check(const struct buf *json, struct err *err)
{
	struct image_config config;
	if (json->failed)
		return err_set(err, ENOMEM, "no memory for the image's config");
	if (json->len > TAIL_JSON_MAX)
		return err_set(err, EFBIG, "the image's config has %zu bytes, at most %d are taken", json->len,
			       TAIL_JSON_MAX);
	int rc = image_config_parse(json->data, json->len, &config, err);
	image_config_free(&config);
	return rc;
}

int image_config_make(const char *config, size_t len, const char *reference,
		      const char *manifest_digest, struct buf *json, struct err *err)
{
	json_t *out = json_object();
	int rc = out ? fill(config, len, out, err) : err_set(err, ENOMEM, "no memory for the image's config");
	if (reference)
		json_object_set_new(out, "reference", json_string(reference));
	if (manifest_digest)
		json_object_set_new(out, "manifest_digest", json_string(manifest_digest));
	AUTO_FREE char *text = rc == 0 ? json_dumps(out, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(out);
	if (rc < 0)
		return rc;
	buf_add(json, text, text ? strlen(text) : 0);
	json->failed = json->failed || !text;
	return check(json, err);
}
