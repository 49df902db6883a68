/*
 * source.c - reads the file that all nodes get, and says how many nodes should (source.h).
 *
 * Every byte of the file is read exactly once in the whole job, and straight to where it stays:
 * the file system of a machine with thousands of nodes has other clients.  So there is no mmap of
 * the source (pages could be dropped and read again), and a read that fell short goes on behind
 * what it got.
 *
 * Several readers pay where one node does not get out of the file system what its link could
 * carry: on a parallel file system, and there only if the file lies on several of its servers.  On Lustre the
 * file says on how many: its layout is the extended attribute lustre.lov, of which only the
 * head is looked at (struct lov_user_md of lustre_user.h: magic u32, pattern u32, object u128,
 * stripe size u32, stripe count u16; little-endian).
 *
 * Caveat: a change in the middle of the file that keeps size and mtime is not seen; a writer that
 * does that deceives everybody.
 */
#include "bcast/source.h"

#include <endian.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/squash_file.h"

int source_open(const char *path, struct source *source, struct err *err)
{
	struct stat st;
	*source = (struct source){.fd = -1};
	if (strlen(path) >= sizeof source->path)
		return err_errno(err, ENAMETOOLONG, "%.100s...", path);
	strcpy(source->path, path);
	/* O_NONBLOCK: a pipe must not hold us; it means nothing to a regular file. */
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, ENOENT, "%s does not exist on the node of rank 0; name a file that "
			       "the first node can see", path);
	if (fd < 0)
		return err_errno(err, errno, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "stat %s", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, EISDIR, "%s is a directory; name one regular file", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s is not a regular file, its size is not known before "
			       "it is read; copy it to a file first", path);
	source->size = source->file_size = (uint64_t)st.st_size;
	source->mode = st.st_mode & 07777;
	source->mtime = st.st_mtim;
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	source->fd = take_fd(&fd);
	return 0;
}

int source_find_image(struct source *source, struct err *err)
{
	struct squash_part part;
	int rc = squash_file_part(source->fd, &part, err);
	if (rc < 0) {
		source_close(source);
		return err_prefix(err, "%s", source->path);
	}
	source->at = part.at;
	source->size = part.size;
	return 0;
}

void source_close(struct source *source)
{
	close_fd(&source->fd);
}

void source_open_bundle(const struct bundle *bundle, struct source *source)
{
	*source = (struct source){.fd = -1, .bundle = bundle, .size = bundle->size};
	snprintf(source->path, sizeof source->path, "%s", bundle->items[0].source);
}

static int read_all(struct source *source, int fd, const char *path, uint64_t size, uint64_t offset,
		    void *bytes, size_t len, struct err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t got = pread(fd, (char *)bytes + done, len - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "read %s at byte %llu", path,
					 (unsigned long long)(offset + done));
		if (got == 0)
			return err_set(err, ENODATA, "%s was truncated while it was read: it had %llu bytes "
				       "and ends at %llu now; let nobody write to it and start again",
				       path, (unsigned long long)size, (unsigned long long)(offset + done));
		done += (size_t)got;
		source->read_bytes += (uint64_t)got;
	}
	return 0;
}

/* A descriptor of the entry's file, the caller's own.  Readers go from front to back, so the file
 * that was opened last is most often the one. */
static int open_entry(struct source *source, const struct bundle_entry *entry, const char *path,
		      struct err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int fd = -1;
	pthread_mutex_lock(&lock);
	if (source->entry != entry) {
		close_fd(&source->fd);
		source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		source->entry = source->fd < 0 ? NULL : entry;
	}
	int number = errno;
	if (source->fd >= 0) {
		fd = fcntl(source->fd, F_DUPFD_CLOEXEC, 0);
		number = errno;
	}
	pthread_mutex_unlock(&lock);
	return fd >= 0 ? fd : err_errno(err, number, "open %s", path);
}

static int check_entry(int fd, const struct bundle_entry *entry, const char *path, struct err *err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "stat %s", path);
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == entry->size &&
	    st.st_mtim.tv_sec == entry->mtime_s && st.st_mtim.tv_nsec == (long)entry->mtime_ns)
		return 0;
	return err_set(err, ESTALE, "%s was changed since the copy began, or is another file here; let nobody write "
		       "to it and start again", path);
}

static int read_entry(struct source *source, const struct bundle_entry *entry, uint64_t from, void *bytes,
		      size_t len, struct err *err)
{
	char path[2 * PATH_MAX];
	snprintf(path, sizeof path, "%s%s%s", source->bundle->items[entry->item].source,
		 entry->path[0] == '\0' ? "" : "/", entry->path);
	AUTO_FD int fd = open_entry(source, entry, path, err);
	if (fd < 0)
		return fd;
	int rc = read_all(source, fd, path, entry->size, from, bytes, len, err);
	return rc < 0 ? rc : check_entry(fd, entry, path, err);
}

