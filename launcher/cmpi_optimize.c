/*
 * cmpi_optimize.c - cmpi image index (cmpi_optimize.h).
 *
 * The image is read and hashed once; the sidecar (bcast/sidecar_file.h) keeps hashes, digest
 * and, where a profile says what a start reads, the hot chunks.
 */
#include "launcher/cmpi_optimize.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bcast/sidecar_file.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "image/image_file.h"
#include "runtime/imgfs_profile.h"

enum { PROFILE_BYTES_MAX = 256 << 20 };

static int fail(int exit_code, const struct err *err)
{
	log_error("%s", err->text);
	return exit_code;
}


/* -- index --------------------------------------------------------------- */

static void print_sidecar(const char *path, const struct sidecar *sidecar)
{
	printf("file        %s\nsize        %llu bytes\nchunks      %llu of %u KiB, %zu hot\ndigest      xxh3:",
	       path, (unsigned long long)sidecar->size, (unsigned long long)sidecar->chunk_count,
	       sidecar->chunk_size / 1024, sidecar->hot_count);
	for (size_t i = 0; i < sizeof sidecar->digest; i++)
		printf("%02x", sidecar->digest[i]);
	printf("\n");
}

/* The hot chunks of a sidecar that is still of this file are worth keeping. */
static void keep_hot(const char *path, int fd, struct sidecar *sidecar)
{
	AUTO_SIDECAR struct sidecar old = {0};
	if (sidecar_load(path, fd, &old, NULL) < 0 || old.chunk_size != sidecar->chunk_size)
		return;
	sidecar->hot = take_ptr(&old.hot);
	sidecar->hot_count = old.hot_count;
}

/* -- profile ------------------------------------------------------------- */

static int read_profile(const char *path, struct buf *text, struct err *err)
{
	struct stat status;
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &status) < 0)
		return err_errno(err, errno, "profile %s", path);
	if (!S_ISREG(status.st_mode) || status.st_size > PROFILE_BYTES_MAX)
		return err_set(err, EINVAL, "profile %s: not a file of cmpirun --profile-record", path);
	size_t len = (size_t)status.st_size;
	char *room = buf_reserve(text, len + 1);
	if (room == NULL)
		return err_errno(err, ENOMEM, "profile %s", path);
	ssize_t got = pread(fd, room, len, 0);
	if (got < 0 || (size_t)got != len)
		return err_errno(err, got < 0 ? errno : EIO, "read profile %s", path);
	text->len = len;
	return 0;
}

/* The parts of the image that the profile names, in its order. */
static int profile_ranges(const struct buf *text, struct sidecar_range **ranges, size_t *count,
			  struct err *err)
{
	AUTO_FREE struct imgfs_profile_line *line = malloc(sizeof *line);
	const char *at = text->data, *end = text->data + text->len;
	size_t room = 0;
	int rc;
	if (line == NULL)
		return err_errno(err, ENOMEM, "profile");
	if (text->len < strlen(IMGFS_PROFILE_HEAD) ||
	    memcmp(text->data, IMGFS_PROFILE_HEAD, strlen(IMGFS_PROFILE_HEAD)) != 0)
		return err_set(err, EPROTO, "not a profile of cmpirun --profile-record");
	while ((rc = imgfs_profile_next(&at, end, line, err)) > 0) {
		if (*count == room) {
			room = room ? 2 * room : 256;
			struct sidecar_range *bigger = realloc(*ranges, room * sizeof *bigger);
			if (bigger == NULL)
				return err_errno(err, ENOMEM, "profile");
			*ranges = bigger;
		}
		(*ranges)[(*count)++] = (struct sidecar_range){line->offset, line->length};
	}
	return rc;
}

static int take_profile(const char *path, struct sidecar *sidecar, struct err *err)
{
	AUTO_BUF struct buf text = {0};
	AUTO_FREE struct sidecar_range *ranges = NULL;
	size_t count = 0;
	int rc = read_profile(path, &text, err);
	if (rc < 0)
		return rc;
	if ((rc = profile_ranges(&text, &ranges, &count, err)) < 0)
		return err_prefix(err, "profile %s", path);
	return sidecar_set_hot(sidecar, ranges, count, err);
}

/* FILE and --profile PROFILE in any order; false: something else. */
static bool take_index_arguments(char **argv, const char **file, const char **profile)
{
	for (size_t i = 0; argv[i] != NULL; i++) {
		if (strcmp(argv[i], "--profile") == 0 && argv[i + 1] != NULL && *profile == NULL)
			*profile = argv[++i];
		else if (strncmp(argv[i], "--profile=", 10) == 0 && *profile == NULL)
			*profile = argv[i] + 10;
		else if (argv[i][0] != '-' && *file == NULL)
			*file = argv[i];
		else
			return false;
	}
	return *file != NULL;
}

int cmpi_image_index(char **argv)
{
	const char *file = NULL, *profile = NULL;
	if (!take_index_arguments(argv, &file, &profile)) {
		log_error("usage: cmpi image index FILE [--profile PROFILE]");
		return EXITCODE_USAGE;
	}
	AUTO_IMAGE_FILE struct image_file image = {.fd = -1};
	AUTO_SIDECAR struct sidecar sidecar = {0};
	AUTO_FREE char *path = NULL;
	struct err err = ERR_NONE;
	if (image_file_open(file, &image, &err) < 0)
		return fail(EXITCODE_IMAGE, &err);
	if ((path = realpath(file, NULL)) == NULL) {
		err_errno(&err, errno, "image %s", file);
		return fail(EXITCODE_IMAGE, &err);
	}
	if (sidecar_index(image.fd, chunk_size_for(image.size), &sidecar, &err) < 0)
		return fail(EXITCODE_IMAGE, &err);
	if (profile == NULL)
		keep_hot(path, image.fd, &sidecar);
	else if (take_profile(profile, &sidecar, &err) < 0)
		return fail(EXITCODE_USAGE, &err);
	if (sidecar_store(path, &sidecar, &err) < 0)
		return fail(EXITCODE_SETUP, &err);
	print_sidecar(path, &sidecar);
	return EXITCODE_OK;
}
