/*
 * signature_json.c - indexes and manifests of signatures, read with jansson (signature_json.h).
 *
 * Names as cosign writes them.  A registry, or a client that kept the index under the tag, may have
 * left an entry without artifactType, or have taken the config's type for it: such manifests are
 * looked into.  An entry that says by its annotation that it is another kind of statement is not.
 */
#include "image/signature_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char bundle_type[] = "application/vnd.dev.sigstore.bundle";
static const char cosign_signature[] = "dev.cosignproject.cosign/signature";
static const char bundle_predicate[] = "dev.sigstore.bundle.predicateType";

/* Beside bundles (whose type ends with their version). */
static const char *const artifact_types[] = {
	"",
	"application/vnd.oci.empty.v1+json",
	"application/vnd.dev.cosign.artifact.sig.v1+json",  /* cosign's payloads as a referrer */
	NULL,
};

static json_t *load(const void *bytes, size_t len, struct err *err)
{
	json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(root)) {
		json_decref(root);
		root = NULL;
		err_set(err, EBADMSG, "a manifest of signatures is not a JSON object");
	}
	return root;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static bool is_bundle(const char *type)
{
	return strncmp(type, bundle_type, sizeof bundle_type - 1) == 0;
}

static bool take_blob(const json_t *object, uint64_t most, struct manifest_blob *blob)
{
	json_int_t size = json_integer_value(json_object_get(object, "size"));
	*blob = (struct manifest_blob){0};
	if (size <= 0 || (uint64_t)size > most || digest_copy(blob->digest, text_of(object, "digest"), NULL) < 0)
		return false;
	blob->size = (uint64_t)size;
	snprintf(blob->media_type, sizeof blob->media_type, "%s", text_of(object, "mediaType"));
	return true;
}

static bool may_be_signature(const json_t *entry)
{
	const char *type = text_of(entry, "artifactType");
	const char *predicate = text_of(json_object_get(entry, "annotations"), bundle_predicate);
	if (is_bundle(type))
		return *predicate == '\0' || strcmp(predicate, SIGNATURE_PREDICATE) == 0;
	for (size_t i = 0; artifact_types[i]; i++)
		if (strcmp(type, artifact_types[i]) == 0)
			return true;
	return false;
}

int signature_index_parse(const void *bytes, size_t len, struct manifest_blob list[SIGNATURES_MAX],
			  size_t *count, struct err *err)
{
	json_t *root = load(bytes, len, err);
	if (!root)
		return -EBADMSG;
	const json_t *entries = json_object_get(root, "manifests");
	for (size_t i = 0; i < json_array_size(entries) && *count < SIGNATURES_MAX; i++) {
		const json_t *entry = json_array_get(entries, i);
		if (may_be_signature(entry) && take_blob(entry, MANIFEST_BYTES_MAX, &list[*count]))
			++*count;
	}
	json_decref(root);
	return 0;
}

int signature_manifest_parse(const void *bytes, size_t len, struct signature_blobs *blobs,
			     struct err *err)
{
	json_t *root = load(bytes, len, err);
	if (!root)
		return -EBADMSG;
	const json_t *layers = json_object_get(root, "layers");
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < json_array_size(layers) && blobs->count < SIGNATURES_MAX; i++) {
		const json_t *layer = json_array_get(layers, i);
		const char *signature = text_of(json_object_get(layer, "annotations"), cosign_signature);
		struct signature_blob found = {0};
		bool is_payload = *signature && !is_bundle(text_of(layer, "mediaType"));
		if ((!is_payload && !is_bundle(text_of(layer, "mediaType"))) || !take_blob(layer, SIGNATURE_BYTES_MAX, &found.blob))
			continue;
		if (is_payload && !(found.signature = strdup(signature)))
			rc = err_set(err, ENOMEM, "no memory for a signature");
		else
			blobs->list[blobs->count++] = found;
	}
	json_decref(root);
	return rc;
}

void signature_blobs_free(struct signature_blobs *blobs)
{
	for (size_t i = 0; i < blobs->count; i++)
		free(blobs->list[i].signature);
	blobs->count = 0;
}
