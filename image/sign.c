/*
 * sign.c - signatures by OpenSSL (sign.h).
 *
 * Invariant: what is believed is read from the bytes that the signature covers, after it held,
 * never from what stands beside them.
 */
#include "image/sign.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "image/config.h"
#include "image/signature_json.h"

enum { READ = 1 << 20, BASE64_MAX = 1 << 20 };

struct sign_key {
	EVP_PKEY *pkey;
};

/* -- keys --------------------------------------------------------------- */

static int key_open(const char *path, EVP_PKEY *read(FILE *, EVP_PKEY **, pem_password_cb *, void *),
		    struct sign_key **out, struct err *err)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return err_errno(err, errno, "key %s", path);
	struct sign_key *key = calloc(1, sizeof *key);
	if (key)
		key->pkey = read(file, NULL, NULL, (char *)"");  /* no prompt for a password */
	fclose(file);
	if (key && key->pkey) {
		*out = key;
		return 0;
	}
	free(key);
	return err_set(err, EINVAL, "key %s: not a PEM key without password (ECDSA, RSA or Ed25519)", path);
}

int sign_key_open(const char *path, struct sign_key **key, struct err *err)
{
	return key_open(path, PEM_read_PUBKEY, key, err);
}

int sign_key_open_private(const char *path, struct sign_key **key, struct err *err)
{
	return key_open(path, PEM_read_PrivateKey, key, err);
}

void sign_key_free(struct sign_key **key)
{
	if (*key)
		EVP_PKEY_free((*key)->pkey);
	free(*key);
	*key = NULL;
}

/* Ed25519 hashes by itself. */
static const EVP_MD *hash_of(const struct sign_key *key)
{
	int id = EVP_PKEY_get_base_id(key->pkey);
	return id == EVP_PKEY_ED25519 || id == EVP_PKEY_ED448 ? NULL : EVP_sha256();
}

/* -- base64 ------------------------------------------------------------- */

/* Standard alphabet with padding; blanks and newlines are skipped.  Appends to *out. */
static int base64_decode(const char *text, size_t len, struct buf *out)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned count = 0, padding = 0;
	if (len > BASE64_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (strchr(" \t\r\n", text[i]) && text[i])
			continue;
		const char *at = text[i] ? strchr(alphabet, text[i]) : NULL;
		if (text[i] == '=') {
			if (++padding > 2)
				return -EBADMSG;
			continue;
		}
		if (!at || padding)
			return -EBADMSG;
		bits = bits << 6 | (uint32_t)(at - alphabet);
		if (++count % 4 == 0) {
			buf_add_u8(out, (uint8_t)(bits >> 16));
			buf_add_u8(out, (uint8_t)(bits >> 8));
			buf_add_u8(out, (uint8_t)bits);
		}
	}
	if (count % 4 == 1 || (padding && (count + padding) % 4))
		return -EBADMSG;
	if (count % 4 >= 2)
		buf_add_u8(out, (uint8_t)(bits >> (count % 4 == 2 ? 4 : 10)));
	if (count % 4 == 3)
		buf_add_u8(out, (uint8_t)(bits >> 2));
	return out->failed ? -ENOMEM : 0;
}

/* -- one signature ------------------------------------------------------ */

static int verify(const struct sign_key *key, const void *bytes, size_t len, const char *signature,
		  size_t signature_len, struct err *err)
{
	AUTO_BUF struct buf raw = {0};
	int rc = base64_decode(signature, signature_len, &raw);
	if (rc < 0 || raw.len == 0)
		return err_set(err, EBADMSG, "the signature is not base64");
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool holds = context && EVP_DigestVerifyInit(context, NULL, hash_of(key), NULL, key->pkey) == 1 &&
		     EVP_DigestVerify(context, (unsigned char *)raw.data, raw.len, bytes, len) == 1;
	EVP_MD_CTX_free(context);
	return holds ? 0 : err_set(err, EKEYREJECTED, "the signature is not of this key, or of other bytes");
}

/* Members by a path like "critical/image/docker-manifest-digest". */
static const json_t *member(const json_t *root, const char *path)
{
	char name[64];
	while (root && *path) {
		size_t len = strcspn(path, "/");
		snprintf(name, sizeof name, "%.*s", (int)len, path);
		root = json_object_get(root, name);
		path += len + (path[len] == '/');
	}
	return root;
}

static const char *member_text(const json_t *root, const char *path)
{
	const char *text = json_string_value(member(root, path));
	return text ? text : "";
}

int sign_check_payload(const struct sign_key *key, const char *payload, size_t len,
		       const char *signature, const char *digest, struct err *err)
{
	int rc = verify(key, payload, len, signature, strlen(signature), err);
	if (rc < 0)
		return rc;
	json_t *root = json_loadb(payload, len, 0, NULL);
	if (strcmp(member_text(root, "critical/type"), "cosign container image signature") != 0)
		rc = err_set(err, EBADMSG, "what was signed is not an image");
	else if (strcmp(member_text(root, "critical/image/docker-manifest-digest"), digest) != 0)
		rc = err_set(err, EKEYREJECTED, "the signature is of another image, %.80s",
			     member_text(root, "critical/image/docker-manifest-digest"));
	json_decref(root);
	return rc;
}

