/*
 * layout_tar.c - writes a tar of a directory (layout_tar.h): pax headers for whatever ustar cannot say.
 *
 * Walked by descriptor, without following symbolic links.  A file that changes its size while it is
 * read is an error: the image would be of no moment in time.
 */
#include "image/layout_tar.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/buf.h"
#include "common/cleanup.h"

enum { BLOCK = 512, PIECE = 256 << 10, DEPTH_MAX = 256, LINKS_KEPT_MAX = 1 << 20 };
enum { LINK_BUCKETS = 1 << 16 };  /* short chains up to LINKS_KEPT_MAX */

struct link_seen {
	dev_t device;
	ino_t inode;
	char *path;
	size_t next;  /* in its bucket: index + 1, or 0 */
};

struct writer {
	int fd;
	uint64_t len;
	struct buf out;
	struct link_seen *links;
	size_t link_count, link_room;
	size_t *link_buckets;  /* by inode: index + 1 of the last one kept, or 0; NULL until there is one */
	unsigned depth;
};

static int flush(struct writer *writer, struct err *err)
{
	const char *at = writer->out.data;
	size_t len = writer->out.len;
	if (writer->out.failed)
		return err_errno(err, ENOMEM, "tar");
	while (len > 0) {
		ssize_t put = write(writer->fd, at, len);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_errno(err, errno, "write");
		at += put;
		len -= (size_t)put;
	}
	writer->len += writer->out.len;
	writer->out.len = 0;
	return 0;
}

static void pad(struct writer *writer, uint64_t size)
{
	static const char zeros[BLOCK];
	if (size % BLOCK != 0)
		buf_add(&writer->out, zeros, BLOCK - size % BLOCK);
}

static void add_header(struct writer *writer, const char *name, char type, const struct stat *st,
		       uint64_t size)
{
	char header[BLOCK] = {0};
	unsigned sum = 0;
	uint64_t mtime = st->st_mtime > 0 ? (uint64_t)st->st_mtime : 0;
	snprintf(header, 100, "%.99s", name);
	snprintf(header + 100, 8, "%07o", st->st_mode & 07777);
	snprintf(header + 108, 8, "%07o", st->st_uid & 07777777);
	snprintf(header + 116, 8, "%07o", st->st_gid & 07777777);
	snprintf(header + 124, 12, "%011" PRIo64, size & 077777777777);
	snprintf(header + 136, 12, "%011" PRIo64, mtime & 077777777777);
	header[156] = type;
	memcpy(header + 257, "ustar\00000", 8);
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	buf_add(&writer->out, header, BLOCK);
}

/* "LEN key=value\n", where LEN counts itself. */
static void add_record(struct buf *records, const char *key, const void *value, size_t value_len)
{
	size_t body = 1 + strlen(key) + 1 + value_len + 1, len = body + 1;
	char digits[24];
	while ((size_t)snprintf(digits, sizeof digits, "%zu", len) + body != len)
		len = strlen(digits) + body;
	buf_printf(records, "%zu %s=", len, key);
	buf_add(records, value, value_len);
	buf_add(records, "\n", 1);
}

static void add_number(struct buf *records, const char *key, int64_t value)
{
	char text[32];
	snprintf(text, sizeof text, "%" PRId64, value);
	add_record(records, key, text, strlen(text));
}

static void add_xattrs(struct buf *records, int fd)
{
	char names[4096], value[65536], key[300];
	ssize_t len = fd < 0 ? 0 : flistxattr(fd, names, sizeof names);
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		if (strncmp(name, "user.", 5) != 0)
			continue;
		ssize_t got = fgetxattr(fd, name, value, sizeof value);
		snprintf(key, sizeof key, "SCHILY.xattr.%s", name);
		if (got >= 0)
			add_record(records, key, value, (size_t)got);
	}
}

static int add_member(struct writer *writer, const char *name, char type, const struct stat *st,
		      const char *target, int fd, struct err *err)
{
	AUTO_BUF struct buf records = {0};
	uint64_t size = type == '0' ? (uint64_t)st->st_size : 0;
	if (strlen(name) > 99)
		add_record(&records, "path", name, strlen(name));
	if (target != NULL)
		add_record(&records, "linkpath", target, strlen(target));
	if (size > 077777777777)
		add_number(&records, "size", (int64_t)size);
	if (st->st_uid > 07777777)
		add_number(&records, "uid", st->st_uid);
	if (st->st_gid > 07777777)
		add_number(&records, "gid", st->st_gid);
	if (st->st_mtime < 0 || st->st_mtime > 077777777777)
		add_number(&records, "mtime", st->st_mtime);
	if (type != '1')
		add_xattrs(&records, fd);
	if (records.failed)
		return err_errno(err, ENOMEM, "tar");
	if (records.len > 0) {
		add_header(writer, "pax", 'x', &(struct stat){.st_mode = 0644}, records.len);
		buf_add(&writer->out, records.data, records.len);
		pad(writer, records.len);
	}
	add_header(writer, name, type, st, size);
	return flush(writer, err);
}

static int add_data(struct writer *writer, const char *name, int fd, uint64_t size, struct err *err)
{
	for (uint64_t at = 0; at < size;) {
		char *room = buf_reserve(&writer->out, PIECE);
		if (room == NULL)
			return err_errno(err, ENOMEM, "tar");
		ssize_t got = pread(fd, room, size - at < PIECE ? size - at : PIECE, (off_t)at);
		if (got < 0)
			return err_errno(err, errno, "%s", name);
		if (got == 0)
			return err_set(err, ESTALE, "%s: it became shorter while it was read", name);
		writer->out.len += (size_t)got;
		at += (uint64_t)got;
		int rc = flush(writer, err);
		if (rc < 0)
			return rc;
	}
	pad(writer, size);
	return flush(writer, err);
}

