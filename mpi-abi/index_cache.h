/*
 * index_cache.h - the index of an image in a file, so that it is made once.
 *
 * Read from IMAGE.abi beside the image (made by `cmpi abi index`), else from
 * $XDG_CACHE_HOME/cmpirun/abi/KEY.abi (~/.cache), where it is written after the first walk.  The
 * file names the size, the modification time and the superblock of the image that it was made of;
 * for any other image it does not exist.  Beside an image it must belong to the image's owner, to root or
 * to the caller.
 */
#ifndef MPI_ABI_INDEX_CACHE_H
#define MPI_ABI_INDEX_CACHE_H

#include "image/image_file.h"
#include "mpi-abi/image_index.h"

enum index_origin { INDEX_MADE, INDEX_BESIDE, INDEX_CACHED };

/* The index of the open image, whose path is `path`.  A cache that cannot be read or written is no
 * error: then the index is made.  `cache_dir` NULL: no cache of the user's. */
int index_cache_get(const struct image_file *image, const char *path, const char *cache_dir,
		    struct image_index **index, enum index_origin *origin, struct err *err);

/* Writes it to `file`, whole or not at all. */
int index_cache_write(const struct image_file *image, const struct image_index *index,
		      const char *file, struct err *err);

/* -ENOENT without err: there is none, or it is of another image or version. */
int index_cache_read(const struct image_file *image, const char *file, struct image_index **index,
		     struct err *err);

/* The user's: from the values of XDG_CACHE_HOME and HOME (NULL: not set); NULL when there is none. */
char *index_cache_dir_new(const char *xdg_cache_home, const char *home);

#endif
