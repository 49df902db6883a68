/*
 * sign.h - signatures of images, checked with a public key by OpenSSL.
 *
 * Three forms, all of one key (PEM: ECDSA, RSA, Ed25519; hash SHA-256):
 * - cosign's first: a payload (JSON, "simple signing") that names a manifest's digest, and its
 *   signature beside it, under the tag sha256-HEX.sig of the repository.
 * - the sigstore bundle: JSON with a DSSE envelope around an in-toto statement that names the
 *   digest (of "cosign sign"; those of "cosign attest" are no signatures), or with a signature of the artifact's bytes themselves ("cosign sign-blob").
 * - of a squashfs file: FILE.sig, base64, over the tail (image/config_tail.h) of a file that has
 *   one, else over the whole file, as "openssl dgst -sha256 -sign" and "cosign sign-blob" make it.
 *
 * Certificates, transparency logs and time stamps are not looked at: who is trusted is whose key
 * the policy names.
 */
#ifndef IMAGE_SIGN_H
#define IMAGE_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "image/image_file.h"

struct sign_key;

/* A PEM file.  -ENOENT, …; -EINVAL: no key that can be used. */
int sign_key_open(const char *path, struct sign_key **key, struct err *err);
int sign_key_open_private(const char *path, struct sign_key **key, struct err *err);
void sign_key_free(struct sign_key **key);

/* 0: it holds.  -EKEYREJECTED: it does not; -EBADMSG: it is no such thing.  `digest` is the
 * manifest's, "sha256:…".  Pure but for OpenSSL. */
int sign_check_payload(const struct sign_key *key, const char *payload, size_t len,
		       const char *signature, const char *digest, struct err *err);
int sign_check_bundle(const struct sign_key *key, const char *bundle, size_t len, const char *digest,
		      struct err *err);

/* `signature` is the text of FILE.sig, or a bundle of "cosign sign-blob --bundle". */
int sign_check_file(const struct sign_key *key, const struct image_file *file, const char *signature,
		    size_t len, struct err *err);
/* Base64 with a newline, the caller frees it. */
int sign_file_new(const struct sign_key *key, const struct image_file *file, char **signature,
		  struct err *err);

#endif
