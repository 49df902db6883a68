/*
 * ref_docker.h - names of images in registries: [HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST].
 *
 * Pure.  Grammar and normalisation are those of Docker (github.com/distribution/reference):
 * "debian" is docker.io/library/debian:latest; the first part is a host when it has a dot, a
 * colon or an upper-case letter, or is "localhost".
 */
#ifndef IMAGE_REF_DOCKER_H
#define IMAGE_REF_DOCKER_H

#include "common/buf.h"
#include "common/err.h"
#include "image/digest.h"

enum { DOCKER_REF_NAME_MAX = 255, DOCKER_REF_TAG_MAX = 128 };

struct docker_ref {
	char registry[DOCKER_REF_NAME_MAX + 1];    /* "docker.io", "localhost:5000", "[::1]:5000" */
	char repository[DOCKER_REF_NAME_MAX + 1];  /* "library/debian" */
	char tag[DOCKER_REF_TAG_MAX + 1];          /* "latest" when neither is given; "" with a digest alone */
	char digest[DIGEST_TEXT_SIZE];             /* "": none.  With both, the digest decides */
};

/* `text` without "docker://". -EINVAL with the place and the rule. */
int docker_ref_parse(const char *text, struct docker_ref *ref, struct err *err);

/* The normal form, which docker_ref_parse() reads back. */
void docker_ref_format(const struct docker_ref *ref, struct buf *out);

#endif
