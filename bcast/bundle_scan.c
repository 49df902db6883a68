/*
 * bundle_scan.c - walks directories by fts(3), in the order of names (bundle_scan.h).
 *
 * In: paths.  Out: entries, parents first.  Nothing is opened but directories.
 *
 * A file with several names in one tree is read once: later names become hard links.
 */
#include "bcast/bundle_scan.h"

#include <fts.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"

/* A file that has other names. */
struct seen {
	dev_t device;
	ino_t inode;
	char *path;
};

struct scan {
	struct bundle *bundle;
	size_t *skipped;
	void *seen;  /* a tree of struct seen */
};

static int compare_seen(const void *a, const void *b)
{
	const struct seen *one = a, *other = b;
	if (one->device != other->device)
		return one->device < other->device ? -1 : 1;
	return one->inode < other->inode ? -1 : one->inode > other->inode;
}

static void free_seen(void *item)
{
	struct seen *seen = item;
	free(seen->path);
	free(seen);
}

static int compare_names(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* *earlier: the path under which the file has come before, or NULL. */
static int look_up(struct scan *scan, const struct stat *st, const char *path, const char **earlier,
		   struct err *err)
{
	*earlier = NULL;
	struct seen *mine = calloc(1, sizeof *mine);
	if (mine == NULL || (mine->path = strdup(path)) == NULL) {
		free(mine);
		return err_errno(err, ENOMEM, "%s", path);
	}
	mine->device = st->st_dev;
	mine->inode = st->st_ino;
	struct seen **found = tsearch(mine, &scan->seen, compare_seen);
	if (found == NULL || *found != mine) {
		*earlier = found == NULL ? NULL : (*found)->path;
		free_seen(mine);
	}
	return found == NULL ? err_errno(err, ENOMEM, "%s", path) : 0;
}

static int add_file(struct scan *scan, const FTSENT *found, struct bundle_entry *entry, struct err *err)
{
	const char *earlier = NULL;
	entry->kind = BUNDLE_FILE;
	entry->size = (uint64_t)found->fts_statp->st_size;
	if (found->fts_statp->st_nlink > 1 && entry->path[0] != '\0') {
		int rc = look_up(scan, found->fts_statp, entry->path, &earlier, err);
		if (rc < 0)
			return rc;
	}
	if (earlier == NULL)
		return bundle_add(scan->bundle, entry, err);
	entry->kind = BUNDLE_HARDLINK;
	entry->size = 0;
	entry->target = (char *)earlier;
	return bundle_add(scan->bundle, entry, err);
}

static int add_link(struct scan *scan, const FTSENT *found, struct bundle_entry *entry, struct err *err)
{
	char target[PATH_MAX];
	ssize_t len = readlink(found->fts_accpath, target, sizeof target - 1);
	if (len < 0)
		return err_errno(err, errno, "read the link %s", found->fts_path);
	target[len] = '\0';
	entry->kind = BUNDLE_SYMLINK;
	entry->target = target;
	return bundle_add(scan->bundle, entry, err);
}

static int add_found(struct scan *scan, const FTSENT *found, size_t root_len, struct err *err)
{
	const struct stat *st = found->fts_statp;
	const char *path = found->fts_path + (found->fts_level == 0 ? strlen(found->fts_path) : root_len);
	struct bundle_entry entry = {
		.path = (char *)path + (path[0] == '/'),
		.mode = st->st_mode & 07777,
		.mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
	};
	switch (found->fts_info) {
	case FTS_DP:
		return 0;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return err_errno(err, found->fts_errno, "read %s", found->fts_path);
	case FTS_DC:
		return err_set(err, ELOOP, "%s contains itself", found->fts_path);
	case FTS_D:
		entry.kind = BUNDLE_DIRECTORY;
		return bundle_add(scan->bundle, &entry, err);
	case FTS_F:
		return add_file(scan, found, &entry, err);
	case FTS_SL:
	case FTS_SLNONE:
		if (found->fts_level > 0)
			return add_link(scan, found, &entry, err);
		return err_set(err, ENOENT, "%s is a link to nothing", found->fts_path);
	}
	if (found->fts_level == 0)
		return err_set(err, EINVAL, "%s is not a regular file or a directory, its size is not known before "
			       "it is read; copy it to a file first", found->fts_path);
	++*scan->skipped;
	return 0;
}

/* What the source is called at its destination: "x" for x, a/x and x/; the directory's own for "." */
static int name_of(const char *path, char name[NAME_MAX + 1], struct err *err)
{
	AUTO_FREE char *real = NULL;
	const char *end = path + strlen(path);
	while (end > path && end[-1] == '/')
		end--;
	const char *start = end;
	while (start > path && start[-1] != '/')
		start--;
	size_t len = (size_t)(end - start);
	bool dots = len == 0 || (len <= 2 && strspn(start, ".") >= len);
	if (dots) {
		real = realpath(path, NULL);
		if (real == NULL)
			return err_errno(err, errno, "%s", path);
		start = strrchr(real, '/') + 1;
		len = strlen(start);
		if (len == 0)
			return err_set(err, EINVAL, "%s has no name; name the directories below it", path);
	}
	if (len > NAME_MAX)
		return err_errno(err, ENAMETOOLONG, "%.100s...", path);
	memcpy(name, start, len);
	name[len] = '\0';
	return 0;
}

static int scan_one(struct scan *scan, const char *path, struct err *err)
{
	char *const roots[] = {(char *)path, NULL};
	char name[NAME_MAX + 1];
	const FTSENT *found;
	struct stat st;
	if (stat(path, &st) < 0)
		return errno == ENOENT ? err_set(err, ENOENT, "%s does not exist", path)
				       : err_errno(err, errno, "%s", path);
	int rc = name_of(path, name, err);
	for (size_t i = 0; rc == 0 && i < scan->bundle->item_count; i++)
		if (strcmp(scan->bundle->items[i].name, name) == 0)
			rc = err_set(err, EEXIST, "%s and %s would get the same name; copy them one after the other",
				     scan->bundle->items[i].source, path);
	if (rc == 0)
		rc = bundle_add_item(scan->bundle, path, name, err);
	if (rc < 0)
		return rc;
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_COMFOLLOW, compare_names);
	if (walk == NULL)
		return err_errno(err, errno, "read %s", path);
	while (rc == 0 && (errno = 0, found = fts_read(walk)) != NULL)
		rc = add_found(scan, found, strlen(path), err);
	if (rc == 0 && errno != 0)
		rc = err_errno(err, errno, "read %s", path);
	fts_close(walk);
	return rc;
}

int bundle_scan(char *const *paths, size_t count, struct bundle *bundle, size_t *skipped,
		struct err *err)
{
	int rc = 0;
	*bundle = (struct bundle){0};
	*skipped = 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct scan scan = {.bundle = bundle, .skipped = skipped};
		rc = scan_one(&scan, paths[i], err);
		tdestroy(scan.seen, free_seen);
	}
	return rc < 0 ? rc : bundle_lay_out(bundle, err);
}
