/*
 * digest.h - digests as OCI writes them: "sha256:" + 64 lower-case hexadecimal digits, or
 * "sha512:" + 128.
 *
 * A digest comes from a registry and becomes a path: nothing but this exact form is ever
 * taken for one, so "../" cannot be in it.
 */
#ifndef IMAGE_DIGEST_H
#define IMAGE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "image/build.h"

/* Is it one, whole? */
bool digest_is_valid(const char *text);

/* Copies a digest that is one.  -EINVAL with `text` (cut) in the error. */
int digest_copy(char to[DIGEST_TEXT_SIZE], const char *text, struct err *err);

/* The hexadecimal digits of a valid digest, inside `text`. */
const char *digest_hex(const char *text);

/* A hash under way. */
struct digest_hash;

/* The algorithm is that of the digest `like`; NULL: sha256. */
int digest_hash_new(const char *like, struct digest_hash **hash, struct err *err);
void digest_hash_add(struct digest_hash *hash, const void *bytes, size_t len);
/* The hash cannot be added to after that. */
void digest_hash_end(struct digest_hash *hash, char text[DIGEST_TEXT_SIZE]);
void digest_hash_free(struct digest_hash **hash);
#define AUTO_DIGEST_HASH __attribute__((cleanup(digest_hash_free)))

/* Of bytes in memory, with the algorithm of `like`. */
int digest_of(const void *bytes, size_t len, const char *like, char text[DIGEST_TEXT_SIZE],
	      struct err *err);
/* Of the whole file behind fd, by pread. */
int digest_of_file(int fd, const char *like, char text[DIGEST_TEXT_SIZE], uint64_t *size,
		   struct err *err);

#endif
