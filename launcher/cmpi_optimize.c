/*
 * cmpi_optimize.c - cmpi image index, cmpi image optimize (cmpi_optimize.h).
 *
 * The image is read and hashed once; the sidecar (bcast/sidecar_file.h) keeps hashes, digest
 * and, where a profile says what a start reads, the hot chunks.  optimize writes the image anew
 * (image/reorder.h): the file gets its name when it was read back, and then its sidecar.
 */
#include "launcher/cmpi_optimize.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bcast/destination.h"
#include "bcast/sidecar_file.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "image/image_file.h"
#include "image/reorder.h"
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

/* -- optimize ------------------------------------------------------------ */

struct uses {
	struct reorder_use *list;
	size_t count, room;
};

static void free_uses(struct uses *uses)
{
	for (size_t i = 0; i < uses->count; i++)
		free((char *)uses->list[i].path);
	free(uses->list);
}

static int read_uses(const char *path, struct uses *uses, struct err *err)
{
	AUTO_BUF struct buf text = {0};
	AUTO_FREE struct imgfs_profile_line *line = malloc(sizeof *line);
	size_t head = strlen(IMGFS_PROFILE_HEAD);
	int rc = line ? read_profile(path, &text, err) : err_errno(err, ENOMEM, "profile");
	if (rc < 0)
		return rc;
	if (text.len < head || memcmp(text.data, IMGFS_PROFILE_HEAD, head) != 0)
		return err_set(err, EPROTO, "profile %s: not one of cmpirun --profile-record", path);
	const char *at = text.data, *end = text.data + text.len;
	while ((rc = imgfs_profile_next(&at, end, line, err)) > 0) {
		if (uses->count == uses->room) {
			size_t room = uses->room ? 2 * uses->room : 256;
			struct reorder_use *list = realloc(uses->list, room * sizeof *list);
			if (!list)
				return err_errno(err, ENOMEM, "profile");
			uses->list = list;
			uses->room = room;
		}
		char *name = strdup(line->path);
		if (!name)
			return err_errno(err, ENOMEM, "profile");
		uses->list[uses->count++] = (struct reorder_use){name, line->offset, line->length};
	}
	return rc < 0 ? err_prefix(err, "profile %s", path) : 0;
}

/* The sidecar of the new file. */
static int mark_hot(const char *file, const struct reorder_result *result, struct err *err)
{
	AUTO_IMAGE_FILE struct image_file image = {.fd = -1};
	AUTO_SIDECAR struct sidecar sidecar = {0};
	AUTO_FREE struct sidecar_range *ranges = calloc(result->hot_count + 1, sizeof *ranges);
	AUTO_FREE char *path = realpath(file, NULL);
	if (!path || !ranges)
		return err_errno(err, path ? ENOMEM : errno, "image %s", file);
	for (size_t i = 0; i < result->hot_count; i++)
		ranges[i] = (struct sidecar_range){result->hot[i].offset, result->hot[i].len};
	int rc = image_file_open(file, &image, err);
	if (rc == 0)
		rc = sidecar_index(image.fd, chunk_size_for(image.size), &sidecar, err);
	if (rc == 0)
		rc = sidecar_set_hot(&sidecar, ranges, result->hot_count, err);
	if (rc == 0)
		rc = sidecar_store(path, &sidecar, err);
	if (rc == 0)
		print_sidecar(path, &sidecar);
	return rc;
}

static int optimize(const char *file, const struct uses *uses, const char *out,
		    struct reorder_result *result, struct err *err)
{
	AUTO_IMAGE_FILE struct image_file image = {.fd = -1};
	struct destination destination;
	struct stat status;
	struct timespec now;
	int rc = image_file_open(file, &image, err);
	if (rc < 0)
		return rc;
	if (image.at > 0 && out == file)
		return err_set(err, EINVAL, "image %s: it is a SIF file, which holds more than its squashfs, all that is "
			       "written; name another file with -o", file);
	if (fstat(image.fd, &status) < 0)
		return err_errno(err, errno, "image %s", file);
	if ((rc = destination_open(out, destination_base(file), &destination, err)) < 0)
		return rc;
	rc = image_reorder(&image, uses->list, uses->count, destination.fd, result, err);
	if (rc == 0)
		rc = image_file_unchanged(&image, file, err);
	clock_gettime(CLOCK_REALTIME, &now);
	if (rc == 0)
		rc = destination_commit(&destination, status.st_mode & 0777, &now, err);
	if (rc == 0)
		rc = mark_hot(destination.path, result, err);
	destination_close(&destination);
	return rc;
}

static bool take_optimize_arguments(char **argv, const char **file, const char **profile,
				    const char **out)
{
	for (size_t i = 0; argv[i] != NULL; i++) {
		if (strcmp(argv[i], "--profile") == 0 && argv[i + 1] != NULL && *profile == NULL)
			*profile = argv[++i];
		else if (strncmp(argv[i], "--profile=", 10) == 0 && *profile == NULL)
			*profile = argv[i] + 10;
		else if (strcmp(argv[i], "-o") == 0 && argv[i + 1] != NULL && *out == NULL)
			*out = argv[++i];
		else if (argv[i][0] != '-' && *file == NULL)
			*file = argv[i];
		else
			return false;
	}
	return *file != NULL && *profile != NULL;
}

int cmpi_image_optimize(char **argv)
{
	const char *file = NULL, *profile = NULL, *out = NULL;
	if (!take_optimize_arguments(argv, &file, &profile, &out)) {
		log_error("usage: cmpi image optimize FILE --profile PROFILE [-o OUT]");
		return EXITCODE_USAGE;
	}
	struct uses uses = {0};
	struct reorder_result result = {0};
	struct err err = ERR_NONE;
	int rc = read_uses(profile, &uses, &err), code = EXITCODE_USAGE;
	if (rc == 0 && (rc = optimize(file, &uses, out ? out : file, &result, &err)) < 0)
		code = rc == -ESTALE ? EXITCODE_USAGE : EXITCODE_IMAGE;
	free_uses(&uses);
	free(result.hot);
	if (rc < 0)
		return fail(code, &err);
	printf("files       %zu, %zu of them first\n", result.files, result.moved);
	if (result.dropped)
		printf("left out    %zu devices and sockets\n", result.dropped);
	return EXITCODE_OK;
}