static bool grow_links(struct writer *writer)
{
	if (writer->link_buckets == NULL)
		writer->link_buckets = calloc(LINK_BUCKETS, sizeof *writer->link_buckets);
	if (writer->link_buckets == NULL || writer->link_count >= LINKS_KEPT_MAX)
		return false;
	if (writer->link_count < writer->link_room)
		return true;
	size_t room = writer->link_room ? 2 * writer->link_room : 64;
	struct link_seen *bigger = realloc(writer->links, room * sizeof *bigger);
	if (bigger == NULL)
		return false;
	writer->links = bigger;
	writer->link_room = room;
	return true;
}

/* The path under which this inode was written before; NULL: not yet, and it is kept in mind. */
static const char *seen_before(struct writer *writer, const struct stat *st, const char *name)
{
	if (!grow_links(writer) && writer->link_buckets == NULL)
		return NULL;
	size_t *bucket = &writer->link_buckets[st->st_ino % LINK_BUCKETS];
	for (size_t at = *bucket; at != 0; at = writer->links[at - 1].next)
		if (writer->links[at - 1].device == st->st_dev && writer->links[at - 1].inode == st->st_ino)
			return writer->links[at - 1].path;
	char *path = writer->link_count < writer->link_room && writer->link_count < LINKS_KEPT_MAX
			     ? strdup(name) : NULL;
	if (path != NULL) {
		writer->links[writer->link_count++] = (struct link_seen){st->st_dev, st->st_ino, path, *bucket};
		*bucket = writer->link_count;
	}
	return NULL;
}

static int add_file(struct writer *writer, int parent, const char *entry, const char *name, struct err *err)
{
	struct stat st;
	AUTO_FD int fd = openat(parent, entry, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s", name);
	const char *first = st.st_nlink > 1 ? seen_before(writer, &st, name) : NULL;
	if (first != NULL)
		return add_member(writer, name, '1', &st, first, fd, err);
	int rc = add_member(writer, name, '0', &st, NULL, fd, err);
	return rc < 0 ? rc : add_data(writer, name, fd, (uint64_t)st.st_size, err);
}

static int add_link(struct writer *writer, int parent, const char *entry, const char *name,
		    const struct stat *st, struct err *err)
{
	char target[4096];
	ssize_t len = readlinkat(parent, entry, target, sizeof target - 1);
	if (len < 0)
		return err_errno(err, errno, "%s", name);
	target[len] = '\0';
	return add_member(writer, name, '2', st, target, -1, err);
}

static int walk(struct writer *writer, int take_directory, const char *path, struct err *err);

static int add_entry(struct writer *writer, int parent, const char *entry, const char *path,
		     struct err *err)
{
	AUTO_FREE char *name = NULL;
	struct stat st;
	if (fstatat(parent, entry, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    asprintf(&name, "%s%s%s", path, *path ? "/" : "", entry) < 0) {
		name = NULL;
		return err_errno(err, errno, "%s/%s", path, entry);
	}
	if (S_ISREG(st.st_mode))
		return add_file(writer, parent, entry, name, err);
	if (S_ISLNK(st.st_mode))
		return add_link(writer, parent, entry, name, &st, err);
	if (!S_ISDIR(st.st_mode))
		return 0;
	int fd = openat(parent, entry, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(err, errno, "%s", name);
	int rc = add_member(writer, name, '5', &st, NULL, fd, err);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return walk(writer, fd, name, err);
}

static int not_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);  /* whatever the locale */
}

static int walk(struct writer *writer, int take_directory, const char *path, struct err *err)
{
	AUTO_FD int fd = take_directory;
	struct dirent **names = NULL;
	if (writer->depth >= DEPTH_MAX)
		return err_set(err, ELOOP, "%s: deeper than %d directories", path, DEPTH_MAX);
	int count = scandirat(fd, ".", &names, not_dots, by_bytes), rc = 0;
	if (count < 0)
		return err_errno(err, errno, "%s", path);
	writer->depth++;
	for (int i = 0; i < count; i++) {
		if (rc == 0)
			rc = add_entry(writer, fd, names[i]->d_name, path, err);
		free(names[i]);
	}
	writer->depth--;
	free(names);
	return rc;
}

int layout_tar_write(const char *path, int out_fd, uint64_t *len, struct err *err)
{
	struct writer writer = {.fd = out_fd};
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	struct stat st;
	int rc = fstat(fd, &st) < 0 ? err_errno(err, errno, "%s", path)
				    : add_member(&writer, "./", '5', &st, NULL, fd, err);
	if (rc == 0)
		rc = walk(&writer, fd, "", err);
	else
		close(fd);
	if (rc == 0) {
		static const char end[2 * BLOCK];
		buf_add(&writer.out, end, sizeof end);
		rc = flush(&writer, err);
	}
	for (size_t i = 0; i < writer.link_count; i++)
		free(writer.links[i].path);
	free(writer.links);
	free(writer.link_buckets);
	buf_free(&writer.out);
	*len = writer.len;
	return rc < 0 ? err_prefix(err, "%s", path) : 0;
}
