/*
 * store_impl.h - what the files of the store share.
 */
#ifndef IMAGE_STORE_IMPL_H
#define IMAGE_STORE_IMPL_H

#include <dirent.h>
#include <sys/stat.h>

#include "image/store.h"

enum { STORE_PATH_MAX = STORE_KEY_MAX + 40, STORE_INFO_MAX = 64 << 10 };

struct store {
	int fd;          /* of ROOT */
	char *path;      /* absolute */
	bool is_shared;  /* read only, of somebody else */
};

/* A small file whole, into place by rename. */
int store_file_put(struct store *store, const char *path, const void *bytes, size_t len, bool sync,
		   struct err *err);
/* A small file of at most STORE_INFO_MAX bytes; -errno without words. */
int store_file_read(struct store *store, const char *path, struct buf *bytes, struct stat *st);
/* NULL: it cannot be opened. */
DIR *store_folder_open(struct store *store, const char *path);
int store_temporary_create(struct store *store, int *fd, char temporary[64], struct err *err);

/* Pure: KEY.info and tags, as JSON.  The key is not in KEY.info. */
int store_image_info_new(const struct store_image *image, char **text, struct err *err);
int store_image_info_parse(const void *bytes, size_t len, struct store_image *image, struct err *err);
int store_tag_text_new(const struct store_tag *tag, char **text, struct err *err);
int store_tag_parse(const void *bytes, size_t len, struct store_tag *tag, struct err *err);

#endif
