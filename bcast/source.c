/*
 * source.c - reads the file that all nodes get (source.h).
 *
 * Every byte of the file is read exactly once in the whole job, and straight to where it stays:
 * the file system of a machine with thousands of nodes has other clients.  So there is no mmap of
 * the source (pages could be dropped and read again), and a read that fell short goes on behind
 * what it got.
 *
 * Caveat: a change in the middle of the file that keeps size and mtime is not seen; a writer that
 * does that deceives everybody.
 */
#include "bcast/source.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

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
	source->size = (uint64_t)st.st_size;
	source->mode = st.st_mode & 07777;
	source->mtime = st.st_mtim;
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	source->fd = take_fd(&fd);
	return 0;
}

void source_close(struct source *source)
{
	close_fd(&source->fd);
}

ssize_t source_read(struct source *source, char *base, size_t budget, struct err *err)
{
	uint64_t left = source->size - source->offset;
	size_t want = left < budget ? (size_t)left : budget;
	if (want == 0)
		return 0;
	uint64_t start = clock_now_ns();
	ssize_t got;
	do
		got = pread(source->fd, base + source->offset, want, (off_t)source->offset);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_errno(err, errno, "read %s at byte %llu", source->path,
				 (unsigned long long)source->offset);
	source->read_ns += clock_now_ns() - start;
	if (got == 0)
		return err_set(err, ENODATA, "%s was truncated while it was read: it had %llu bytes and "
			       "ends at %llu now; let nobody write to it and start again", source->path,
			       (unsigned long long)source->size, (unsigned long long)source->offset);
	source->offset += (uint64_t)got;
	return got;
}

int source_check_unchanged(const struct source *source, struct err *err)
{
	struct stat st;
	if (fstat(source->fd, &st) < 0)
		return err_errno(err, errno, "stat %s", source->path);
	if ((uint64_t)st.st_size == source->size && st.st_mtim.tv_sec == source->mtime.tv_sec &&
	    st.st_mtim.tv_nsec == source->mtime.tv_nsec)
		return 0;
	return err_set(err, ESTALE, "%s was changed while it was read (%llu bytes at the start, %llu "
		       "at the end); let nobody write to it and start again", source->path,
		       (unsigned long long)source->size, (unsigned long long)st.st_size);
}
