/*
 * index_cache.c - IMAGE.abi and the user's cache (index_cache.h).
 *
 * Layout: magic, size, time, hash of the superblock's fields, then the packed index.
 *
 * Invariants: a file is written under another name and renamed, so a reader sees a whole one or
 * none; a broken one is as good as none.
 */
#include "mpi-abi/index_cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

/* The number goes up with the layout, and with what the index judges: families, roles, what matters. */
#define MAGIC "cmpirun abi index 2\n"

enum { FILE_SIZE_MAX = 1 << 30 };

/* FNV-1a over what tells one squashfs from another of the same size. */
static uint64_t super_hash(const struct squash_super *super)
{
	const uint64_t fields[] = {super->bytes_used,     super->inode_table, super->directory_table,
				   super->fragment_table, super->id_table,    super->root_inode,
				   super->inodes,         super->fragments,   super->block_size,
				   super->mtime,          super->flags,       super->compressor};
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < sizeof fields; i++)
		hash = (hash ^ ((const unsigned char *)fields)[i]) * 0x100000001b3u;
	return hash;
}

static void add_head(const struct image_file *image, struct buf *out)
{
	buf_add(out, MAGIC, strlen(MAGIC));
	buf_add_u64(out, image->size);
	buf_add_u64(out, (uint64_t)image->mtime_ns);
	buf_add_u64(out, super_hash(&image->super));
}

static int read_all(const char *file, char **bytes, size_t *len)
{
	struct stat st;
	AUTO_FD int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_SIZE_MAX)
		return -ENOENT;
	AUTO_FREE char *text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	for (*len = 0; *len < (size_t)st.st_size;) {
		ssize_t got = read(fd, text + *len, (size_t)st.st_size - *len);
		if (got <= 0)
			return -ENOENT;
		*len += (size_t)got;
	}
	*bytes = take_ptr(&text);
	return 0;
}

int index_cache_read(const struct image_file *image, const char *file, struct image_index **index,
		     struct err *err)
{
	AUTO_FREE char *bytes = NULL;
	AUTO_BUF struct buf head = {0};
	struct err ignored;
	size_t len;
	if (read_all(file, &bytes, &len) < 0)
		return -ENOENT;
	add_head(image, &head);
	if (head.failed)
		return err_set(err, ENOMEM, "no memory for the index of the image");
	if (len < head.len || memcmp(bytes, head.data, head.len) != 0)
		return -ENOENT;
	struct cursor in = cursor_of(bytes + head.len, len - head.len);
	int rc = image_index_parse(&in, index, &ignored);
	if (rc == -ENOMEM)
		return err_set(err, ENOMEM, "%s", ignored.text);
	return rc < 0 ? -ENOENT : 0;
}

/* An index says what is bound over what: it must come from somebody who could do worse anyway. */
static bool is_trusted(const struct image_file *image, const char *file)
{
	struct stat of_index, of_image;
	return stat(file, &of_index) == 0 && fstat(image->fd, &of_image) == 0 &&
	       (of_index.st_uid == 0 || of_index.st_uid == getuid() || of_index.st_uid == of_image.st_uid);
}

static int write_all(int fd, const struct buf *bytes)
{
	for (size_t done = 0; done < bytes->len;) {
		ssize_t put = write(fd, bytes->data + done, bytes->len - done);
		if (put < 0)
			return -errno;
		done += (size_t)put;
	}
	return 0;
}

int index_cache_write(const struct image_file *image, const struct image_index *index,
		      const char *file, struct err *err)
{
	AUTO_BUF struct buf bytes = {0};
	AUTO_FREE char *other = NULL;
	add_head(image, &bytes);
	image_index_pack(index, &bytes);
	if (bytes.failed || asprintf(&other, "%s.XXXXXX", file) < 0)
		return err_set(err, ENOMEM, "no memory for the index of the image");
	AUTO_FD int fd = mkostemp(other, O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "make a file beside %s", file);
	int rc = write_all(fd, &bytes);
	if (rc == 0 && (fchmod(fd, 0644) < 0 || rename(other, file) < 0))
		rc = -errno;
	if (rc == 0)
		return 0;
	unlink(other);
	return err_errno(err, -rc, "write %s", file);
}

char *index_cache_dir_new(const char *xdg_cache_home, const char *home)
{
	char *dir = NULL;
	int rc = -1;
	if (xdg_cache_home && xdg_cache_home[0] == '/')
		rc = asprintf(&dir, "%s/cmpirun/abi", xdg_cache_home);
	else if (home && home[0] == '/')
		rc = asprintf(&dir, "%s/.cache/cmpirun/abi", home);
	return rc < 0 ? NULL : dir;
}

/* The last three names of the path are made when they are missing; a failure shows later. */
static void make_dirs(const char *dir)
{
	AUTO_FREE char *path = strdup(dir);
	char *cuts[3] = {0};
	for (int i = 0; path && i < 2; i++) {
		cuts[i] = strrchr(path, '/');
		if (!cuts[i] || cuts[i] == path)
			break;
		*cuts[i] = '\0';
	}
	for (int i = 1; path && i >= 0; i--) {
		mkdir(path, 0700);
		if (cuts[i])
			*cuts[i] = '/';
	}
	if (path)
		mkdir(path, 0700);
}

static char *cache_file_new(const struct image_file *image, const char *dir)
{
	char *file = NULL;
	if (!dir || asprintf(&file, "%s/%016llx-%llx-%llx.abi", dir,
			     (unsigned long long)super_hash(&image->super),
			     (unsigned long long)image->size, (unsigned long long)image->mtime_ns) < 0)
		return NULL;
	return file;
}

static int make_index(const struct image_file *image, const char *path, struct image_index **index,
		      struct err *err)
{
	struct squash *squash = NULL;
	int rc = squash_open(image->fd, &squash, err);
	if (rc == 0)
		rc = image_index_new(squash, index, err);
	squash_free(&squash);
	return rc < 0 ? err_prefix(err, "image %s", path) : 0;
}

int index_cache_get(const struct image_file *image, const char *path, const char *cache_dir,
		    struct image_index **index, enum index_origin *origin, struct err *err)
{
	struct err ignored;
	AUTO_FREE char *beside = NULL, *cached = cache_file_new(image, cache_dir);
	if (asprintf(&beside, "%s.abi", path) < 0) {
		beside = NULL;
		return err_set(err, ENOMEM, "no memory for the index of the image");
	}
	*origin = INDEX_BESIDE;
	int rc = is_trusted(image, beside) ? index_cache_read(image, beside, index, err) : -ENOENT;
	if (rc == -ENOENT && cached) {
		*origin = INDEX_CACHED;
		rc = index_cache_read(image, cached, index, err);
	}
	if (rc != -ENOENT)
		return rc;
	*origin = INDEX_MADE;
	rc = make_index(image, path, index, err);
	if (rc == 0 && cached) {
		make_dirs(cache_dir);
		(void)index_cache_write(image, *index, cached, &ignored);
	}
	return rc;
}
