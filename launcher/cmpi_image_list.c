/*
 * cmpi_image_list.c - `cmpi image` ls, inspect, verify, rm, gc: what the store has (cmpi_image.h).
 */
#include <ctype.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "image/config.h"
#include "image/image_file.h"
#include "launcher/cmpi_image.h"

enum { IMAGE_AGE_DAYS = 90, BLOB_AGE_DAYS = 14, DAY_S = 86400, ID_SHOWN = 12, ID_LEAST = 6 };

struct listing {
	struct store_image *images;
	struct store_tag *tags;
	size_t image_count, tag_count;
};

static void listing_free(struct listing *listing)
{
	free(listing->images);
	free(listing->tags);
}

static int list(const struct pull_options *pull, struct listing *listing, struct err *err)
{
	return store_list(pull->store, &listing->images, &listing->image_count, &listing->tags,
			  &listing->tag_count, err);
}

static const struct store_image *image_of(const struct listing *listing, const struct store_tag *tag)
{
	for (size_t i = 0; i < listing->image_count; i++)
		if (strcmp(listing->images[i].key, tag->key) == 0)
			return &listing->images[i];
	return NULL;
}

/* -- finding one ------------------------------------------------------------------------ */

static bool is_id(const char *text)
{
	size_t len = strspn(text, "0123456789abcdef");
	return len >= ID_LEAST && text[len] == '\0';
}

static int find_listed(const struct pull_options *pull, const char *text, struct store_image *image,
		       struct store_tag *tag, struct err *err)
{
	struct listing listing = {0};
	int rc = list(pull, &listing, err), found = 0;
	for (size_t i = 0; rc == 0 && i < listing.tag_count; i++) {
		const struct store_image *of = image_of(&listing, &listing.tags[i]);
		if (of != NULL && strcmp(listing.tags[i].reference, text) == 0) {
			*image = *of;
			if (tag != NULL)
				*tag = listing.tags[i];
			found = 1;
		}
	}
	for (size_t i = 0; rc == 0 && !found && is_id(text) && i < listing.image_count; i++)
		if (strncmp(listing.images[i].key, text, strlen(text)) == 0) {
			*image = listing.images[i];
			found = 1;
		}
	listing_free(&listing);
	if (rc == 0 && !found)
		rc = err_set(err, ENOENT, "%s is not in the image store %s; see: cmpi image ls", text,
			     store_path(pull->store));
	return rc;
}

int cmpi_image_find(const struct pull_options *pull, const char *text, struct store_image *image,
		    struct store_tag *tag, struct err *err)
{
	AUTO_BUF struct buf reference = {0};
	AUTO_FREE struct store_tag *found = calloc(1, sizeof *found);
	AUTO_FREE char *whole = NULL;
	bool has_scheme = strchr(text, ':') != NULL && strstr(text, ":/") != NULL;
	if (found == NULL || asprintf(&whole, "%s%s", has_scheme ? "" : "docker://", text) < 0) {
		whole = NULL;
		return err_errno(err, ENOMEM, "image");
	}
	if (!is_id(text) && pull_reference(pull, whole, &reference, NULL) == 0 &&
	    store_tag_find(pull->store, reference.data, found, NULL) == 0 &&
	    store_image_find(pull->store, found->key, image, NULL) == 0) {
		if (tag != NULL)
			*tag = *found;
		return 0;
	}
	buf_free(&reference);
	/* "oci:dir", "x.tar": as a pull would say it. */
	if (pull_reference(pull, text, &reference, NULL) == 0 &&
	    store_tag_find(pull->store, reference.data, found, NULL) == 0 &&
	    store_image_find(pull->store, found->key, image, NULL) == 0) {
		if (tag != NULL)
			*tag = *found;
		return 0;
	}
	return find_listed(pull, text, image, tag, err);
}

/* -- ls ------------------------------------------------------------------------------------ */

static void print_age(int64_t then, char *text, size_t size)
{
	int64_t age = time(NULL) - then;
	if (age < 120)
		snprintf(text, size, "now");
	else if (age < 2 * 3600)
		snprintf(text, size, "%lld min", (long long)age / 60);
	else if (age < 2 * DAY_S)
		snprintf(text, size, "%lld h", (long long)age / 3600);
	else
		snprintf(text, size, "%lld days", (long long)age / DAY_S);
}

static json_t *image_json(const struct pull_options *pull, const struct store_image *image,
			  const char *reference)
{
	AUTO_FREE char *path = store_image_path_new(pull->store, image->key, ".sqsh");
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I}", "reference", reference, "id", image->key,
			 "digest", image->digest, "manifest", image->manifest, "path", path ? path : "", "size",
			 (json_int_t)image->size, "files", (json_int_t)image->files, "bytes",
			 (json_int_t)image->bytes, "created", (json_int_t)image->created, "used",
			 (json_int_t)image->used);
}

