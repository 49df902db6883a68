/*
 * sidecar_file.c - finds, reads and replaces sidecars (sidecar_file.h).
 *
 * In: the path of an image and its descriptor.  Out: a sidecar, or a file beside the image.
 *
 * A sidecar decides what is taken for a damaged image, so it is read only from somebody who could
 * damage the image himself: its owner, root, or the caller.  It is foreign all the same:
 * sidecar_parse().  Writing is O_TMPFILE and a rename, by destination.h, so that a reader never
 * sees half of one, and a job that is killed leaves nothing.
 */
#include "bcast/sidecar_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "bcast/destination.h"
#include "common/cleanup.h"
#include "common/squash_file.h"

enum { READ_SIZE = 1 << 20 };

/* -- places -------------------------------------------------------------- */

static int beside(const char *path, char *out)
{
	return snprintf(out, PATH_MAX, "%s.cmpi", path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* The directory of the cache; -ENOENT: the user has none. */
static int cache_directory(char *out)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int len;
	if (cache != NULL && cache[0] == '/')
		len = snprintf(out, PATH_MAX, "%s/cmpirun/sidecar", cache);
	else if (home != NULL && home[0] == '/')
		len = snprintf(out, PATH_MAX, "%s/.cache/cmpirun/sidecar", home);
	else
		return -ENOENT;
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int in_cache(const char *path, char *out)
{
	char directory[PATH_MAX];
	XXH128_canonical_t hash;
	int rc = cache_directory(directory);
	if (rc < 0)
		return rc;
	XXH128_canonicalFromHash(&hash, XXH3_128bits(path, strlen(path)));
	int len = snprintf(out, PATH_MAX, "%s/", directory);
	for (size_t i = 0; i < sizeof hash.digest && len < PATH_MAX; i++)
		len += snprintf(out + len, (size_t)(PATH_MAX - len), "%02x", hash.digest[i]);
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* As mkdir -p, for us alone. */
static int make_directories(const char *path)
{
	char part[PATH_MAX];
	snprintf(part, sizeof part, "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(part, 0700);
		*slash = '/';
	}
	return mkdir(part, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

static int (*const places[])(const char *path, char *out) = {beside, in_cache};

enum { PLACES = sizeof places / sizeof places[0] };

/* -- reading ------------------------------------------------------------- */

static bool may_believe(const struct stat *sidecar, const struct stat *image)
{
	return S_ISREG(sidecar->st_mode) && (sidecar->st_mode & 022) == 0 &&
	       sidecar->st_size <= SIDECAR_BYTES_MAX &&
	       (sidecar->st_uid == image->st_uid || sidecar->st_uid == geteuid() ||
		sidecar->st_uid == 0);
}

static int read_from(const char *path, const struct stat *image, struct sidecar *sidecar,
		     struct err *err)
{
	struct stat status;
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &status) < 0)
		return err_errno(err, errno, "%s", path);
	if (!may_believe(&status, image))
		return err_set(err, EACCES, "%s is not of the image's owner, or others may write to it",
			       path);
	size_t len = (size_t)status.st_size;
	AUTO_FREE char *bytes = malloc(len + 1);
	if (bytes == NULL)
		return err_errno(err, ENOMEM, "%s", path);
	ssize_t got = pread(fd, bytes, len, 0);
	if (got < 0 || (size_t)got != len)
		return err_errno(err, got < 0 ? errno : EIO, "read %s", path);
	int rc = sidecar_parse(bytes, len, sidecar, err);
	if (rc < 0)
		return err_prefix(err, "%s", path);
	if (sidecar_fits(sidecar, image))
		return 0;
	sidecar_free(sidecar);
	return err_set(err, ESTALE, "%s is of an older state of the image", path);
}

/* Of a part of a file, it is as if that were a file of its own. */
static int image_stat(int fd, struct stat *image, struct squash_part *part, struct err *err)
{
	if (fstat(fd, image) < 0)
		return err_errno(err, errno, "stat the image");
	int rc = squash_file_part(fd, part, err);
	image->st_size = (off_t)part->size;
	return rc;
}

int sidecar_load(const char *path, int image_fd, struct sidecar *sidecar, struct err *err)
{
	struct stat image;
	struct squash_part part;
	struct err why = ERR_NONE;
	char place[PATH_MAX];
	*sidecar = (struct sidecar){0};
	int rc = image_stat(image_fd, &image, &part, err);
	if (rc < 0)
		return err_prefix(err, "%s", path);
	for (size_t i = 0; i < PLACES; i++)
		if (places[i](path, place) == 0 && read_from(place, &image, sidecar, &why) == 0)
			return 0;
	return err_set(err, ENOENT, "no sidecar: %s", why.text);
}

/* -- writing ------------------------------------------------------------- */

static int write_to(const char *place, const struct buf *bytes, struct err *err)
{
	struct destination destination;
	struct timespec now = {.tv_nsec = UTIME_NOW};
	int rc = destination_open(place, "", &destination, err);
	if (rc < 0)
		return rc;
	for (size_t done = 0; rc == 0 && done < bytes->len;) {
		ssize_t some = write(destination.fd, bytes->data + done, bytes->len - done);
		if (some < 0)
			rc = err_errno(err, errno, "write %s", place);
		else
			done += (size_t)some;
	}
	if (rc == 0)
		rc = destination_commit(&destination, 0644, &now, err);
	destination_close(&destination);
	return rc;
}

int sidecar_store(const char *path, const struct sidecar *sidecar, struct err *err)
{
	AUTO_BUF struct buf bytes = {0};
	char place[PATH_MAX], directory[PATH_MAX];
	sidecar_pack(sidecar, &bytes);
	if (bytes.failed)
		return err_errno(err, ENOMEM, "sidecar of %s", path);
	if (cache_directory(directory) == 0)
		make_directories(directory);  /* if it fails, so does what follows */
	int rc = err_set(err, ENAMETOOLONG, "sidecar of %s", path);
	for (size_t i = 0; rc < 0 && i < PLACES; i++)
		if (places[i](path, place) == 0)
			rc = write_to(place, &bytes, err);
	return rc;
}

/* -- indexing ------------------------------------------------------------ */

static int hash_file(int fd, uint64_t start, struct sidecar *sidecar, struct err *err)
{
	XXH3_state_t *state = XXH3_createState();
	AUTO_FREE char *bytes = malloc(READ_SIZE);
	int rc = state && bytes ? 0 : err_errno(err, ENOMEM, "index the image");
	for (uint64_t chunk = 0; rc == 0 && chunk < sidecar->chunk_count; chunk++) {
		uint64_t at = chunk * sidecar->chunk_size, end = at + sidecar->chunk_size;
		XXH128_canonical_t canonical;
		end = end < sidecar->size ? end : sidecar->size;
		XXH3_128bits_reset(state);
		while (rc == 0 && at < end) {
			size_t want = end - at < READ_SIZE ? (size_t)(end - at) : READ_SIZE;
			ssize_t got = pread(fd, bytes, want, (off_t)(start + at));
			if (got <= 0)
				rc = err_errno(err, got < 0 ? errno : ENODATA, "read the image at byte %llu",
					       (unsigned long long)at);
			else
				XXH3_128bits_update(state, bytes, (size_t)got);
			at += got > 0 ? (uint64_t)got : 0;
		}
		XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
		memcpy(sidecar->hashes + chunk * SIDECAR_HASH_SIZE, &canonical, sizeof canonical);
	}
	XXH3_freeState(state);
	return rc;
}

int sidecar_index(int fd, uint32_t chunk_size, struct sidecar *sidecar, struct err *err)
{
	struct stat status;
	struct squash_part part;
	int rc = image_stat(fd, &status, &part, err);
	if (rc == 0)
		rc = sidecar_init(&status, chunk_size, sidecar, err);
	if (rc == 0)
		rc = hash_file(fd, part.at, sidecar, err);
	if (rc == 0)
		rc = image_stat(fd, &status, &part, err);
	if (rc == 0 && !sidecar_fits(sidecar, &status))
		rc = err_set(err, ESTALE, "the image was changed while it was read; let nobody write to "
			     "it and start again");
	if (rc == 0)
		sidecar_set_digest(sidecar);
	else
		sidecar_free(sidecar);
	return rc;
}

int sidecar_refuse(const struct sidecar *sidecar, const char *path, uint64_t chunk,
		   struct err *err)
{
	struct chunk_layout layout = {sidecar->size, sidecar->chunk_size, sidecar->chunk_count};
	return err_set(err, EBADMSG, "%s: chunk %llu (%zu bytes at %llu) was read with other bytes than "
		       "when it was indexed: the file was changed behind its modification time, or the "
		       "file system returned wrong bytes; compare with another copy, then run: cmpi image "
		       "index %s", path, (unsigned long long)chunk, chunk_length(&layout, chunk),
		       (unsigned long long)chunk_offset(&layout, chunk), path);
}
