/*
 * image_ref.h - what the user wrote after --image.
 *
 * Pure.  A squashfs file runs as it is: a plain path, or sqsh:PATH, squashfs:PATH; so does a SIF
 * file, which has one inside.  Every other kind has to be made into one first: `cmpi image pull` (image/pull.h).
 */
#ifndef IMAGE_IMAGE_REF_H
#define IMAGE_IMAGE_REF_H

#include <stdbool.h>

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
	IMAGE_KIND_SHIFTER,    /* ID.squashfs with ID.meta beside it */
	IMAGE_KIND_DIRECTORY,  /* by a trailing slash; else image_file_open tells */
};

struct image_ref {
	enum image_kind kind;
	char *location;  /* path, or what follows the scheme; owned */
};

/* -EINVAL: empty, or a scheme nobody knows. */
int image_ref_parse(const char *text, struct image_ref *ref, struct err *err);

/* Is it more than a squashfs or SIF file, which runs as it is? */
bool image_ref_needs_pull(const struct image_ref *ref);

/* "OCI layout", for people; "oci", in front of the colon. */
const char *image_kind_name(enum image_kind kind);
const char *image_kind_scheme(enum image_kind kind);
void image_ref_free(struct image_ref *ref);

#endif
