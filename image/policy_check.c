/*
 * policy_check.c - policies read and applied (policy_check.h).
 *
 * Flow of a signature in a registry: manifest of the tag → its blobs, small ones → image/sign.  What
 * the registry says is believed of nothing but where to look: each blob is compared with its
 * digest by registry.c, and what it signs with the image's.
 */
#include "image/policy_check.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "image/config.h"
#include "image/digest.h"
#include "image/sign.h"

enum { SIGNATURES_MAX = 64, SIGNATURE_BYTES_MAX = 1 << 20 };

static const char cosign_signature[] = "dev.cosignproject.cosign/signature";
static const char bundle_type[] = "application/vnd.dev.sigstore.bundle";

/* -- files -------------------------------------------------------------- */

/* A whole small file; -ENOENT leaves err untouched. */
static int slurp(const char *path, size_t max, struct buf *out, struct err *err)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ENOENT : err_errno(err, errno, "%s", path);
	for (;;) {
		char *room = buf_reserve(out, 4096);
		ssize_t got = room ? read(fd, room, 4096) : -1;
		if (!room)
			return err_set(err, ENOMEM, "%s: no memory", path);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "%s", path);
		if (got == 0)
			return 0;
		out->len += (size_t)got;
		if (out->len > max)
			return err_set(err, EFBIG, "%s: more than %zu bytes", path, max);
	}
}

int policies_load(const char *site, struct policies *policies, struct err *err)
{
	*policies = (struct policies){.path = {strdup(site ? site : POLICY_SITE_FILE), policy_user_file_new()}};
	for (size_t i = 0; i < POLICY_FILES; i++) {
		AUTO_BUF struct buf text = {0};
		const char *path = policies->path[i];
		int rc = path ? slurp(path, POLICY_BYTES_MAX, &text, err) : err_set(err, ENOMEM, "policy");
		if (rc == -ENOENT)
			continue;
		if (rc == 0) {
			rc = policy_parse(text.data, text.len, &policies->policy[i], err);
			if (rc < 0)
				err_prefix(err, "%s", path);
		}
		if (rc < 0) {
			policies_free(policies);
			return rc;
		}
	}
	return 0;
}

void policies_free(struct policies *policies)
{
	for (size_t i = 0; i < POLICY_FILES; i++) {
		policy_free(&policies->policy[i]);
		free(policies->path[i]);
	}
	*policies = (struct policies){0};
}

int policies_allow(const struct policies *policies, const char *reference, bool *wants_signature,
		   struct err *err)
{
	if (wants_signature)
		*wants_signature = false;
	for (size_t i = 0; i < POLICY_FILES; i++) {
		if (!policies->policy[i])
			continue;
		struct policy_verdict verdict = policy_decide(policies->policy[i], reference);
		if (!verdict.allowed)
			return err_set(err, EKEYREJECTED, "the policy %s does not allow %s%s%s", policies->path[i],
				       reference, verdict.why ? ": " : "", verdict.why ? verdict.why : "");
		if (wants_signature && verdict.keys[0])
			*wants_signature = true;
	}
	return 0;
}

/* -- signatures --------------------------------------------------------- */

/* One signature, of whatever form, found somewhere. */
struct found {
	char digest[DIGEST_TEXT_SIZE];  /* of the image that it should be of */
	struct buf bytes;               /* payload or bundle */
	char *signature;                /* beside a payload; NULL: a bundle */
};

struct finds {
	struct found list[SIGNATURES_MAX];
	size_t count;
};

static void finds_free(struct finds **finds)
{
	for (size_t i = 0; *finds && i < (*finds)->count; i++) {
		buf_free(&(*finds)->list[i].bytes);
		free((*finds)->list[i].signature);
	}
	free(*finds);
}

