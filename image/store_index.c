/*
 * store_index.c - what the store knows of its images: KEY.info and tags (store.h).
 *
 * Both are small JSON files, replaced as a whole; a tag's file is named by the hash of its reference,
 * so any reference is a name.
 */
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "image/store_impl.h"

int store_file_read(struct store *store, const char *path, struct buf *bytes, struct stat *st)
{
	AUTO_FD int fd = openat(store->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode) || st->st_size > STORE_INFO_MAX)
		return -EINVAL;
	char *room = buf_reserve(bytes, (size_t)st->st_size + 1);
	ssize_t got = room ? read(fd, room, (size_t)st->st_size) : -1;
	if (got < 0)
		return -EIO;
	bytes->len += (size_t)got;
	room[got] = '\0';
	return 0;
}

/* -- JSON ------------------------------------------------------------------------ */

static void take(const json_t *root, const char *key, char *to, size_t size)
{
	const char *text = json_string_value(json_object_get(root, key));
	snprintf(to, size, "%s", text && strlen(text) < size ? text : "");
}

static void take_digest(const json_t *root, const char *key, char to[DIGEST_TEXT_SIZE])
{
	take(root, key, to, DIGEST_TEXT_SIZE);
	if (!digest_is_valid(to))
		to[0] = '\0';
}

static uint64_t number(const json_t *root, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(root, key));
	return value > 0 ? (uint64_t)value : 0;
}

static int dump(json_t *take_root, char **text, struct err *err)
{
	*text = take_root ? json_dumps(take_root, JSON_INDENT(2)) : NULL;
	json_decref(take_root);
	return *text ? 0 : err_errno(err, ENOMEM, "image store");
}

int store_image_info_new(const struct store_image *image, char **text, struct err *err)
{
	return dump(json_pack("{s:i,s:s,s:I,s:I,s:I,s:s,s:s,s:I}", "version", 1, "digest", image->digest,
			      "size", (json_int_t)image->size, "files", (json_int_t)image->files, "bytes",
			      (json_int_t)image->bytes, "reference", image->reference, "manifest",
			      image->manifest, "created", (json_int_t)image->created),
		    text, err);
}

static json_t *load(const void *bytes, size_t len, struct err *err)
{
	json_t *root = json_loadb(bytes ? bytes : "", len, 0, NULL);
	if (json_is_object(root) && json_integer_value(json_object_get(root, "version")) == 1)
		return root;
	json_decref(root);
	err_set(err, EBADMSG, "not understood; remove it and pull again");
	return NULL;
}

int store_image_info_parse(const void *bytes, size_t len, struct store_image *image, struct err *err)
{
	*image = (struct store_image){0};
	json_t *root = load(bytes, len, err);
	if (root == NULL)
		return -EBADMSG;
	take_digest(root, "digest", image->digest);
	take_digest(root, "manifest", image->manifest);
	take(root, "reference", image->reference, sizeof image->reference);
	image->size = number(root, "size");
	image->files = number(root, "files");
	image->bytes = number(root, "bytes");
	image->created = (int64_t)number(root, "created");
	json_decref(root);
	return image->digest[0] ? 0 : err_set(err, EBADMSG, "it has no digest; remove it and pull again");
}

int store_tag_text_new(const struct store_tag *tag, char **text, struct err *err)
{
	return dump(json_pack("{s:i,s:s,s:s,s:s,s:s,s:I}", "version", 1, "reference", tag->reference, "remote",
			      tag->remote, "validator", tag->validator, "image", tag->key, "checked",
			      (json_int_t)tag->checked),
		    text, err);
}

int store_tag_parse(const void *bytes, size_t len, struct store_tag *tag, struct err *err)
{
	*tag = (struct store_tag){0};
	json_t *root = load(bytes, len, err);
	if (root == NULL)
		return -EBADMSG;
	take(root, "reference", tag->reference, sizeof tag->reference);
	take_digest(root, "remote", tag->remote);
	take(root, "validator", tag->validator, sizeof tag->validator);
	take(root, "image", tag->key, sizeof tag->key);
	tag->checked = (int64_t)number(root, "checked");
	json_decref(root);
	return store_key_is_valid(tag->key) ? 0 : err_set(err, EBADMSG, "it names no image; remove it");
}

/* -- tags ------------------------------------------------------------------------- */