static int by_reference(const void *a, const void *b)
{
	return strcmp(((const struct store_tag *)a)->reference, ((const struct store_tag *)b)->reference);
}

static void print_list(const struct cmpi_image_options *options, const struct pull_options *pull,
		       const struct listing *listing)
{
	json_t *array = json_array();
	bool has_head = options->json;
	for (size_t i = 0; i < listing->tag_count; i++) {
		const struct store_tag *tag = &listing->tags[i];
		const struct store_image *image = image_of(listing, tag);
		char used[32];
		if (image == NULL)
			continue;
		json_array_append_new(array, image_json(pull, image, tag->reference));
		if (options->json)
			continue;
		if (!has_head)
			printf("%-*s  %10s  %9s  %-9s %s\n", ID_SHOWN, "ID", "SIZE", "FILES", "USED", "REFERENCE");
		has_head = true;
		print_age(image->used, used, sizeof used);
		printf("%-*.*s  %6.1f MiB  %9llu  %-9s %s\n", ID_SHOWN, ID_SHOWN, image->key,
		       (double)image->size / (1 << 20), (unsigned long long)image->files, used, tag->reference);
	}
	if (options->json) {
		json_dumpf(array, stdout, JSON_INDENT(2));
		printf("\n");
	}
	json_decref(array);
}

int cmpi_image_ls(const struct cmpi_image_options *options, char **argv)
{
	struct pull_options pull;
	struct listing listing = {0};
	struct err err;
	(void)argv;
	int rc = cmpi_image_prepare(options, &pull, &err);
	if (rc == 0)
		rc = list(&pull, &listing, &err);
	if (rc == 0) {
		if (listing.tag_count > 0)
			qsort(listing.tags, listing.tag_count, sizeof *listing.tags, by_reference);
		print_list(options, &pull, &listing);
	}
	listing_free(&listing);
	store_free(&pull.store);
	store_free(&pull.shared);
	return rc < 0 ? cmpi_image_fail(rc, &err) : EXITCODE_OK;
}

int cmpi_image_inspect(const struct cmpi_image_options *options, char **argv)
{
	struct pull_options pull;
	struct store_image image;
	struct err err;
	int rc = cmpi_image_prepare(options, &pull, &err);
	if (rc == 0)
		rc = cmpi_image_find(&pull, argv[0], &image, NULL, &err);
	if (rc == 0) {
		json_t *root = image_json(&pull, &image, image.reference);
		AUTO_FREE char *path = store_image_path_new(pull.store, image.key, ".sqsh");
		AUTO_IMAGE_FILE struct image_file file = {.fd = -1};
		struct image_config config = {0};
		if (path != NULL && image_file_open(path, &file, &err) == 0 &&
		    image_config_read(&file, &config, &err) == 0)
			json_object_set_new(root, "image", json_loads(config.json, 0, NULL));
		image_config_free(&config);
		json_dumpf(root, stdout, JSON_INDENT(2));
		json_decref(root);
		printf("\n");
	}
	store_free(&pull.store);
	store_free(&pull.shared);
	return rc < 0 ? cmpi_image_fail(rc, &err) : EXITCODE_OK;
}

/* -- verify ---------------------------------------------------------------------------------- */

static int verify_one(const struct pull_options *pull, const struct store_image *image, struct err *err)
{
	char digest[DIGEST_TEXT_SIZE];
	uint64_t size;
	AUTO_IMAGE_FILE struct image_file file = {.fd = -1};
	AUTO_FREE char *path = store_image_path_new(pull->store, image->key, ".sqsh");
	if (path == NULL)
		return err_errno(err, ENOMEM, "verify");
	int rc = image_file_open(path, &file, err);
	if (rc == 0)
		rc = digest_of_file(file.fd, image->digest, digest, &size, err);
	if (rc == 0 && strcmp(digest, image->digest) != 0)
		rc = err_set(err, EBADMSG, "%s: its digest is %s and should be %s; remove it and pull again: cmpi "
			     "image rm %.*s", path, digest, image->digest, ID_SHOWN, image->key);
	return rc;
}

