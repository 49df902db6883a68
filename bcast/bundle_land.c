/*
 * bundle_land.c - makes the files of a bundle (bundle_land.h).
 *
 * In: a list that is safe by shape (bundle.h), later a row of bytes.  Out: files.
 *
 * The list comes from another node.  So below the temporary directory of a tree every name is resolved
 * by openat2(2), which neither leaves that directory nor follows a link, and made with O_EXCL; nothing
 * that exists is opened for writing.
 *
 * Large files are mapped into the row, so their bytes need no memory twice; small ones are written from
 * it, and their part of the memory is given back as that goes on.
 *
 * Modes and times are set last, directories from the deepest: before that a directory without
 * permission to write would be in our own way, and in that of the removal of an unfinished tree.
 */
#include "bcast/bundle_land.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file_read.h"

enum { GIVE_BACK = 16 << 20 };

/* Below the directory, by no link; a descriptor or -errno. */
static int open_below(int dir_fd, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? 0600 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	for (;;) {
		long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
		if (fd >= 0)
			return (int)fd;
		/* EAGAIN: something was renamed meanwhile (openat2(2)). */
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

static const struct destination *home(const struct bundle_land *land, const struct bundle_entry *entry)
{
	return &land->destinations[entry->item];
}

static int fail(const struct bundle_land *land, const struct bundle_entry *entry, int number,
		const char *what, struct err *err)
{
	return err_errno(err, number, "%s %s%s%s", what, home(land, entry)->path,
			 entry->path[0] == '\0' ? "" : "/", entry->path);
}

/* The directory that an entry is in, and its last name. */
static int open_parent(const struct bundle_land *land, const struct bundle_entry *entry, const char **name)
{
	const char *slash = strrchr(entry->path, '/');
	char parent[PATH_MAX] = ".";
	*name = slash == NULL ? entry->path : slash + 1;
	if (slash != NULL)
		snprintf(parent, sizeof parent, "%.*s", (int)(slash - entry->path), entry->path);
	return open_below(home(land, entry)->fd, parent, O_PATH | O_DIRECTORY);
}

/* A descriptor of the entry's file, the caller's; flags: O_CREAT | O_EXCL | O_RDWR or O_RDONLY. */
static int open_file(const struct bundle_land *land, const struct bundle_entry *entry, int flags)
{
	if (entry->path[0] != '\0')
		return open_below(home(land, entry)->fd, entry->path, flags);
	int fd = fcntl(home(land, entry)->fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* -- before the bytes come ------------------------------------------------------------------- */

static int make_directory(const struct bundle_land *land, const struct bundle_entry *entry,
			  struct err *err)
{
	const char *name;
	AUTO_FD int parent = open_parent(land, entry, &name);
	if (parent < 0)
		return fail(land, entry, -parent, "create", err);
	return mkdirat(parent, name, 0700) == 0 ? 0 : fail(land, entry, errno, "create", err);
}

static int make_part(struct bundle_land *land, const struct bundle_entry *entry, struct err *err)
{
	AUTO_FD int fd = open_file(land, entry, O_CREAT | O_EXCL | O_RDWR);
	if (fd < 0)
		return fail(land, entry, -fd, "create", err);
	int rc = landing_place(&land->landing, entry->offset, fd, entry->size, err);
	return rc < 0 && land->bundle->entry_count > 1 ? err_prefix(err, "%s/%s", home(land, entry)->path,
								      entry->path) : rc;
}

/* What the small files need is not allocated ahead, but looked for. */
static int check_room(const struct bundle_land *land, struct err *err)
{
	uint64_t need = land->bundle->size - land->bundle->parts_end;
	struct statfs fs;
	if (need == 0 || fstatfs(land->destinations[0].dir_fd, &fs) < 0 ||
	    need / (uint64_t)fs.f_bsize < (uint64_t)fs.f_bavail)
		return 0;
	return err_set(err, ENOSPC, "the small files need %llu MiB, the file system of %s has %llu MiB free; make "
		       "room or choose another place", (unsigned long long)(need >> 20),
		       land->destinations[0].path,
		       (unsigned long long)fs.f_bavail * (unsigned long long)fs.f_bsize >> 20);
}

static int open_items(struct bundle_land *land, const char *path, struct err *err)
{
	const struct bundle *bundle = land->bundle;
	struct rlimit files;
	struct stat st;
	int rc = 0;
	if (bundle->item_count > 1 && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
		return err_set(err, ENOTDIR, "%s is not a directory that is there; several sources need one", path);
	/* Two for each item. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	for (size_t i = 0; rc == 0 && i < bundle->item_count; i++) {
		const struct bundle_item *item = &bundle->items[i];
		bool tree = bundle->entries[item->first].kind == BUNDLE_DIRECTORY;
		rc = (tree ? destination_open_tree : destination_open)(path, item->name,
								       &land->destinations[i], err);
	}
	return rc;
}

int bundle_land_open(const struct bundle *bundle, const char *path, struct bundle_land *land,
		     struct err *err)
{
	*land = (struct bundle_land){.bundle = bundle};
	land->destinations = calloc(bundle->item_count, sizeof *land->destinations);
	if (land->destinations == NULL)
		return err_errno(err, ENOMEM, "%zu files", bundle->item_count);
	for (size_t i = 0; i < bundle->item_count; i++)
		land->destinations[i] = (struct destination){.dir_fd = -1, .fd = -1};
	int rc = open_items(land, path, err);
	if (rc == 0)
		rc = check_room(land, err);
	if (rc == 0)
		rc = landing_open_memory(bundle->size, bundle->size - bundle->parts_end, &land->landing, err);
	for (size_t i = 0; rc == 0 && i < bundle->entry_count; i++) {
		const struct bundle_entry *entry = &bundle->entries[i];
		if (entry->kind == BUNDLE_DIRECTORY && entry->path[0] != '\0')
			rc = make_directory(land, entry, err);
		else if (entry->part)
			rc = make_part(land, entry, err);
	}
	return rc;
}

/* -- when they are here ---------------------------------------------------------------------- */

static int write_file(const struct bundle_land *land, const struct bundle_entry *entry, struct err *err)
{
	AUTO_FD int fd = open_file(land, entry, O_CREAT | O_EXCL | O_RDWR);
	if (fd < 0)
		return fail(land, entry, -fd, "create", err);
	for (uint64_t done = 0; done < entry->size;) {
		ssize_t some = pwrite(fd, land->landing.base + entry->offset + done, entry->size - done,
				      (off_t)done);
		if (some < 0 && errno == EINTR)
			continue;
		if (some <= 0)
			return fail(land, entry, some < 0 ? errno : EIO, "write", err);
		done += (uint64_t)some;
	}
	return 0;
}

static int make_link(const struct bundle_land *land, const struct bundle_entry *entry, struct err *err)
{
	const char *name;
	AUTO_FD int parent = open_parent(land, entry, &name);
	if (parent < 0)
		return fail(land, entry, -parent, "create", err);
	if (entry->kind == BUNDLE_SYMLINK)
		return symlinkat(entry->target, parent, name) == 0 ? 0
								   : fail(land, entry, errno, "create", err);
	const struct bundle_entry target = {.item = entry->item, .path = entry->target};
	const char *target_name;
	AUTO_FD int target_parent = open_parent(land, &target, &target_name);
	if (target_parent < 0)
		return fail(land, entry, -target_parent, "link", err);
	return linkat(target_parent, target_name, parent, name, 0) == 0 ? 0
									: fail(land, entry, errno, "link", err);
}

static int write_small(struct bundle_land *land, struct err *err)
{
	const struct bundle *bundle = land->bundle;
	uint64_t given_back = bundle->parts_end;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < bundle->row_count; i++) {
		const struct bundle_entry *entry = &bundle->entries[bundle->row[i]];
		if (entry->part)
			continue;
		rc = write_file(land, entry, err);
		uint64_t end = (entry->offset + entry->size) / BUNDLE_ALIGN * BUNDLE_ALIGN;
		if (end < given_back + GIVE_BACK)
			continue;
		madvise(land->landing.base + given_back, (size_t)(end - given_back), MADV_DONTNEED);
		given_back = end;
	}
	return rc;
}

int bundle_land_unpack(struct bundle_land *land, struct err *err)
{
	const struct bundle *bundle = land->bundle;
	int rc = write_small(land, err);
	for (size_t i = 0; rc == 0 && i < bundle->entry_count; i++) {
		const struct bundle_entry *entry = &bundle->entries[i];
		if (entry->kind == BUNDLE_FILE && entry->size == 0)
			rc = write_file(land, entry, err);
	}
	for (size_t i = 0; rc == 0 && i < bundle->entry_count; i++) {
		const struct bundle_entry *entry = &bundle->entries[i];
		if (entry->kind == BUNDLE_SYMLINK || entry->kind == BUNDLE_HARDLINK)
			rc = make_link(land, entry, err);
	}
	/* A mapping that is written to sets the file's time. */
	landing_close(&land->landing);
	return rc;
}

static int reread_file(const struct bundle_land *land, const struct bundle_entry *entry, struct err *err)
{
	AUTO_FD int fd = open_file(land, entry, O_RDONLY);
	if (fd < 0)
		return fail(land, entry, -fd, "open", err);
	/* Only pages that are on the disk can be dropped from memory. */
	if (fsync(fd) < 0)
		return fail(land, entry, errno, "sync", err);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	char *at = land->landing.base + entry->offset;
	if (entry->part && mmap(at, (size_t)entry->size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		return fail(land, entry, errno, "map", err);
	ssize_t got = entry->part ? 0 : file_read_at(fd, at, (size_t)entry->size, 0);
	if (entry->part || (got >= 0 && (uint64_t)got == entry->size))
		return 0;
	return fail(land, entry, got < 0 ? (int)-got : ENODATA, "read back", err);
}

int bundle_land_reread(struct bundle_land *land, struct err *err)
{
	const struct bundle *bundle = land->bundle;
	landing_close(&land->landing);
	int rc = landing_open_memory(bundle->size, bundle->size - bundle->parts_end, &land->landing, err);
	for (size_t i = 0; rc == 0 && i < bundle->row_count; i++)
		rc = reread_file(land, &bundle->entries[bundle->row[i]], err);
	return rc;
}

/* -- the end --------------------------------------------------------------------------------- */

static int set_attributes(const struct bundle_land *land, const struct bundle_entry *entry,
			  struct err *err)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
					  {.tv_sec = entry->mtime_s, .tv_nsec = (long)entry->mtime_ns}};
	AUTO_FD int fd = open_below(home(land, entry)->fd, entry->path, O_RDONLY);
	if (fd < 0)
		return fail(land, entry, -fd, "open", err);
	if (fchmod(fd, entry->mode & 0777) < 0)
		return fail(land, entry, errno, "chmod", err);
	return futimens(fd, times) == 0 ? 0 : fail(land, entry, errno, "set the time of", err);
}

static int commit_item(struct bundle_land *land, size_t index, struct err *err)
{
	const struct bundle_item *item = &land->bundle->items[index];
	const struct bundle_entry *entries = &land->bundle->entries[item->first];
	const struct timespec mtime = {.tv_sec = entries->mtime_s, .tv_nsec = (long)entries->mtime_ns};
	int rc = 0;
	for (size_t i = item->count; rc == 0 && i-- > 1;)
		if (entries[i].kind == BUNDLE_FILE || entries[i].kind == BUNDLE_DIRECTORY)
			rc = set_attributes(land, &entries[i], err);
	return rc < 0 ? rc : destination_commit(&land->destinations[index], entries->mode, &mtime, err);
}

int bundle_land_commit(struct bundle_land *land, struct err *err)
{
	int rc = 0;
	landing_close(&land->landing);
	for (size_t i = 0; rc == 0 && i < land->bundle->item_count; i++)
		rc = commit_item(land, i, err);
	return rc;
}

void bundle_land_close(struct bundle_land *land)
{
	landing_close(&land->landing);
	for (size_t i = 0; land->destinations != NULL && i < land->bundle->item_count; i++)
		destination_close(&land->destinations[i]);
	free(take_ptr(&land->destinations));
}