static bool blob_of(const json_t *object, struct manifest_blob *blob)
{
	const char *digest = json_string_value(json_object_get(object, "digest"));
	json_int_t size = json_integer_value(json_object_get(object, "size"));
	if (!digest || !digest_is_valid(digest) || size <= 0 || size > SIGNATURE_BYTES_MAX)
		return false;
	*blob = (struct manifest_blob){.size = (uint64_t)size};
	snprintf(blob->digest, sizeof blob->digest, "%s", digest);
	return true;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* The blobs of a manifest of signatures. */
static int take_layers(struct registry *registry, const json_t *manifest, const char *digest,
		       struct finds *finds, struct err *err)
{
	const json_t *layers = json_object_get(manifest, "layers");
	for (size_t i = 0; i < json_array_size(layers) && finds->count < SIGNATURES_MAX; i++) {
		const json_t *layer = json_array_get(layers, i);
		const char *signature = text_of(json_object_get(layer, "annotations"), cosign_signature);
		bool is_bundle = strncmp(text_of(layer, "mediaType"), bundle_type, sizeof bundle_type - 1) == 0;
		struct manifest_blob blob;
		if ((!*signature && !is_bundle) || !blob_of(layer, &blob))
			continue;
		struct found *found = &finds->list[finds->count++];
		snprintf(found->digest, sizeof found->digest, "%s", digest);
		if (!is_bundle && !(found->signature = strdup(signature)))
			return err_set(err, ENOMEM, "no memory for a signature");
		int rc = registry_blob(registry, &blob, SIGNATURE_BYTES_MAX, &found->bytes, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int load_json(struct registry *registry, const char *reference, json_t **root, struct err *err)
{
	AUTO_BUF struct buf bytes = {0};
	char digest[DIGEST_TEXT_SIZE];
	int rc = registry_manifest(registry, reference, &bytes, digest, err);
	if (rc < 0)
		return rc;
	*root = json_loadb(bytes.data, bytes.len, 0, NULL);
	return *root ? 0 : err_set(err, EBADMSG, "the manifest of signatures is not JSON");
}

/* Under sha256-HEX an index lists what refers to the image, bundles among it. */
static int take_index(struct registry *registry, const json_t *index, const char *digest,
		      struct finds *finds, struct err *err)
{
	const json_t *entries = json_object_get(index, "manifests");
	for (size_t i = 0; i < json_array_size(entries) && i < SIGNATURES_MAX; i++) {
		const json_t *entry = json_array_get(entries, i);
		struct manifest_blob blob;
		json_t *manifest = NULL;
		if (strncmp(text_of(entry, "artifactType"), bundle_type, sizeof bundle_type - 1) != 0 ||
		    !blob_of(entry, &blob))
			continue;
		int rc = load_json(registry, blob.digest, &manifest, err);
		if (rc == 0)
			rc = take_layers(registry, manifest, digest, finds, err);
		json_decref(manifest);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* All that the repository has for one digest. */
static int find_signatures(struct registry *registry, const char *digest, struct finds *finds,
			   struct err *err)
{
	static const char *const suffixes[] = {".sig", ""};
	for (size_t i = 0; i < 2; i++) {
		char tag[DIGEST_TEXT_SIZE + 8];
		json_t *root = NULL;
		struct err missing = ERR_NONE;
		snprintf(tag, sizeof tag, "%s%s", digest, suffixes[i]);
		*strchr(tag, ':') = '-';
		int rc = load_json(registry, tag, &root, &missing);
		if (rc == -ENOENT)
			continue;
		if (rc < 0)
			*err = missing;
		else
			rc = i == 0 ? take_layers(registry, root, digest, finds, err)
				    : take_index(registry, root, digest, finds, err);
		json_decref(root);
		if (rc < 0)
			return err_prefix(err, "signatures");
	}
	return 0;
}

/* Does one of the keys hold for one of the finds?  *last says why the last one did not. */
static int check_finds(const char *const *keys, const struct finds *finds, struct err *last)
{
	int rc = err_set(last, EKEYREJECTED, "it has no signature");
	for (; rc < 0 && *keys; keys++) {
		AUTO_CALL(sign_key_free) struct sign_key *key = NULL;
		rc = sign_key_open(*keys, &key, last);
		if (rc < 0)
			return rc;  /* a key that is missing is the site's mistake, not the image's */
		rc = finds->count ? 0 : err_set(last, EKEYREJECTED, "it has no signature");
		for (size_t i = 0; i < finds->count; i++) {
			const struct found *found = &finds->list[i];
			rc = found->signature
				     ? sign_check_payload(key, found->bytes.data, found->bytes.len,
							  found->signature, found->digest, last)
				     : sign_check_bundle(key, found->bytes.data, found->bytes.len,
							 found->digest, last);
			if (rc == 0)
				break;
		}
	}
	return rc;
}

static int refuse_unsigned(const struct policies *policies, size_t i, const char *reference,
			   struct err *err)
{
	struct err why = *err;
	return err_set(err, EKEYREJECTED, "the policy %s wants a signature of %s: %s", policies->path[i],
		       reference, why.text);
}

int policies_check_registry(const struct policies *policies, const char *reference,
			    struct registry *registry, const char *const *digests, size_t count,
			    struct err *err)
{
	bool wanted;
	int rc = policies_allow(policies, reference, &wanted, err);
	if (rc < 0 || !wanted)
		return rc;
	AUTO_CALL(finds_free) struct finds *finds = calloc(1, sizeof *finds);
	if (!finds)
		return err_set(err, ENOMEM, "no memory for signatures");
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (i == 0 || strcmp(digests[i], digests[0]) != 0)
			rc = find_signatures(registry, digests[i], finds, err);
	for (size_t i = 0; rc == 0 && i < POLICY_FILES; i++) {
		if (!policies->policy[i])
			continue;
		struct policy_verdict verdict = policy_decide(policies->policy[i], reference);
		if (verdict.keys[0] && check_finds(verdict.keys, finds, err) < 0)
			rc = refuse_unsigned(policies, i, reference, err);
	}
	return rc;
}

static int check_file_keys(const char *const *keys, const struct image_file *file, const struct buf *text,
			   struct err *err)
{
	int rc = -EKEYREJECTED;
	for (; rc < 0 && *keys; keys++) {
		AUTO_CALL(sign_key_free) struct sign_key *key = NULL;
		rc = sign_key_open(*keys, &key, err);
		if (rc == 0)
			rc = sign_check_file(key, file, text->data, text->len, err);
	}
	return rc;
}

/* A tail with a root hash is what was signed, if there is one: image/sign.c. */
static bool has_root(const struct image_file *file)
{
	struct image_config config;
	struct err err;
	bool has = image_config_read(file, &config, &err) == 0 && config.tail.hash_at != 0;
	image_config_free(&config);
	return has;
}

int policies_check_file(const struct policies *policies, const char *path,
			const struct image_file *file, bool *root_only, struct err *err)
{
	AUTO_FREE char *reference = NULL, *beside = NULL;
	AUTO_BUF struct buf text = {0};
	bool wanted;
	*root_only = false;
	if (asprintf(&reference, "file:%s", path) < 0)
		reference = NULL;
	if (asprintf(&beside, "%s.sig", path) < 0)
		beside = NULL;
	if (!reference || !beside)
		return err_set(err, ENOMEM, "no memory for a path");
	int rc = policies_allow(policies, reference, &wanted, err);
	if (rc < 0 || !wanted)
		return rc;
	for (size_t i = 0; i < POLICY_FILES; i++) {
		if (!policies->policy[i])
			continue;
		struct policy_verdict verdict = policy_decide(policies->policy[i], reference);
		if (!verdict.keys[0])
			continue;
		rc = text.len ? 0 : slurp(beside, SIGNATURE_BYTES_MAX, &text, err);
		if (rc == -ENOENT)
			err_set(err, ENOENT, "there is no %s", beside);
		if (rc == 0)
			rc = check_file_keys(verdict.keys, file, &text, err);
		if (rc < 0)
			return refuse_unsigned(policies, i, reference, err);
	}
	*root_only = has_root(file);
	return 0;
}
