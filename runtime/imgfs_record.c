/*
 * imgfs_record.c - first touches become lines of a boot profile (imgfs_record.h).
 *
 * A file of the image has no name in the server: the kernel asks by inode numbers.  So names are
 * remembered as they are looked up, each with its directory, and a path is put together when a line
 * needs it.  Parts of the image file are bits of a map that grows.
 *
 * Written line by line: the server is killed when the run ends.
 */
#include "runtime/imgfs_record.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "runtime/imgfs_profile.h"

enum { DEPTH_MAX = 256, BUCKETS = 1 << 14 };

struct file {
	uint64_t ino;
	struct file *parent, *same_bucket;
	bool touched;
	char name[];
};

struct imgfs_record {
	pthread_mutex_t lock;
	int fd;
	uint64_t order, bytes_written;
	uint8_t *parts;             /* a bit each */
	uint64_t part_bytes;
	struct file *buckets[BUCKETS];
	size_t files, name_bytes;
	struct imgfs_profile_line line;
	char text[IMGFS_PROFILE_LINE_MAX];
};

/* ---- names ---- */

static struct file **bucket_of(struct imgfs_record *record, uint64_t ino)
{
	return &record->buckets[(ino * 0x9e3779b97f4a7c15u) >> 32 & (BUCKETS - 1)];
}

static struct file *file_find(struct imgfs_record *record, uint64_t ino)
{
	struct file *file = *bucket_of(record, ino);
	while (file != NULL && file->ino != ino)
		file = file->same_bucket;
	return file;
}

static struct file *file_add(struct imgfs_record *record, struct file *parent, const char *name,
			     uint64_t ino)
{
	size_t len = strlen(name) + 1;
	if (record->files >= IMGFS_RECORD_FILES_MAX ||
	    record->name_bytes + len > IMGFS_RECORD_PATH_BYTES_MAX)
		return NULL;
	struct file *file = calloc(1, sizeof *file + len);
	if (file == NULL)
		return NULL;
	struct file **bucket = bucket_of(record, ino);
	file->ino = ino;
	file->parent = parent;
	memcpy(file->name, name, len);
	file->same_bucket = *bucket;
	*bucket = file;
	record->files++;
	record->name_bytes += len;
	return file;
}

void imgfs_record_name(struct imgfs_record *record, uint64_t parent, const char *name, uint64_t ino)
{
	pthread_mutex_lock(&record->lock);
	struct file *directory = file_find(record, parent);
	/* A file with several links keeps the name that it was first looked up by. */
	if (directory != NULL && file_find(record, ino) == NULL)
		file_add(record, directory, name, ino);
	pthread_mutex_unlock(&record->lock);
}

/* false: too deep or too long. */
static bool path_of(const struct file *file, char path[IMGFS_PROFILE_PATH_MAX])
{
	const struct file *chain[DEPTH_MAX];
	size_t depth = 0, used = 0;
	for (; file->parent != NULL; file = file->parent) {
		if (depth == DEPTH_MAX)
			return false;
		chain[depth++] = file;
	}
	while (depth > 0) {
		size_t len = strlen(chain[--depth]->name);
		if (used + 1 + len >= IMGFS_PROFILE_PATH_MAX)
			return false;
		path[used] = '/';
		memcpy(path + used + 1, chain[depth]->name, len);
		used += 1 + len;
	}
	path[used] = '\0';
	return true;
}

/* ---- touches ---- */

static bool parts_make_room(struct imgfs_record *record, uint64_t bytes)
{
	if (bytes <= record->part_bytes)
		return true;
	uint64_t size = bytes * 2;
	uint8_t *parts = realloc(record->parts, size);
	if (parts == NULL)
		return false;
	memset(parts + record->part_bytes, 0, size - record->part_bytes);
	record->parts = parts;
	record->part_bytes = size;
	return true;
}

/* Marks the parts of a range; true if one is new. */
static bool parts_mark(struct imgfs_record *record, uint64_t at, uint64_t len)
{
	uint64_t first = at / IMGFS_RECORD_GRAIN, last = (at + len - 1) / IMGFS_RECORD_GRAIN;
	bool new = false;
	if (!parts_make_room(record, last / 8 + 1))
		return false;
	for (uint64_t part = first; part <= last; part++) {
		uint8_t bit = (uint8_t)(1u << part % 8);
		new = new || (record->parts[part / 8] & bit) == 0;
		record->parts[part / 8] |= bit;
	}
	return new;
}

static void line_write(struct imgfs_record *record)
{
	int len = imgfs_profile_write(&record->line, record->text);
	if (len < 0 || record->bytes_written + (uint64_t)len > IMGFS_RECORD_BYTES_MAX)
		return;
	/* A full disk is not the run's business: the profile is short then. */
	if (write(record->fd, record->text, (size_t)len) != len)
		return;
	record->order++;
	record->bytes_written += (uint64_t)len;
}

void imgfs_record_touch(struct imgfs_record *record, uint64_t ino, uint64_t at, uint64_t len)
{
	if (len == 0 || at > (1ull << 50) || len > (1ull << 32))
		return;
	pthread_mutex_lock(&record->lock);
	struct file *file = ino != 0 ? file_find(record, ino) : NULL;
	bool new_file = file != NULL && !file->touched;
	bool new_part = parts_mark(record, at, len);
	record->line = (struct imgfs_profile_line){.order = record->order, .offset = at, .length = len};
	/* A path that cannot be written is left out; the part is worth a line all the same. */
	bool named = file != NULL && path_of(file, record->line.path);
	if (!named)
		record->line.path[0] = '\0';
	if (new_part || (new_file && named))
		line_write(record);
	if (file != NULL)
		file->touched = true;
	pthread_mutex_unlock(&record->lock);
}

/* ---- begin and end ---- */

int imgfs_record_new(int fd, uint64_t root, struct imgfs_record **out, struct err *err)
{
	AUTO_CALL(imgfs_record_free) struct imgfs_record *record = calloc(1, sizeof *record);
	if (record == NULL)
		return err_errno(err, ENOMEM, "record what is read");
	pthread_mutex_init(&record->lock, NULL);
	record->fd = fd;
	if (file_add(record, NULL, "", root) == NULL)
		return err_errno(err, ENOMEM, "record what is read");
	if (write(fd, IMGFS_PROFILE_HEAD, strlen(IMGFS_PROFILE_HEAD)) < 0)
		return err_errno(err, errno, "record what is read");
	*out = take_ptr(&record);
	return 0;
}

void imgfs_record_free(struct imgfs_record **where)
{
	struct imgfs_record *record = take_ptr(where);
	if (record == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct file *file = record->buckets[i]; file != NULL;) {
			struct file *next = file->same_bucket;
			free(file);
			file = next;
		}
	}
	pthread_mutex_destroy(&record->lock);
	free(record->parts);
	free(record);
}
