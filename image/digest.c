/*
 * digest.c - digest texts and the hashes behind them (digest.h), by libcrypto, which uses the
 * CPU's instructions for SHA-256.
 */
#include "image/digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

static const struct algorithm {
	const char *name;  /* with the colon */
	size_t digits;
	const EVP_MD *(*function)(void);
} algorithms[] = {
	{"sha256:", 64, EVP_sha256},
	{"sha512:", 128, EVP_sha512},
};

static const struct algorithm *algorithm_of(const char *text)
{
	for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++)
		if (strncmp(text, algorithms[i].name, strlen(algorithms[i].name)) == 0)
			return &algorithms[i];
	return NULL;
}

bool digest_is_valid(const char *text)
{
	const struct algorithm *algorithm = algorithm_of(text);
	if (algorithm == NULL)
		return false;
	const char *hex = text + strlen(algorithm->name);
	return strspn(hex, "0123456789abcdef") == algorithm->digits && hex[algorithm->digits] == '\0';
}

int digest_copy(char to[DIGEST_TEXT_SIZE], const char *text, struct err *err)
{
	if (!digest_is_valid(text))
		return err_set(err, EINVAL, "\"%.80s\" is not a digest (sha256: and 64 hexadecimal digits)",
			       text);
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

const char *digest_hex(const char *text)
{
	return strchr(text, ':') + 1;
}

struct digest_hash {
	EVP_MD_CTX *context;
	const struct algorithm *algorithm;
};

int digest_hash_new(const char *like, struct digest_hash **hash, struct err *err)
{
	struct digest_hash *made = calloc(1, sizeof *made);
	if (made == NULL)
		return err_errno(err, ENOMEM, "hash");
	made->algorithm = like ? algorithm_of(like) : &algorithms[0];
	made->context = EVP_MD_CTX_new();
	if (made->algorithm == NULL || made->context == NULL ||
	    EVP_DigestInit_ex(made->context, made->algorithm->function(), NULL) != 1) {
		digest_hash_free(&made);
		return err_set(err, ENOTSUP, "libcrypto has no hash for %.20s", like ? like : "sha256");
	}
	*hash = made;
	return 0;
}

void digest_hash_add(struct digest_hash *hash, const void *bytes, size_t len)
{
	EVP_DigestUpdate(hash->context, bytes, len);
}

void digest_hash_end(struct digest_hash *hash, char text[DIGEST_TEXT_SIZE])
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	EVP_DigestFinal_ex(hash->context, bytes, &len);
	char *at = text + snprintf(text, DIGEST_TEXT_SIZE, "%s", hash->algorithm->name);
	for (unsigned int i = 0; i < len; i++)
		at += sprintf(at, "%02x", bytes[i]);
}

void digest_hash_free(struct digest_hash **hash)
{
	if (*hash == NULL)
		return;
	EVP_MD_CTX_free((*hash)->context);
	free(*hash);
	*hash = NULL;
}

int digest_of(const void *bytes, size_t len, const char *like, char text[DIGEST_TEXT_SIZE],
	      struct err *err)
{
	AUTO_DIGEST_HASH struct digest_hash *hash = NULL;
	int rc = digest_hash_new(like, &hash, err);
	if (rc < 0)
		return rc;
	digest_hash_add(hash, bytes, len);
	digest_hash_end(hash, text);
	return 0;
}

int digest_of_file(int fd, const char *like, char text[DIGEST_TEXT_SIZE], uint64_t *size,
		   struct err *err)
{
	enum { PIECE = 1 << 20 };
	AUTO_DIGEST_HASH struct digest_hash *hash = NULL;
	AUTO_FREE char *piece = malloc(PIECE);
	if (piece == NULL)
		return err_errno(err, ENOMEM, "hash");
	int rc = digest_hash_new(like, &hash, err);
	if (rc < 0)
		return rc;
	uint64_t at = 0;
	ssize_t got;
	while ((got = pread(fd, piece, PIECE, (off_t)at)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "read");
		digest_hash_add(hash, piece, (size_t)got);
		at += (uint64_t)got;
	}
	digest_hash_end(hash, text);
	*size = at;
	return 0;
}
