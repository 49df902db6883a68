/*
 * layout.h - images in files: an OCI layout as a directory or as a tar, and Docker's archives.
 *
 * A layout is a set of named members: files below a directory, or what stood in an archive
 * (possibly compressed), which are kept in memory and, above 64 KiB, in nameless files.  Names are
 * looked up, never created: nothing in an archive can write anywhere.
 */
#ifndef IMAGE_LAYOUT_H
#define IMAGE_LAYOUT_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "image/digest.h"

struct layout;

int layout_open_directory(const char *path, struct layout **layout, struct err *err);
/* `scratch_fd`: a directory with room for the members. */
int layout_open_archive(const char *path, int scratch_fd, struct layout **layout, struct err *err);
void layout_free(struct layout **layout);

/* A member of at most `most` bytes, appended. -ENOENT with its name. */
int layout_read(struct layout *layout, const char *name, size_t most, struct buf *bytes,
		struct err *err);
/* The caller's descriptor, at any offset, and the size. */
int layout_member(struct layout *layout, const char *name, int *fd, uint64_t *size, struct err *err);

/* blobs/ALGORITHM/HEX, compared with the digest. */
int layout_blob(struct layout *layout, const char *digest, size_t most, struct buf *bytes,
		struct err *err);
int layout_blob_member(struct layout *layout, const char *digest, int *fd, uint64_t *size,
		       struct err *err);

/* The digest that index.json gives to `tag`; NULL: the only one there is.  -ENOENT lists the names. */
int layout_find_tag(struct layout *layout, const char *tag, char digest[DIGEST_TEXT_SIZE],
		    struct err *err);

#endif
