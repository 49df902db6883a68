/*
 * store.h - images and blobs on disk, by their digests.
 *
 *	ROOT/blobs/sha256/HEX     what registries gave, as it came
 *	ROOT/partial/HEX          blobs on their way; locked by whoever fetches
 *	ROOT/images/KEY.sqsh      ready images; KEY is the manifest's HEX, and options if not the usual
 *	ROOT/images/KEY.info      digest, size, origin; its time is that of the last use
 *	ROOT/tags/HASH            which image a reference means
 *	ROOT/locks/NAME           empty
 *
 * Whatever has its final name is whole: files are written under no name or another, and renamed.
 * Locks (fcntl, open file descriptions) end with their process, also over NFS; where a file system
 * has none, work may be done twice, and is still right.
 */
#ifndef IMAGE_STORE_H
#define IMAGE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "image/digest.h"

struct store;

enum { STORE_KEY_MAX = 200, STORE_REFERENCE_MAX = 4200 };

struct store_image {
	char key[STORE_KEY_MAX];
	char digest[DIGEST_TEXT_SIZE];    /* sha256 of the squashfs file */
	uint64_t size;                    /* of the file */
	uint64_t files, bytes;            /* inodes; bytes of regular files */
	char reference[STORE_REFERENCE_MAX], manifest[DIGEST_TEXT_SIZE];
	int64_t created, used;            /* seconds since 1970; used: mtime of KEY.info */
};

struct store_tag {
	char reference[STORE_REFERENCE_MAX];  /* normalised, with options that change the image */
	char remote[DIGEST_TEXT_SIZE];        /* what the registry says for the reference; "" */
	char validator[100];                  /* size and time of a local file; "" */
	char key[STORE_KEY_MAX];
	int64_t checked;                      /* when it was last found to be so */
};

/* `path` NULL: $CMPIRUN_STORE, else cmpirun/images in $XDG_CACHE_HOME or ~/.cache.  Makes what
 * lacks.  -EPERM: it belongs to somebody else, or others can write there. */
int store_open(const char *path, struct store **store, struct err *err);
/* A store to read from only.  `is_trusted` of the images in it: owned by root or by us. */
int store_open_shared(const char *path, struct store **store, struct err *err);
void store_free(struct store **store);
const char *store_path(const struct store *store);
int store_fd(const struct store *store);

/* `name` of [0-9a-z.-].  -EBUSY (err untouched) when somebody has it and !wait.  The lock ends
 * with the descriptor. */
int store_lock(struct store *store, const char *name, bool exclusive, bool wait, int *fd,
	       struct err *err);

/* -- blobs -- -ENOENT: not there (err untouched). */
int store_blob_open(struct store *store, const char *digest, int *fd, uint64_t *size);
void store_blob_remove(struct store *store, const char *digest);
int store_blob_put(struct store *store, const char *digest, const void *bytes, size_t len,
		   struct err *err);
/* A blob that is being fetched, locked; *have bytes are there already.  -EBUSY (err untouched):
 * somebody else fetches it. */
int store_partial_open(struct store *store, const char *digest, int *fd, uint64_t *have,
		       struct err *err);
int store_partial_publish(struct store *store, const char *digest, struct err *err);
void store_partial_remove(struct store *store, const char *digest);
/* Bytes that can still be written. */
uint64_t store_free_bytes(const struct store *store);

/* -- images */
bool store_key_is_valid(const char *key);
/* An unnamed file to write, or one that is removed when the process is gone and gc looks. */
int store_image_create(struct store *store, int *fd, char temporary[64], struct err *err);
/* Gives fd its name (and takes `temporary` away). */
int store_image_publish(struct store *store, const struct store_image *image, int fd,
			const char *temporary, struct err *err);
void store_temporary_remove(struct store *store, const char *temporary);
/* -ENOENT (err untouched): not there, or of somebody who is not trusted. */
int store_image_find(struct store *store, const char *key, struct store_image *image, struct err *err);
void store_image_touch(struct store *store, const char *key);
void store_image_remove(struct store *store, const char *key);
/* Newly allocated; NULL when memory ran out. */
char *store_image_path_new(const struct store *store, const char *key, const char *suffix);

/* -- tags: -ENOENT (err untouched) */
int store_tag_find(struct store *store, const char *reference, struct store_tag *tag, struct err *err);
int store_tag_put(struct store *store, const struct store_tag *tag, struct err *err);
int store_tag_remove(struct store *store, const char *reference, struct err *err);

/* All of them, in no order; arrays are the caller's.  What cannot be read is left out. */
int store_list(struct store *store, struct store_image **images, size_t *image_count,
	       struct store_tag **tags, size_t *tag_count, struct err *err);

struct store_gc {
	int64_t now, image_age_s, blob_age_s;  /* what was not used for longer goes; < 0: nothing by age */
	uint64_t most_bytes;                   /* then the least recently used until this holds; 0: no bound */
	bool dry_run;
	uint64_t images, blobs, partials, bytes;  /* out: what went */
};

/* -EBUSY: a pull is under way. */
int store_gc(struct store *store, struct store_gc *gc, struct err *err);

#endif
