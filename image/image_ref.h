/*
 * image_ref.h - what the user wrote after --image.
 *
 * Pure.  A squashfs file is the only kind that can be run today: a plain path, or
 * sqsh:PATH, squashfs:PATH.  All other kinds are recognised, so that the error
 * names the kind and the cure, not a missing file.
 */
#ifndef IMAGE_IMAGE_REF_H
#define IMAGE_IMAGE_REF_H

#include "common/err.h"

enum image_kind {
	IMAGE_KIND_SQUASH,
	IMAGE_KIND_DOCKER,
	IMAGE_KIND_OCI,
	IMAGE_KIND_OCI_ARCHIVE,
	IMAGE_KIND_DOCKER_ARCHIVE,
	IMAGE_KIND_TAR,
	IMAGE_KIND_SIF,
	IMAGE_KIND_ACI,
	IMAGE_KIND_DIRECTORY,  /* by a trailing slash; else image_file_open tells */
};

struct image_ref {
	enum image_kind kind;
	char *location;  /* path, or what follows the scheme; owned */
};

/* -EINVAL: empty, or a scheme nobody knows. */
int image_ref_parse(const char *text, struct image_ref *ref, struct err *err);

/* 0 when this version can run it, else -ENOTSUP with how to make a squashfs of it. */
int image_ref_supported(const struct image_ref *ref, struct err *err);

const char *image_kind_name(enum image_kind kind);
void image_ref_free(struct image_ref *ref);

#endif
