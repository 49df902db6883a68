/*
 * store.c - the store's folders, locks, blobs and images (store.h).
 *
 * Order of publishing an image: squashfs bytes to disk (fsync), then KEY.sqsh by link, then
 * KEY.info by rename.  An image exists when its KEY.info does; so a kill or a full disk at
 * any step leaves either a whole image or none.  Removal goes the other way round.
 *
 * Blobs are not synced: whoever uses one hashes it again.
 */
#include "image/store.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "common/cleanup.h"
#include "image/store_impl.h"

static const char *const folders[] = {"blobs", "blobs/sha256", "blobs/sha512", "partial", "images", "tags", "locks"};

const char *store_path(const struct store *store)
{
	return store->path;
}

int store_fd(const struct store *store)
{
	return store->fd;
}

/* -- opening ------------------------------------------------------------------ */

static int default_path(char *path, size_t size, struct err *err)
{
	const char *own = getenv("CMPIRUN_STORE"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int len = own && *own ? snprintf(path, size, "%s", own)
		  : cache && *cache == '/' ? snprintf(path, size, "%s/cmpirun/images", cache)
		  : home && *home == '/' ? snprintf(path, size, "%s/.cache/cmpirun/images", home) : -1;
	if (len < 0 || (size_t)len >= size)
		return err_set(err, ENOENT, "there is no place for images: set HOME, or CMPIRUN_STORE to a folder");
	return 0;
}

static int make_folders(const char *path, struct err *err)
{
	AUTO_FREE char *copy = strdup(path);
	if (copy == NULL)
		return err_errno(err, ENOMEM, "store");
	for (char *at = copy + 1;; at++) {
		char saved = *at;
		if (saved != '/' && saved != '\0')
			continue;
		*at = '\0';
		if (mkdir(copy, saved ? 0755 : 0700) < 0 && errno != EEXIST && errno != EROFS)
			return err_errno(err, errno, "image store %s: make %s", path, copy);
		*at = saved;
		if (saved == '\0')
			return 0;
	}
}

static int check_owner(const struct store *store, struct err *err)
{
	struct stat st;
	if (fstat(store->fd, &st) < 0)
		return err_errno(err, errno, "image store %s", store->path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, EPERM, "image store %s belongs to user %u: not used; name one of your own "
			       "with --store or CMPIRUN_STORE", store->path, st.st_uid);
	if ((st.st_mode & 022) != 0)
		return err_set(err, EPERM, "image store %s can be written by others (mode %03o): not used; "
			       "chmod go-w it after a look at what is in it", store->path, st.st_mode & 0777);
	return 0;
}

static int store_new(const char *path, struct store **store, struct err *err)
{
	struct store *made = calloc(1, sizeof *made);
	if (made == NULL)
		return err_errno(err, ENOMEM, "store");
	made->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int failure = errno;
	made->path = made->fd < 0 ? strdup(path) : realpath(path, NULL);
	int rc = made->fd < 0 ? err_errno(err, failure, "image store %s", path)
		 : made->path == NULL ? err_errno(err, ENOMEM, "store") : 0;
	if (rc < 0)
		store_free(&made);
	else
		*store = made;
	return rc;
}

int store_open(const char *path, struct store **store, struct err *err)
{
	char place[4096];
	struct store *made = NULL;
	int rc = path ? 0 : default_path(place, sizeof place, err);
	if (rc == 0)
		rc = make_folders(path ? path : place, err);
	if (rc == 0)
		rc = store_new(path ? path : place, &made, err);
	if (rc == 0)
		rc = check_owner(made, err);
	for (size_t i = 0; rc == 0 && i < sizeof folders / sizeof folders[0]; i++)
		if (mkdirat(made->fd, folders[i], 0755) < 0 && errno != EEXIST)
			rc = err_errno(err, errno, "image store %s: make %s", made->path, folders[i]);
	if (rc < 0)
		store_free(&made);
	else
		*store = made;
	return rc;
}

int store_open_shared(const char *path, struct store **store, struct err *err)
{
	int rc = store_new(path, store, err);
	if (rc == 0)
		(*store)->is_shared = true;
	return rc;
}

void store_free(struct store **store)
{
	if (*store == NULL)
		return;
	close_fd(&(*store)->fd);
	free((*store)->path);
	free(*store);
	*store = NULL;
}

/* -- locks ---------------------------------------------------------------------- */

/* 0: locked, or the file system has no locks; -EBUSY; -errno. */
static int lock_fd(int fd, bool exclusive, bool wait)
{
	struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
	while (fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == EACCES)
			return -EBUSY;
		if (errno == ENOLCK || errno == ENOSYS || errno == EOPNOTSUPP || errno == EINVAL)
			return 0;  /* Lustre without -o flock, some FUSE file systems */
		return -errno;
	}
	return 0;
}

