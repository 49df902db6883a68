/*
 * cmpi_image_trust.c - `cmpi image` sign and check: signatures of squashfs files (cmpi_image.h).
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/exitcode.h"
#include "image/config.h"
#include "image/policy_check.h"
#include "image/sign.h"
#include "image/verity.h"
#include "launcher/cmpi_image.h"

/* Whole or not at all. */
static int write_signature(const char *path, const char *text, struct err *err)
{
	AUTO_FREE char *next = NULL, *target = NULL;
	if (asprintf(&target, "%s.sig", path) < 0)
		target = NULL;
	if (!target || asprintf(&next, "%s.XXXXXX", target) < 0)
		next = NULL;
	if (!next)
		return err_set(err, ENOMEM, "no memory for a path");
	AUTO_FD int fd = mkostemp(next, O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "%s", target);
	mode_t mask = umask(0);
	umask(mask);
	size_t len = strlen(text);
	if (write(fd, text, len) == (ssize_t)len && fchmod(fd, 0666 & ~mask) == 0 && fsync(fd) == 0 &&
	    rename(next, target) == 0)
		return 0;
	int number = errno;
	unlink(next);
	return err_errno(err, number, "%s", target);
}

int cmpi_image_sign(const struct cmpi_image_options *options, char **argv)
{
	AUTO_CALL(sign_key_free) struct sign_key *key = NULL;
	AUTO_IMAGE_FILE struct image_file file = {.fd = -1};
	AUTO_FREE char *text = NULL;
	struct err err;
	int rc = options->key ? sign_key_open_private(options->key, &key, &err)
			      : err_set(&err, EINVAL, "--key FILE is missing: which private key shall sign?");
	if (rc == 0)
		rc = image_file_open(argv[0], &file, &err);
	if (rc == 0)
		rc = sign_file_new(key, &file, &text, &err);
	if (rc == 0)
		rc = write_signature(argv[0], text, &err);
	return rc < 0 ? cmpi_image_fail(rc, &err) : EXITCODE_OK;
}

static int read_signature(const char *path, char **text, size_t *len, struct err *err)
{
	enum { MOST = 1 << 20 };
	AUTO_FREE char *beside = NULL, *bytes = malloc(MOST);
	if (asprintf(&beside, "%s.sig", path) < 0)
		beside = NULL;
	if (!bytes || !beside)
		return err_set(err, ENOMEM, "no memory for a signature");
	AUTO_FD int fd = open(beside, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, bytes, MOST);
	if (got < 0)
		return err_errno(err, errno, "signature %s", beside);
	*len = (size_t)got;
	*text = take_ptr(&bytes);
	return 0;
}

/* All of it is what it was when it was made: the hash tree and the config, if it has them. */
static int check_content(const struct image_file *file, struct err *err)
{
	struct image_config config;
	uint8_t hash[VERITY_HASH];
	int rc = image_config_read(file, &config, err);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	const struct config_tail *tail = &config.tail;
	rc = verity_hash(config.json, (size_t)tail->json_len, hash, err);
	if (rc == 0 && memcmp(hash, tail->json_hash, sizeof hash) != 0)
		rc = err_set(err, EBADMSG, "the image's config was changed");
	if (rc == 0 && tail->hash_at)
		rc = verity_check(file->fd, tail->data_size, tail->hash_at, tail->root_hash, err);
	image_config_free(&config);
	return rc == -EIO ? -EBADMSG : rc;
}

/* With a key: is all of it signed by that? */
static int check_key(const char *key_path, const char *path, const struct image_file *file,
		     struct err *err)
{
	AUTO_CALL(sign_key_free) struct sign_key *key = NULL;
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int rc = sign_key_open(key_path, &key, err);
	if (rc == 0)
		rc = read_signature(path, &text, &len, err);
	if (rc == 0)
		rc = sign_check_file(key, file, text, len, err);
	return rc;
}

static int open_given(const struct cmpi_image_options *options, const char *path,
		      struct image_file *file, struct err *err)
{
	if (options->fd < 0)
		return image_file_open(path, file, err);
	int rc = image_file_check((int)options->fd, path, file, err);
	file->fd = rc == 0 ? (int)options->fd : -1;
	return rc;
}

int cmpi_image_check(const struct cmpi_image_options *options, char **argv)
{
	AUTO_IMAGE_FILE struct image_file file = {.fd = -1};
	AUTO_POLICIES struct policies policies = {0};
	AUTO_FREE char *path = realpath(argv[0], NULL);
	struct err err;
	bool root_only = false;
	int rc = open_given(options, argv[0], &file, &err);
	if (rc == 0 && !path)
		rc = err_errno(&err, errno, "%s", argv[0]);
	if (rc == 0)
		rc = policies_load(NULL, &policies, &err);
	if (rc == 0)
		rc = policies_check_file(&policies, path, &file, &root_only, &err);
	if (rc == 0 && options->key)
		rc = check_key(options->key, path, &file, &err);
	/* A launch that asks (with a descriptor) checks the rest itself, when it is read. */
	if (rc == 0 && options->fd < 0)
		rc = check_content(&file, &err);
	if (rc < 0)
		return cmpi_image_fail(rc, &err);
	if (options->fd >= 0)
		printf("%s\n", root_only ? "root" : "whole");
	return EXITCODE_OK;
}
