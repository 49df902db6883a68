/*
 * store_gc.c - takes away what is not used any more (store.h).
 *
 * Images go by the time of their last use, then, while the store is too large, the least recently
 * used; a tag goes with its image.  Blobs go by the time of their last use: no ready image needs one.
 * What killed pulls left in partial/ goes when nobody holds its lock and it is an hour old.
 *
 * Under the exclusive lock of the store; a pull holds it shared.  A job that runs from an image keeps
 * its open file, also when the name has gone.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "image/store_impl.h"

enum { PARTIAL_AGE_S = 3600 };

struct blob_file {
	char path[STORE_PATH_MAX];
	uint64_t size;
	int64_t used;
	bool is_gone;
};

struct blob_list {
	struct blob_file *files;
	size_t count;
};

static int list_files(struct store *store, const char *path, struct blob_list *list, struct err *err)
{
	DIR *folder = store_folder_open(store, path);
	int rc = 0;
	for (struct dirent *entry; rc == 0 && folder != NULL && (entry = readdir(folder)) != NULL;) {
		struct stat st;
		char file[STORE_PATH_MAX];
		if (entry->d_name[0] == '.' ||
		    snprintf(file, sizeof file, "%s/%s", path, entry->d_name) >= (int)sizeof file ||
		    fstatat(store->fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		struct blob_file *bigger = realloc(list->files, (list->count + 1) * sizeof *bigger);
		if (bigger == NULL) {
			rc = err_errno(err, ENOMEM, "image store");
			break;
		}
		list->files = bigger;
		struct blob_file *made = &bigger[list->count++];
		*made = (struct blob_file){.size = (uint64_t)st.st_size, .used = st.st_mtim.tv_sec};
		memcpy(made->path, file, sizeof file);
	}
	if (folder != NULL)
		closedir(folder);
	return rc;
}

static void drop_blob(struct store *store, struct store_gc *gc, struct blob_file *file)
{
	file->is_gone = true;
	gc->blobs++;
	gc->bytes += file->size;
	if (!gc->dry_run)
		unlinkat(store->fd, file->path, 0);
}

static void drop_partials(struct store *store, struct store_gc *gc, const struct blob_list *partials)
{
	for (size_t i = 0; i < partials->count; i++) {
		const struct blob_file *file = &partials->files[i];
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		AUTO_FD int fd = openat(store->fd, file->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		bool is_held = fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) < 0 &&
			       (errno == EAGAIN || errno == EACCES);
		if (is_held || gc->now - file->used < PARTIAL_AGE_S)
			continue;
		gc->partials++;
		gc->bytes += file->size;
		if (!gc->dry_run)
			unlinkat(store->fd, file->path, 0);
	}
}

/* A publish or removal that was killed leaves KEY.sqsh without KEY.info. */
static void drop_orphans(struct store *store, struct store_gc *gc, const struct blob_list *parts)
{
	for (size_t i = 0; i < parts->count; i++) {
		const struct blob_file *file = &parts->files[i];
		const char *suffix = strstr(file->path, ".sqsh");
		char info[STORE_PATH_MAX];
		struct stat st;
		if (suffix == NULL || gc->now - file->used < PARTIAL_AGE_S)
			continue;
		if (snprintf(info, sizeof info, "%.*s.info", (int)(suffix - file->path), file->path) >=
			    (int)sizeof info ||
		    fstatat(store->fd, info, &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		gc->partials++;
		gc->bytes += file->size;
		if (!gc->dry_run)
			unlinkat(store->fd, file->path, 0);
	}
}

static void drop_image(struct store *store, struct store_gc *gc, struct store_image *image,
		       const struct store_tag *tags, size_t tag_count)
{
	for (size_t i = 0; !gc->dry_run && i < tag_count; i++)
		if (strcmp(tags[i].key, image->key) == 0)
			store_tag_remove(store, tags[i].reference, NULL);
	if (!gc->dry_run)
		store_image_remove(store, image->key);
	gc->images++;
	gc->bytes += image->size;
	image->key[0] = '\0';
}

static int compare_use(const void *a, const void *b)
{
	const struct store_image *left = a, *right = b;
	return left->used < right->used ? -1 : left->used > right->used;
}

static int compare_blob(const void *a, const void *b)
{
	const struct blob_file *left = a, *right = b;
	return left->used < right->used ? -1 : left->used > right->used;
}

/* Oldest first; blobs before images, since they can be had again without a conversion. */
static void shrink(struct store *store, struct store_gc *gc, struct blob_list *blobs,
		   struct store_image *images, size_t image_count, const struct store_tag *tags,
		   size_t tag_count)
{
	uint64_t total = 0;
	for (size_t i = 0; i < blobs->count; i++)
		total += blobs->files[i].is_gone ? 0 : blobs->files[i].size;
	for (size_t i = 0; i < image_count; i++)
		total += images[i].key[0] ? images[i].size : 0;
	for (size_t i = 0; i < blobs->count && total > gc->most_bytes; i++) {
		if (blobs->files[i].is_gone)
			continue;
		total -= blobs->files[i].size;
		drop_blob(store, gc, &blobs->files[i]);
	}
	for (size_t i = 0; i < image_count && total > gc->most_bytes; i++) {
		if (images[i].key[0] == '\0')
			continue;
		total -= images[i].size;
		drop_image(store, gc, &images[i], tags, tag_count);
	}
}

static int collect(struct store *store, struct store_gc *gc, struct err *err)
{
	struct blob_list blobs = {0}, partials = {0}, parts = {0};
	struct store_image *images = NULL;
	struct store_tag *tags = NULL;
	size_t image_count = 0, tag_count = 0;
	int rc = store_list(store, &images, &image_count, &tags, &tag_count, err);
	if (rc == 0)
		rc = list_files(store, "blobs/sha256", &blobs, err);
	if (rc == 0)
		rc = list_files(store, "blobs/sha512", &blobs, err);
	if (rc == 0)
		rc = list_files(store, "partial", &partials, err);
	if (rc == 0)
		rc = list_files(store, "images", &parts, err);
	if (rc == 0) {
		if (image_count > 0)
			qsort(images, image_count, sizeof *images, compare_use);
		if (blobs.count > 0)
			qsort(blobs.files, blobs.count, sizeof *blobs.files, compare_blob);
		drop_partials(store, gc, &partials);
		drop_orphans(store, gc, &parts);
		for (size_t i = 0; i < blobs.count && gc->blob_age_s >= 0; i++)
			if (gc->now - blobs.files[i].used >= gc->blob_age_s)
				drop_blob(store, gc, &blobs.files[i]);
		for (size_t i = 0; i < image_count && gc->image_age_s >= 0; i++)
			if (gc->now - images[i].used >= gc->image_age_s)
				drop_image(store, gc, &images[i], tags, tag_count);
		if (gc->most_bytes > 0)
			shrink(store, gc, &blobs, images, image_count, tags, tag_count);
	}
	free(blobs.files);
	free(partials.files);
	free(parts.files);
	free(images);
	free(tags);
	return rc;
}

int store_gc(struct store *store, struct store_gc *gc, struct err *err)
{
	AUTO_FD int lock = -1;
	int rc = store_lock(store, "store", true, false, &lock, err);
	if (rc == -EBUSY)
		return err_set(err, EBUSY, "image store %s: a pull is under way; try again when it is done",
			       store->path);
	return rc < 0 ? rc : collect(store, gc, err);
}