/* -- bundles ------------------------------------------------------------ */

/* Does an in-toto statement name the digest, and say no more of it than "signed"?  The same key may
 * also have signed what a scanner found, and that speaks against the image. */
static int check_statement(const char *bytes, size_t len, const char *digest, struct err *err)
{
	json_t *root = json_loadb(bytes, len, 0, NULL);
	const json_t *subjects = member(root, "subject");
	bool is_signature = strcmp(member_text(root, "predicateType"), SIGNATURE_PREDICATE) == 0;
	int rc = err_set(err, EKEYREJECTED, is_signature ? "the signature is of another image"
							 : "the bundle is a statement about it, no signature");
	for (size_t i = 0; is_signature && i < json_array_size(subjects) && strncmp(digest, "sha256:", 7) == 0; i++)
		if (strcmp(member_text(json_array_get(subjects, i), "digest/sha256"), digest + 7) == 0)
			rc = 0;
	json_decref(root);
	return rc;
}

/* DSSE: the signature covers the type and the payload, with their lengths. */
static int check_envelope(const struct sign_key *key, const json_t *envelope, const char *digest,
			  struct err *err)
{
	AUTO_BUF struct buf payload = {0}, signed_bytes = {0};
	const char *text = member_text(envelope, "payload"), *type = member_text(envelope, "payloadType");
	const json_t *signatures = member(envelope, "signatures");
	if (strcmp(type, "application/vnd.in-toto+json") != 0 ||
	    base64_decode(text, strlen(text), &payload) < 0)
		return err_set(err, EBADMSG, "the bundle's envelope holds no in-toto statement");
	buf_printf(&signed_bytes, "DSSEv1 %zu %s %zu ", strlen(type), type, payload.len);
	buf_add(&signed_bytes, payload.data, payload.len);
	if (signed_bytes.failed)
		return err_set(err, ENOMEM, "no memory for a signature");
	int rc = err_set(err, EKEYREJECTED, "the bundle has no signature");
	for (size_t i = 0; rc < 0 && i < json_array_size(signatures) && i < 16; i++) {
		const char *signature = member_text(json_array_get(signatures, i), "sig");
		rc = verify(key, signed_bytes.data, signed_bytes.len, signature, strlen(signature), err);
	}
	return rc < 0 ? rc : check_statement(payload.data, payload.len, digest, err);
}

static json_t *bundle_load(const char *bundle, size_t len, struct err *err)
{
	json_t *root = json_loadb(bundle, len, 0, NULL);
	static const char prefix[] = "application/vnd.dev.sigstore.bundle";
	if (strncmp(member_text(root, "mediaType"), prefix, sizeof prefix - 1) == 0)
		return root;
	json_decref(root);
	err_set(err, EBADMSG, "not a sigstore bundle");
	return NULL;
}

int sign_check_bundle(const struct sign_key *key, const char *bundle, size_t len, const char *digest,
		      struct err *err)
{
	json_t *root = bundle_load(bundle, len, err);
	if (!root)
		return -EBADMSG;
	const json_t *envelope = member(root, "dsseEnvelope");
	int rc = envelope ? check_envelope(key, envelope, digest, err)
			  : err_set(err, EBADMSG, "the bundle signs bytes, not an image");
	json_decref(root);
	return rc;
}

/* -- files -------------------------------------------------------------- */

/* 1: the file has a tail of ours, here it is; 0: it has none. */
static int read_tail(const struct image_file *file, uint8_t tail[TAIL_SIZE], struct err *err)
{
	struct config_tail parsed;
	/* Who runs a part of a file looks at no tail of it (image_config_read). */
	if (file->at > 0 || !config_tail_possible(file->size, file->super.bytes_used))
		return 0;
	if (pread(file->fd, tail, TAIL_SIZE, (off_t)(file->size - TAIL_SIZE)) != TAIL_SIZE)
		return err_set(err, EIO, "read the image");
	int rc = config_tail_parse(tail, file->size, file->super.bytes_used, &parsed, err);
	if (rc == 0 && parsed.hash_at == 0)
		return 0;  /* it names no digest of the squashfs */
	return rc == -ENOENT ? 0 : rc < 0 ? rc : 1;
}

/* Feeds what is signed of a file: its tail, else all of it. */
static int feed_file(const struct image_file *file, EVP_MD_CTX *context,
		     int update(EVP_MD_CTX *, const void *, size_t), struct err *err)
{
	uint8_t tail[TAIL_SIZE];
	int rc = read_tail(file, tail, err);
	if (rc != 0)
		return rc < 0 || update(context, tail, sizeof tail) ? (rc < 0 ? rc : 0)
								     : err_set(err, EIO, "OpenSSL failed");
	AUTO_FREE char *bytes = malloc(READ);
	for (uint64_t at = 0; bytes && at < file->size;) {
		size_t want = file->size - at < READ ? (size_t)(file->size - at) : READ;
		ssize_t got = pread(file->fd, bytes, want, (off_t)(file->at + at));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_errno(err, got < 0 ? errno : EIO, "read the image");
		if (!update(context, bytes, (size_t)got))
			return err_set(err, EIO, "OpenSSL failed");
		at += (uint64_t)got;
	}
	return bytes ? 0 : err_set(err, ENOMEM, "no memory for a signature");
}

