/*
 * policy_check.c - policies read and applied (policy_check.h).
 *
 * Signatures of a registry are found by signature_find.c, held against the keys by sign.c.
 */
#include "image/policy_check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "image/config.h"
#include "image/digest.h"
#include "image/sign.h"
#include "image/signature_find.h"

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

/* Does one of the keys hold for one of the finds?  *last says why the last one did not. */
static int check_finds(const char *const *keys, const struct signature_finds *finds, struct err *last)
{
	int rc = err_set(last, EKEYREJECTED, "it has no signature");
	for (; rc < 0 && *keys; keys++) {
		AUTO_CALL(sign_key_free) struct sign_key *key = NULL;
		rc = sign_key_open(*keys, &key, last);
		if (rc < 0)
			return rc;  /* a key that is missing is the site's mistake, not the image's */
		rc = finds->count ? 0 : err_set(last, EKEYREJECTED, "it has no signature");
		for (size_t i = 0; i < finds->count; i++) {
			const struct signature_find *found = &finds->list[i];
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
	AUTO_CALL(signature_finds_free) struct signature_finds *finds = calloc(1, sizeof *finds);
	if (!finds)
		return err_set(err, ENOMEM, "no memory for signatures");
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (i == 0 || strcmp(digests[i], digests[0]) != 0)
			rc = signature_find(registry, digests[i], finds, err);
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