static int tag_path(const char *reference, char path[STORE_PATH_MAX], struct err *err)
{
	char digest[DIGEST_TEXT_SIZE];
	int rc = digest_of(reference, strlen(reference), NULL, digest, err);
	if (rc == 0)
		snprintf(path, STORE_PATH_MAX, "tags/%s", digest_hex(digest));
	return rc;
}

int store_tag_find(struct store *store, const char *reference, struct store_tag *tag, struct err *err)
{
	char path[STORE_PATH_MAX];
	struct stat st;
	AUTO_BUF struct buf bytes = {0};
	int rc = tag_path(reference, path, err);
	if (rc < 0)
		return rc;
	if (store_file_read(store, path, &bytes, &st) < 0)
		return -ENOENT;
	if (store->is_shared && st.st_uid != 0 && st.st_uid != geteuid())
		return -ENOENT;
	rc = store_tag_parse(bytes.data, bytes.len, tag, err);
	if (rc < 0)
		return err_prefix(err, "image store %s: %s", store->path, path);
	return strcmp(tag->reference, reference) == 0 ? 0 : -ENOENT;
}

int store_tag_put(struct store *store, const struct store_tag *tag, struct err *err)
{
	char path[STORE_PATH_MAX];
	AUTO_FREE char *text = NULL;
	int rc = tag_path(tag->reference, path, err);
	if (rc == 0)
		rc = store_tag_text_new(tag, &text, err);
	return rc < 0 ? rc : store_file_put(store, path, text, strlen(text), false, err);
}

int store_tag_remove(struct store *store, const char *reference, struct err *err)
{
	char path[STORE_PATH_MAX];
	int rc = tag_path(reference, path, err);
	if (rc < 0)
		return rc;
	if (unlinkat(store->fd, path, 0) == 0)
		return 0;
	return errno == ENOENT ? -ENOENT : err_errno(err, errno, "image store %s: %s", store->path, path);
}

/* -- lists ------------------------------------------------------------------------- */

DIR *store_folder_open(struct store *store, const char *path)
{
	AUTO_FD int fd = openat(store->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	if (folder != NULL)
		take_fd(&fd);
	return folder;
}

static int list_images(struct store *store, struct store_image **images, size_t *count, struct err *err)
{
	DIR *folder = store_folder_open(store, "images");
	int rc = 0;
	for (struct dirent *entry; rc == 0 && folder != NULL && (entry = readdir(folder)) != NULL;) {
		char key[STORE_KEY_MAX];
		size_t len = strlen(entry->d_name), tail = strlen(".info");
		if (len <= tail || len - tail >= sizeof key || strcmp(entry->d_name + len - tail, ".info") != 0)
			continue;
		snprintf(key, sizeof key, "%.*s", (int)(len - tail), entry->d_name);
		struct store_image *bigger = realloc(*images, (*count + 1) * sizeof *bigger);
		if (bigger == NULL) {
			rc = err_errno(err, ENOMEM, "image store");
			break;
		}
		*images = bigger;
		*count += store_image_find(store, key, &bigger[*count], NULL) == 0;
	}
	if (folder != NULL)
		closedir(folder);
	return rc;
}

static int list_tags(struct store *store, struct store_tag **tags, size_t *count, struct err *err)
{
	DIR *folder = store_folder_open(store, "tags");
	int rc = 0;
	for (struct dirent *entry; rc == 0 && folder != NULL && (entry = readdir(folder)) != NULL;) {
		char path[STORE_PATH_MAX];
		struct stat st;
		AUTO_BUF struct buf bytes = {0};
		if (strlen(entry->d_name) != 64)
			continue;
		snprintf(path, sizeof path, "tags/%s", entry->d_name);
		struct store_tag *bigger = realloc(*tags, (*count + 1) * sizeof *bigger);
		if (bigger == NULL) {
			rc = err_errno(err, ENOMEM, "image store");
			break;
		}
		*tags = bigger;
		*count += store_file_read(store, path, &bytes, &st) == 0 &&
			  store_tag_parse(bytes.data, bytes.len, &bigger[*count], NULL) == 0;
	}
	if (folder != NULL)
		closedir(folder);
	return rc;
}

int store_list(struct store *store, struct store_image **images, size_t *image_count,
	       struct store_tag **tags, size_t *tag_count, struct err *err)
{
	*images = NULL;
	*tags = NULL;
	*image_count = *tag_count = 0;
	int rc = list_images(store, images, image_count, err);
	if (rc == 0)
		rc = list_tags(store, tags, tag_count, err);
	if (rc < 0) {
		free(take_ptr(images));
		free(take_ptr(tags));
	}
	return rc;
}
