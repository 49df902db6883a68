/*
 * file_read.h - pread(2) until all is there.
 */
#ifndef COMMON_FILE_READ_H
#define COMMON_FILE_READ_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

/* The `len` bytes at `at`, or as many as the file has there: fewer only at its end.  -errno; no err, since the
 * callers know what the file is, and what its early end means. */
static inline ssize_t file_read_at(int fd, void *bytes, size_t len, uint64_t at)
{
	size_t done = 0;
	while (done < len) {
		ssize_t got = pread(fd, (char *)bytes + done, len - done, (off_t)(at + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

#endif
