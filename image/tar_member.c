/*
 * tar_member.c - looks through a tar for one member (tar_member.h).
 *
 * The parsers are pushed: what ends them early, when the member is whole, is an error of our own
 * (-ECANCELED with `whole` set), which nobody sees.
 */
#include "image/tar_member.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "image/layer_tar.h"
#include "image/layer_unzip.h"

enum { READ = 256 << 10 };

struct looking {
	struct layer_tar *tar;
	const char *name;
	size_t most;
	uint64_t left;      /* bytes of it to come */
	bool here, whole;
	struct buf *bytes;
};

static int on_entry(void *context, const struct layer_entry *entry, struct err *err)
{
	struct looking *looking = context;
	const char *path = entry->path;
	while (strncmp(path, "./", 2) == 0 || *path == '/')
		path += *path == '/' ? 1 : 2;
	if (!S_ISREG(entry->mode) || entry->hard_link || entry->segments || strcmp(path, looking->name) != 0)
		return 0;
	if (entry->size > looking->most)
		return err_set(err, EFBIG, "%s has %llu bytes, more than %zu", looking->name,
			       (unsigned long long)entry->size, looking->most);
	looking->here = true;
	looking->left = entry->stored;
	looking->whole = looking->left == 0;
	return looking->whole ? -ECANCELED : 0;
}

static int on_data(void *context, const void *data, size_t len, struct err *err)
{
	struct looking *looking = context;
	if (!looking->here)
		return 0;
	buf_add(looking->bytes, data, len);
	if (looking->bytes->failed)
		return err_set(err, ENOMEM, "no memory for %s", looking->name);
	looking->left -= len;
	looking->whole = looking->left == 0;
	return looking->whole ? -ECANCELED : 0;
}

static int on_plain(void *context, const void *data, size_t len, struct err *err)
{
	struct looking *looking = context;
	return layer_tar_feed(looking->tar, data, len, err);
}

static int look(int fd, struct looking *looking, struct layer_unzip *unzip, struct err *err)
{
	AUTO_FREE char *piece = malloc(READ);
	int rc = piece && unzip && looking->tar ? 0 : err_set(err, ENOMEM, "no memory to read a tar");
	for (uint64_t at = 0; rc == 0;) {
		ssize_t got = pread(fd, piece, READ, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "read");
		if (got == 0)
			break;
		at += (uint64_t)got;
		rc = layer_unzip_feed(unzip, piece, (size_t)got, err);
	}
	if (rc == 0)
		rc = layer_unzip_end(unzip, err);
	return rc < 0 ? rc : layer_tar_end(looking->tar, err);
}

int tar_member_read(int fd, const char *name, size_t most, struct buf *bytes, struct err *err)
{
	struct looking looking = {.name = name, .most = most, .bytes = bytes};
	const struct layer_tar_sink sink = {on_entry, on_data, &looking};
	AUTO_CALL(layer_tar_free) struct layer_tar *tar = layer_tar_new(&sink);
	AUTO_CALL(layer_unzip_free) struct layer_unzip *unzip = layer_unzip_new(on_plain, &looking);
	looking.tar = tar;
	int rc = look(fd, &looking, unzip, err);
	if (looking.whole)
		return 0;
	return rc < 0 ? rc : err_set(err, ENOENT, "there is no %s in it", name);
}
