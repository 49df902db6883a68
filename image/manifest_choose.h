/*
 * manifest_choose.h - which entry of an index is for this machine; which tags are near a wrong one.
 *
 * Pure.
 */
#ifndef IMAGE_MANIFEST_CHOOSE_H
#define IMAGE_MANIFEST_CHOOSE_H

#include "image/manifest_json.h"

/* "linux/amd64", "linux/arm64/v8". -EINVAL with the form. */
int manifest_platform_parse(const char *text, struct manifest_platform *platform, struct err *err);

/* From what uname(2) calls the machine: "x86_64" is linux/amd64. */
void manifest_platform_of_machine(const char *machine, struct manifest_platform *platform);

void manifest_platform_format(const struct manifest_platform *platform, struct buf *out);

/* Does an image for `is` run where `wanted` is asked for?  0: no, else the larger the better:
 * the same variant, then none, then v1 upwards.  arm64 and arm64/v8 are the same. */
int manifest_platform_fit(const struct manifest_platform *wanted, const struct manifest_platform *is);

/* The best image in the index, nested indexes apart (they are looked into by the caller when
 * nothing fits here). -ENOENT with a list of the platforms that there are. */
int manifest_choose(const struct manifest *index, const struct manifest_platform *wanted,
		    size_t *chosen, struct err *err);

/* Puts up to eight of `tags` that look like `wanted` into `out`, "1.2, 1.2.1", best first. */
void manifest_near_tags(char *const *tags, size_t count, const char *wanted, struct buf *out);

#endif
