/*
 * layer_tar.h - the members of a tar, as it streams by.
 *
 * Pure: bytes pushed in, members and their data out by two functions.  Formats: v7, ustar,
 * star, GNU (long names, base-256 numbers, sparse), pax (path, linkpath, size, uid, gid,
 * mtime, SCHILY.xattr.user.*, sparse 0.0, 0.1 and 1.0).  Global pax headers are skipped, as
 * Docker and umoci do.  All sizes and counts are bounded (image/layer_entry.h).
 *
 * Why not libarchive: it pulls its input, so a layer that is scanned while it is downloaded
 * would need a thread of its own; it does not tell where in the stream the data lies; and it
 * converts names by the locale, so that in the C locale a UTF-8 name of a pax header is lost.
 */
#ifndef IMAGE_LAYER_TAR_H
#define IMAGE_LAYER_TAR_H

#include "common/err.h"
#include "image/layer_entry.h"

struct layer_tar;

/* Both return 0, or -errno with *err set, which ends the parse with that value. */
struct layer_tar_sink {
	/* A member; all that *entry points to ends with the call.  hash is not set. */
	int (*entry)(void *context, const struct layer_entry *entry, struct err *err);
	/* The next bytes of its data as stored (entry->stored in all, before the next member). */
	int (*data)(void *context, const void *bytes, size_t len, struct err *err);
	void *context;
};

struct layer_tar *layer_tar_new(const struct layer_tar_sink *sink);  /* NULL: no memory */
void layer_tar_free(struct layer_tar **tar);

/* -EBADMSG: no tar, or a broken one, with the offset; -E2BIG, -EFBIG: above a cap. */
int layer_tar_feed(struct layer_tar *tar, const void *bytes, size_t len, struct err *err);
/* The stream has ended: -EBADMSG inside of a member. */
int layer_tar_end(struct layer_tar *tar, struct err *err);

#endif