int cmpi_image_verify(const struct cmpi_image_options *options, char **argv)
{
	struct pull_options pull;
	struct listing listing = {0};
	struct err err;
	int rc = cmpi_image_prepare(options, &pull, &err), bad = 0;
	if (rc == 0)
		rc = list(&pull, &listing, &err);
	for (size_t i = 0; rc == 0 && i < listing.image_count; i++) {
		struct store_image wanted;
		bool chosen = argv[0] == NULL;
		for (char **word = argv; rc == 0 && *word != NULL && !chosen; word++) {
			rc = cmpi_image_find(&pull, *word, &wanted, NULL, &err);
			chosen = rc == 0 && strcmp(wanted.key, listing.images[i].key) == 0;
		}
		if (rc < 0 || !chosen)
			continue;
		int verdict = verify_one(&pull, &listing.images[i], &err);
		bad += verdict < 0;
		if (verdict < 0)
			log_error("%s", err.text);
		else if (!options->quiet)
			printf("%.*s ok %s\n", ID_SHOWN, listing.images[i].key, listing.images[i].reference);
	}
	/* With nothing in the store no word was looked for above. */
	if (rc == 0 && listing.image_count == 0 && argv[0] != NULL) {
		struct store_image none;
		rc = cmpi_image_find(&pull, argv[0], &none, NULL, &err);
	}
	listing_free(&listing);
	store_free(&pull.store);
	store_free(&pull.shared);
	return rc < 0 ? cmpi_image_fail(rc, &err) : bad ? EXITCODE_IMAGE : EXITCODE_OK;
}

/* -- rm, gc ------------------------------------------------------------------------------------ */

/* The name goes; the image goes with its last name. */
static int remove_one(const struct pull_options *pull, const char *text, struct err *err)
{
	struct store_image image;
	AUTO_FREE struct store_tag *tag = calloc(1, sizeof *tag);
	struct listing listing = {0};
	size_t others = 0;
	int rc = tag ? cmpi_image_find(pull, text, &image, tag, err) : err_errno(err, ENOMEM, "rm");
	if (rc == 0)
		rc = list(pull, &listing, err);
	for (size_t i = 0; rc == 0 && i < listing.tag_count; i++) {
		if (strcmp(listing.tags[i].key, image.key) != 0)
			continue;
		bool is_named = tag->reference[0] == '\0' || strcmp(listing.tags[i].reference, tag->reference) == 0;
		if (is_named)
			rc = store_tag_remove(pull->store, listing.tags[i].reference, err);
		else
			others++;
	}
	if (rc == 0 && others == 0)
		store_image_remove(pull->store, image.key);
	listing_free(&listing);
	return rc;
}

int cmpi_image_rm(const struct cmpi_image_options *options, char **argv)
{
	struct pull_options pull;
	struct err err;
	AUTO_FD int lock = -1;
	int rc = cmpi_image_prepare(options, &pull, &err);
	if (rc == 0)
		rc = store_lock(pull.store, "store", false, true, &lock, &err);
	for (; rc == 0 && *argv != NULL; argv++)
		rc = remove_one(&pull, *argv, &err);
	store_free(&pull.store);
	store_free(&pull.shared);
	return rc < 0 ? cmpi_image_fail(rc, &err) : EXITCODE_OK;
}

int cmpi_image_gc(const struct cmpi_image_options *options, char **argv)
{
	struct pull_options pull;
	struct err err;
	(void)argv;
	struct store_gc gc = {
		.now = time(NULL),
		.image_age_s = options->image_age_s >= 0 ? options->image_age_s : (int64_t)IMAGE_AGE_DAYS * DAY_S,
		.blob_age_s = options->blob_age_s >= 0 ? options->blob_age_s : (int64_t)BLOB_AGE_DAYS * DAY_S,
		.most_bytes = options->most_bytes,
		.dry_run = options->dry_run,
	};
	int rc = cmpi_image_prepare(options, &pull, &err);
	if (rc == 0)
		rc = store_gc(pull.store, &gc, &err);
	if (rc == 0 && options->json)
		printf("{\"images\": %llu, \"layers\": %llu, \"partial\": %llu, \"bytes\": %llu}\n",
		       (unsigned long long)gc.images, (unsigned long long)gc.blobs,
		       (unsigned long long)gc.partials, (unsigned long long)gc.bytes);
	else if (rc == 0 && !options->quiet)
		printf("%s %llu images, %llu layers, %llu partial files: %.1f MiB\n",
		       gc.dry_run ? "would remove" : "removed", (unsigned long long)gc.images,
		       (unsigned long long)gc.blobs, (unsigned long long)gc.partials, (double)gc.bytes / (1 << 20));
	store_free(&pull.store);
	store_free(&pull.shared);
	return rc < 0 ? cmpi_image_fail(rc, &err) : EXITCODE_OK;
}
