/*
 * sidecar_file.h - where sidecars lie: IMAGE.cmpi beside the image, or, where nobody may write
 * there, in the user's cache.
 *
 * The cache is $XDG_CACHE_HOME/cmpirun/sidecar, else ~/.cache/cmpirun/sidecar; the name there is
 * XXH3-128 of the image's path, in hexadecimal digits.
 */
#ifndef BCAST_SIDECAR_FILE_H
#define BCAST_SIDECAR_FILE_H

#include "bcast/sidecar.h"
#include "common/err.h"

/* The sidecar of the image at `path`, which is open as image_fd.  -ENOENT: there is none that fits
 * the file as it is now (none at all, a stale one, a damaged one, one of somebody who is neither
 * us, root nor the image's owner); never an error to end for.  Reads nothing of the image. */
int sidecar_load(const char *path, int image_fd, struct sidecar *sidecar, struct err *err);

/* Replaces it, beside the image if possible; whole or not at all.  Nobody depends on it, so a
 * failure is worth a note at most. */
int sidecar_store(const char *path, const struct sidecar *sidecar, struct err *err);

/* Reads and hashes the whole image that is open as image_fd (from its start; the offset of the
 * descriptor does not matter): fills in hashes and digest.  -ESTALE: it was changed meanwhile. */
int sidecar_index(int image_fd, uint32_t chunk_size, struct sidecar *sidecar, struct err *err);

/* The text for a chunk that was read and has another hash than the sidecar knows. */
int sidecar_refuse(const struct sidecar *sidecar, const char *path, uint64_t chunk,
		   struct err *err);

#endif