/* Ed25519 signs at once, not in pieces: a whole file would have to be in memory. */
static int read_for_ed25519(const struct image_file *file, uint8_t tail[TAIL_SIZE], struct err *err)
{
	int rc = read_tail(file, tail, err);
	return rc == 0 ? err_set(err, ENOTSUP, "an Ed25519 key cannot sign a squashfs of another maker; take "
				 "an ECDSA key") : rc < 0 ? rc : 0;
}

static int update_verify(EVP_MD_CTX *context, const void *bytes, size_t len)
{
	return EVP_DigestVerifyUpdate(context, bytes, len);
}

static int update_sign(EVP_MD_CTX *context, const void *bytes, size_t len)
{
	return EVP_DigestSignUpdate(context, bytes, len);
}

static int verify_file(const struct sign_key *key, const struct image_file *file, const char *signature,
		       size_t len, struct err *err)
{
	AUTO_BUF struct buf raw = {0};
	uint8_t tail[TAIL_SIZE];
	int rc = hash_of(key) ? 0 : read_for_ed25519(file, tail, err);
	if (rc < 0)
		return rc;
	if (!hash_of(key))
		return verify(key, tail, sizeof tail, signature, len, err);
	if (base64_decode(signature, len, &raw) < 0 || raw.len == 0)
		return err_set(err, EBADMSG, "the signature is not base64");
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	if (!context || EVP_DigestVerifyInit(context, NULL, hash_of(key), NULL, key->pkey) != 1)
		rc = err_set(err, EIO, "OpenSSL failed");
	if (rc == 0)
		rc = feed_file(file, context, update_verify, err);
	if (rc == 0 && EVP_DigestVerifyFinal(context, (unsigned char *)raw.data, raw.len) != 1)
		rc = err_set(err, EKEYREJECTED, "the signature is not of this key, or the image was changed");
	EVP_MD_CTX_free(context);
	return rc;
}

int sign_check_file(const struct sign_key *key, const struct image_file *file, const char *signature,
		    size_t len, struct err *err)
{
	size_t blank = 0;
	while (blank < len && strchr(" \t\r\n", signature[blank]) && signature[blank])
		blank++;
	if (blank == len || signature[blank] != '{')
		return verify_file(key, file, signature, len, err);
	json_t *root = bundle_load(signature, len, err);
	if (!root)
		return -EBADMSG;
	const char *text = member_text(root, "messageSignature/signature");
	int rc = *text ? verify_file(key, file, text, strlen(text), err)
		       : err_set(err, EBADMSG, "the bundle does not sign bytes");
	json_decref(root);
	return rc;
}

static int sign_context(const struct sign_key *key, const struct image_file *file, EVP_MD_CTX *context,
			struct buf *raw, struct err *err)
{
	size_t len = 0;
	uint8_t tail[TAIL_SIZE];
	bool once = !hash_of(key);
	int rc = once ? read_for_ed25519(file, tail, err) : 0;
	if (rc == 0 && EVP_DigestSignInit(context, NULL, hash_of(key), NULL, key->pkey) != 1)
		rc = err_set(err, EINVAL, "OpenSSL cannot sign with this key");
	if (rc == 0 && !once)
		rc = feed_file(file, context, update_sign, err);
	if (rc < 0)
		return rc;
	if ((once ? EVP_DigestSign(context, NULL, &len, tail, sizeof tail)
		  : EVP_DigestSignFinal(context, NULL, &len)) != 1 || !buf_reserve(raw, len))
		return err_set(err, EIO, "OpenSSL cannot sign");
	unsigned char *to = (unsigned char *)raw->data;
	if ((once ? EVP_DigestSign(context, to, &len, tail, sizeof tail)
		  : EVP_DigestSignFinal(context, to, &len)) != 1)
		return err_set(err, EIO, "OpenSSL cannot sign");
	raw->len = len;
	return 0;
}

int sign_file_new(const struct sign_key *key, const struct image_file *file, char **signature,
		  struct err *err)
{
	AUTO_BUF struct buf raw = {0};
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int rc = context ? sign_context(key, file, context, &raw, err)
			 : err_set(err, ENOMEM, "no memory for a signature");
	EVP_MD_CTX_free(context);
	if (rc < 0)
		return rc;
	char *text = calloc(1, 4 * ((raw.len + 2) / 3) + 2);
	if (!text)
		return err_set(err, ENOMEM, "no memory for a signature");
	int len = EVP_EncodeBlock((unsigned char *)text, (unsigned char *)raw.data, (int)raw.len);
	text[len] = '\n';
	*signature = text;
	return 0;
}