int store_lock(struct store *store, const char *name, bool exclusive, bool wait, int *fd,
	       struct err *err)
{
	char path[STORE_KEY_MAX + 16];
	snprintf(path, sizeof path, "locks/%s", name);
	AUTO_FD int lock = openat(store->fd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (lock < 0)
		return err_errno(err, errno, "image store %s: %s", store->path, path);
	int rc = lock_fd(lock, exclusive, wait);
	if (rc == -EBUSY)
		return rc;
	if (rc < 0)
		return err_errno(err, -rc, "image store %s: lock %s", store->path, path);
	*fd = take_fd(&lock);
	return 0;
}

/* -- blobs ---------------------------------------------------------------------- */

static void blob_path(const char *digest, char path[STORE_PATH_MAX])
{
	const char *hex = digest_hex(digest);
	snprintf(path, STORE_PATH_MAX, "blobs/%.*s/%s", (int)(hex - digest - 1), digest, hex);
}

static void partial_path(const char *digest, char path[STORE_PATH_MAX])
{
	snprintf(path, STORE_PATH_MAX, "partial/%s", digest_hex(digest));
}

int store_blob_open(struct store *store, const char *digest, int *fd, uint64_t *size)
{
	char path[STORE_PATH_MAX];
	struct stat st;
	if (!digest_is_valid(digest))
		return -EINVAL;
	blob_path(digest, path);
	AUTO_FD int blob = openat(store->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (blob < 0 || fstat(blob, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	if (!store->is_shared)
		futimens(blob, NULL);  /* it was used; our own file, but perhaps on a read-only mount */
	*size = (uint64_t)st.st_size;
	*fd = take_fd(&blob);
	return 0;
}

void store_blob_remove(struct store *store, const char *digest)
{
	char path[STORE_PATH_MAX];
	blob_path(digest, path);
	unlinkat(store->fd, path, 0);
}

static int write_all(int fd, const void *bytes, size_t len)
{
	for (const char *at = bytes; len > 0;) {
		ssize_t put = write(fd, at, len);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		at += put;
		len -= (size_t)put;
	}
	return 0;
}

int store_file_put(struct store *store, const char *path, const void *bytes, size_t len, bool sync,
		   struct err *err)
{
	char temporary[64];
	AUTO_FD int fd = -1;
	int rc = store_temporary_create(store, &fd, temporary, err);
	if (rc < 0)
		return rc;
	rc = write_all(fd, bytes, len);
	if (rc == 0 && sync && fsync(fd) < 0)
		rc = -errno;
	if (rc == 0 && fchmod(fd, 0444) < 0)
		rc = -errno;
	if (rc == 0 && renameat(store->fd, temporary, store->fd, path) < 0)
		rc = -errno;
	if (rc < 0) {
		unlinkat(store->fd, temporary, 0);
		return err_errno(err, -rc, "image store %s: write %s", store->path, path);
	}
	return 0;
}

int store_blob_put(struct store *store, const char *digest, const void *bytes, size_t len,
		   struct err *err)
{
	char path[STORE_PATH_MAX];
	blob_path(digest, path);
	return store_file_put(store, path, bytes, len, false, err);
}

int store_partial_open(struct store *store, const char *digest, int *fd, uint64_t *have,
		       struct err *err)
{
	char path[STORE_PATH_MAX];
	struct stat mine, named;
	partial_path(digest, path);
	AUTO_FD int partial = openat(store->fd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (partial < 0)
		return err_errno(err, errno, "image store %s: %s", store->path, path);
	int rc = lock_fd(partial, true, false);
	if (rc == -EBUSY)
		return rc;
	if (rc < 0)
		return err_errno(err, -rc, "image store %s: lock %s", store->path, path);
	/* Whoever had it before may have published or removed it between open and lock. */
	if (fstat(partial, &mine) < 0 || fstatat(store->fd, path, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    mine.st_ino != named.st_ino)
		return -EBUSY;
	*have = (uint64_t)mine.st_size;
	*fd = take_fd(&partial);
	return 0;
}

int store_partial_publish(struct store *store, const char *digest, struct err *err)
{
	char from[STORE_PATH_MAX], to[STORE_PATH_MAX];
	partial_path(digest, from);
	blob_path(digest, to);
	if (renameat(store->fd, from, store->fd, to) < 0)
		return err_errno(err, errno, "image store %s: %s", store->path, to);
	fchmodat(store->fd, to, 0444, 0);
	return 0;
}

void store_partial_remove(struct store *store, const char *digest)
{
	char path[STORE_PATH_MAX];
	partial_path(digest, path);
	unlinkat(store->fd, path, 0);
}

uint64_t store_free_bytes(const struct store *store)
{
	struct statvfs st;
	return fstatvfs(store->fd, &st) < 0 ? UINT64_MAX : (uint64_t)st.f_bavail * st.f_frsize;
}

/* -- images ---------------------------------------------------------------------- */

bool store_key_is_valid(const char *key)
{
	size_t len = strspn(key, "0123456789abcdefghijklmnopqrstuvwxyz-.");
	return len > 0 && len < STORE_KEY_MAX && key[len] == '\0' && key[0] != '.';
}

int store_temporary_create(struct store *store, int *fd, char temporary[64], struct err *err)
{
	for (int try = 0; try < 100; try++) {
		uint64_t random = 0;
		if (getentropy(&random, sizeof random) < 0)
			return err_errno(err, errno, "image store %s", store->path);
		snprintf(temporary, 64, "partial/tmp.%016llx", (unsigned long long)random);
		AUTO_FD int made = openat(store->fd, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (made < 0 && errno == EEXIST)
			continue;
		if (made < 0)
			return err_errno(err, errno, "image store %s: make a file", store->path);
		lock_fd(made, true, false);  /* gc takes what nobody holds */
		*fd = take_fd(&made);
		return 0;
	}
	return err_set(err, EEXIST, "image store %s: no free name for a file", store->path);
}

int store_image_create(struct store *store, int *fd, char temporary[64], struct err *err)
{
	*fd = openat(store->fd, "images", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	temporary[0] = '\0';
	if (*fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return err_errno(err, errno, "image store %s: make an image", store->path);
	return store_temporary_create(store, fd, temporary, err);  /* NFS */
}

void store_temporary_remove(struct store *store, const char *temporary)
{
	if (temporary[0] != '\0')
		unlinkat(store->fd, temporary, 0);
}

static void image_path(const char *key, const char *suffix, char path[STORE_PATH_MAX])
{
	snprintf(path, STORE_PATH_MAX, "images/%s%s", key, suffix);
}

static int give_name(struct store *store, int fd, const char *temporary, const char *path,
		     struct err *err)
{
	char link[64];
	/* One without .info is what is left of a killed publish or removal. */
	unlinkat(store->fd, path, 0);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	int rc = temporary[0] ? renameat(store->fd, temporary, store->fd, path)
			      : linkat(AT_FDCWD, link, store->fd, path, AT_SYMLINK_FOLLOW);
	return rc < 0 ? err_errno(err, errno, "image store %s: %s", store->path, path) : 0;
}

int store_image_publish(struct store *store, const struct store_image *image, int fd,
			const char *temporary, struct err *err)
{
	char path[STORE_PATH_MAX];
	AUTO_FREE char *info = NULL;
	if (!store_key_is_valid(image->key))
		return err_set(err, EINVAL, "\"%.100s\" is no key of an image", image->key);
	if (fchmod(fd, 0444) < 0 || fsync(fd) < 0)
		return err_errno(err, errno, "image store %s: write an image", store->path);
	int rc = store_image_info_new(image, &info, err);
	image_path(image->key, ".sqsh", path);
	if (rc == 0)
		rc = give_name(store, fd, temporary, path, err);
	image_path(image->key, ".info", path);
	return rc < 0 ? rc : store_file_put(store, path, info, strlen(info), true, err);
}

/* In a shared store: is this file one that we believe? */
static bool is_trusted(const struct store *store, const struct stat *st)
{
	return !store->is_shared || ((st->st_uid == 0 || st->st_uid == geteuid()) && (st->st_mode & 022) == 0);
}

int store_image_find(struct store *store, const char *key, struct store_image *image, struct err *err)
{
	char path[STORE_PATH_MAX];
	struct stat info, file;
	AUTO_BUF struct buf bytes = {0};
	if (!store_key_is_valid(key))
		return -ENOENT;
	image_path(key, ".sqsh", path);
	if (fstatat(store->fd, path, &file, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(file.st_mode))
		return -ENOENT;
	image_path(key, ".info", path);
	int rc = store_file_read(store, path, &bytes, &info);
	if (rc < 0 || !is_trusted(store, &file) || !is_trusted(store, &info))
		return -ENOENT;
	rc = store_image_info_parse(bytes.data, bytes.len, image, err);
	if (rc < 0)
		return err_prefix(err, "image store %s: %s", store->path, path);
	snprintf(image->key, sizeof image->key, "%s", key);
	image->used = info.st_mtim.tv_sec;
	return image->size == (uint64_t)file.st_size ? 0 : -ENOENT;
}

void store_image_touch(struct store *store, const char *key)
{
	char path[STORE_PATH_MAX];
	image_path(key, ".info", path);
	utimensat(store->fd, path, NULL, AT_SYMLINK_NOFOLLOW);
}

void store_image_remove(struct store *store, const char *key)
{
	static const char *const suffixes[] = {".info", ".sqsh", ".sqsh.cmpi"};
	char path[STORE_PATH_MAX];
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		image_path(key, suffixes[i], path);
		unlinkat(store->fd, path, 0);
	}
}

char *store_image_path_new(const struct store *store, const char *key, const char *suffix)
{
	char *path = NULL;
	return asprintf(&path, "%s/images/%s%s", store->path, key, suffix) < 0 ? NULL : path;
}