/* Of the row of a bundle: parts of files, and zeros between them. */
static int read_row(struct source *source, uint64_t offset, char *bytes, size_t len, struct err *err)
{
	const struct bundle_entry *entry = bundle_find(source->bundle, offset);
	int rc = 0;
	while (rc == 0 && len > 0) {
		uint64_t gap = entry == NULL ? len : entry->offset > offset ? entry->offset - offset : 0;
		uint64_t left = gap > 0 || entry == NULL ? gap : entry->offset + entry->size - offset;
		size_t piece = left < len ? (size_t)left : len;
		if (gap > 0)
			memset(bytes, 0, piece);
		else
			rc = read_entry(source, entry, offset - entry->offset, bytes, piece, err);
		if (gap == 0 && piece == left)
			entry = bundle_next(source->bundle, entry);
		offset += piece;
		bytes += piece;
		len -= piece;
	}
	return rc;
}

int source_read(struct source *source, uint64_t offset, void *bytes, size_t len, struct err *err)
{
	uint64_t start = clock_now_ns();
	int rc = source->bundle != NULL
			 ? read_row(source, offset, bytes, len, err)
			 : read_all(source, source->fd, source->path, source->file_size, source->at + offset, bytes, len,
				    err);
	source->read_ns += clock_now_ns() - start;
	return rc;
}

int source_check_unchanged(const struct source *source, struct err *err)
{
	struct stat st;
	if (source->bundle != NULL)  /* each file is looked at when a part of it has been read */
		return 0;
	if (fstat(source->fd, &st) < 0)
		return err_errno(err, errno, "stat %s", source->path);
	if ((uint64_t)st.st_size == source->file_size && st.st_mtim.tv_sec == source->mtime.tv_sec &&
	    st.st_mtim.tv_nsec == source->mtime.tv_nsec)
		return 0;
	return err_set(err, ESTALE, "%s was changed while it was read (%llu bytes at the start, %llu "
		       "at the end); let nobody write to it and start again", source->path,
		       (unsigned long long)source->file_size, (unsigned long long)st.st_size);
}

/* Numbers of file systems, from their own sources; the kernel's <linux/magic.h> has none of these. */
enum { LUSTRE = 0x0bd00bd0, GPFS = 0x47504653, BEEGFS = 0x19830326, WEKA = 0x18031977,
       CEPH = 0x00c36400 };

static int lustre_stripes(int fd)
{
	enum { MAGIC_V1 = 0x0bd10bd0, MAGIC_V3 = 0x0bd30bd0, COUNT_AT = 28, COUNT_ALL = 0xffff };
	char layout[4096];
	uint32_t magic;
	uint16_t count;
	ssize_t len = fgetxattr(fd, "lustre.lov", layout, sizeof layout);
	if (len < COUNT_AT + 2)
		return 0;
	memcpy(&magic, layout, sizeof magic);
	memcpy(&count, layout + COUNT_AT, sizeof count);
	magic = le32toh(magic);
	if (magic != MAGIC_V1 && magic != MAGIC_V3)
		return 0;  /* a composite layout: several parts, each with its own */
	return le16toh(count) == COUNT_ALL ? INT_MAX : le16toh(count);
}

void source_look(const struct source *source, struct source_place *place)
{
	struct statfs fs;
	*place = (struct source_place){0};
	if (source->fd < 0 || fstatfs(source->fd, &fs) < 0)
		return;
	place->fs_type = (uint64_t)(unsigned long)fs.f_type & UINT32_MAX;
	if (place->fs_type == LUSTRE)
		place->stripe_count = lustre_stripes(source->fd);
}

int source_readers(const struct source_place *place, int nodes, uint64_t size, const char **advice)
{
	enum { MOST = 8, NODES_A_READER = 4 };
	const uint64_t bytes_a_reader = 256ull << 20;  /* below that one is done before a second helps */
	static const uint64_t parallel[] = {LUSTRE, GPFS, BEEGFS, WEKA, CEPH};
	int readers = 1;
	*advice = NULL;
	for (size_t i = 0; i < sizeof parallel / sizeof *parallel; i++)
		if (place->fs_type == parallel[i])
			readers = MOST;
	if (readers > 1 && place->stripe_count == 1) {
		*advice = size < 4 * bytes_a_reader ? NULL :
			  "it lies on one server of Lustre; a copy made in a directory after "
			  "`lfs setstripe -c 8 -S 4M DIRECTORY` can be read by several nodes at once";
		return 1;
	}
	if (place->stripe_count > 0 && place->stripe_count < readers)
		readers = place->stripe_count;
	if (nodes / NODES_A_READER < readers)
		readers = nodes / NODES_A_READER;
	if (size / bytes_a_reader < (uint64_t)readers)
		readers = (int)(size / bytes_a_reader);
	return readers < 1 ? 1 : readers;
}
