/*
 * image_ref.c - image references (image_ref.h).  Pure: no file is looked at.
 *
 * A word before ':' is a scheme only if it is in the table; so a path with a
 * colon in it stays a path, unless it looks like scheme://.
 */
#include "image/image_ref.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>

static const struct {
	const char *scheme;  /* with its colon, and "//" where it must be there */
	enum image_kind kind;
} schemes[] = {
	{"sqsh:", IMAGE_KIND_SQUASH},       {"squashfs:", IMAGE_KIND_SQUASH},
	{"sqfs:", IMAGE_KIND_SQUASH},       {"file:", IMAGE_KIND_SQUASH},
	{"docker://", IMAGE_KIND_DOCKER},   {"oci-archive:", IMAGE_KIND_OCI_ARCHIVE},
	{"oci:", IMAGE_KIND_OCI},           {"docker-archive:", IMAGE_KIND_DOCKER_ARCHIVE},
	{"tar:", IMAGE_KIND_TAR},           {"sif:", IMAGE_KIND_SIF},
	{"dir:", IMAGE_KIND_DIRECTORY},     {"aci:", IMAGE_KIND_ACI},
	{"shifter:", IMAGE_KIND_SHIFTER},
};

static const struct {
	const char *suffix;
	enum image_kind kind;
} suffixes[] = {
	{".tar", IMAGE_KIND_TAR},     {".tar.gz", IMAGE_KIND_TAR}, {".tgz", IMAGE_KIND_TAR},
	{".tar.zst", IMAGE_KIND_TAR}, {".tar.xz", IMAGE_KIND_TAR}, {".tar.bz2", IMAGE_KIND_TAR},
	{".sif", IMAGE_KIND_SIF},     {".aci", IMAGE_KIND_ACI},    {"/", IMAGE_KIND_DIRECTORY},
};

static const struct {
	const char *name, *scheme;
} kinds[] = {
	[IMAGE_KIND_SQUASH] = {"squashfs file", "squashfs"},
	[IMAGE_KIND_DOCKER] = {"image in a registry", "docker"},
	[IMAGE_KIND_OCI] = {"OCI layout", "oci"},
	[IMAGE_KIND_OCI_ARCHIVE] = {"OCI archive", "oci-archive"},
	[IMAGE_KIND_DOCKER_ARCHIVE] = {"docker archive", "docker-archive"},
	[IMAGE_KIND_TAR] = {"tar archive", "tar"},
	[IMAGE_KIND_SIF] = {"SIF image", "sif"},
	[IMAGE_KIND_ACI] = {"rkt image", "aci"},
	[IMAGE_KIND_DIRECTORY] = {"directory", "dir"},
	[IMAGE_KIND_SHIFTER] = {"Shifter image", "shifter"},
};

const char *image_kind_name(enum image_kind kind)
{
	size_t index = (size_t)kind;
	return index < sizeof kinds / sizeof *kinds ? kinds[index].name : "?";
}

const char *image_kind_scheme(enum image_kind kind)
{
	size_t index = (size_t)kind;
	return index < sizeof kinds / sizeof *kinds ? kinds[index].scheme : "?";
}

static bool ends_with(const char *text, const char *suffix)
{
	size_t len = strlen(text), tail = strlen(suffix);
	return len >= tail && strcmp(text + len - tail, suffix) == 0;
}

/* Is it "word://", whatever the word? */
static bool has_authority(const char *text)
{
	size_t len = 0;
	while (isalnum((unsigned char)text[len]) || text[len] == '+' || text[len] == '-')
		len++;
	return len > 0 && strncmp(text + len, "://", 3) == 0;
}

static int ref_set(struct image_ref *ref, enum image_kind kind, const char *location,
		   const char *text, struct err *err)
{
	if (kind == IMAGE_KIND_SQUASH && strncmp(location, "///", 3) == 0)
		location += 2;  /* file:///path */
	if (*location == '\0')
		return err_set(err, EINVAL, "image reference '%s' names nothing behind its scheme", text);
	char *copy = strdup(location);
	if (!copy)
		return err_set(err, ENOMEM, "no memory for an image reference");
	*ref = (struct image_ref){.kind = kind, .location = copy};
	return 0;
}

int image_ref_parse(const char *text, struct image_ref *ref, struct err *err)
{
	if (*text == '\0')
		return err_set(err, EINVAL, "the image reference is empty; give a squashfs file, or docker://NAME");
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t len = strlen(schemes[i].scheme);
		if (strncmp(text, schemes[i].scheme, len) == 0)
			return ref_set(ref, schemes[i].kind, text + len, text, err);
	}
	if (has_authority(text))
		return err_set(err, EINVAL, "image reference '%s' has a scheme that is not known; give a "
			       "squashfs file, or docker://NAME", text);
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
		if (ends_with(text, suffixes[i].suffix))
			return ref_set(ref, suffixes[i].kind, text, text, err);
	return ref_set(ref, IMAGE_KIND_SQUASH, text, text, err);
}

bool image_ref_needs_pull(const struct image_ref *ref)
{
	return ref->kind != IMAGE_KIND_SQUASH && ref->kind != IMAGE_KIND_SIF;
}

void image_ref_free(struct image_ref *ref)
{
	free(ref->location);
	*ref = (struct image_ref){0};
}
