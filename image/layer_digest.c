/*
 * layer_digest.c - digests of streams (layer_digest.h), by OpenSSL's EVP.
 */
#include "image/layer_digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"

struct layer_digest {
	EVP_MD_CTX *context;
	const char *name, *wanted;
};

static const struct { const char *name; const char *evp; size_t digits; } algorithms[] = {
	{"sha256", "SHA256", 64},
	{"sha512", "SHA512", 128},
};

static int algorithm_of(const char *wanted, size_t *index, struct err *err)
{
	for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
		size_t len = strlen(algorithms[i].name);
		if (strncmp(wanted, algorithms[i].name, len) != 0 || wanted[len] != ':')
			continue;
		const char *digits = wanted + len + 1;
		if (strlen(digits) != algorithms[i].digits ||
		    strspn(digits, "0123456789abcdef") != algorithms[i].digits)
			return err_set(err, EINVAL, "'%.150s' is not a digest", wanted);
		*index = i;
		return 0;
	}
	return err_set(err, ENOTSUP, "'%.150s' is not a sha256 or sha512 digest", wanted);
}

int layer_digest_new(const char *wanted, struct layer_digest **out, struct err *err)
{
	size_t index = 0;
	int rc = wanted ? algorithm_of(wanted, &index, err) : 0;
	if (rc < 0)
		return rc;
	struct layer_digest *digest = calloc(1, sizeof *digest);
	if (digest)
		digest->context = EVP_MD_CTX_new();
	const EVP_MD *md = EVP_get_digestbyname(algorithms[index].evp);
	if (!digest || !digest->context || !md || !EVP_DigestInit_ex(digest->context, md, NULL)) {
		if (digest)
			layer_digest_free(&digest);
		return err_set(err, ENOMEM, "no memory for a digest");
	}
	digest->name = algorithms[index].name;
	digest->wanted = wanted;
	*out = digest;
	return 0;
}

void layer_digest_free(struct layer_digest **digest)
{
	if (*digest)
		EVP_MD_CTX_free((*digest)->context);
	free(*digest);
	*digest = NULL;
}

int layer_digest_feed(struct layer_digest *digest, const void *bytes, size_t len, struct err *err)
{
	if (!EVP_DigestUpdate(digest->context, bytes, len))
		return err_set(err, EIO, "OpenSSL cannot make a digest");
	return 0;
}

int layer_digest_end(struct layer_digest *digest, const char *what, char out[LAYER_DIGEST_TEXT_SIZE],
		     struct err *err)
{
	unsigned char value[EVP_MAX_MD_SIZE];
	char text[LAYER_DIGEST_TEXT_SIZE];
	unsigned len = 0;
	if (!EVP_DigestFinal_ex(digest->context, value, &len) || len > 64)
		return err_set(err, EIO, "OpenSSL cannot make a digest");
	int at = snprintf(text, sizeof text, "%s:", digest->name);
	for (unsigned i = 0; i < len; i++)
		at += snprintf(text + at, sizeof text - (size_t)at, "%02x", value[i]);
	if (digest->wanted && strcmp(text, digest->wanted) != 0)
		return err_set(err, EBADMSG, "%s is %s, but %s was expected: it was damaged on the way or "
			       "at its source", what, text, digest->wanted);
	if (out)
		memcpy(out, text, sizeof text);
	return 0;
}
