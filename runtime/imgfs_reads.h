/*
 * imgfs_reads.h - reads that may have to wait for a part of the image.
 *
 * A read of what is here is answered at once, by the caller's thread.  One of what is missing is
 * put aside and answered by a thread of its own when that has come, with -EIO when it will not; who
 * asked goes on meanwhile.  Any thread may submit.
 */
#ifndef RUNTIME_IMGFS_READS_H
#define RUNTIME_IMGFS_READS_H

#include "common/err.h"
#include "runtime/imgfs.h"

struct imgfs_reads;

/* Once for each read: `length` bytes, or -errno; from any thread. */
typedef void imgfs_answer_fn(void *context, void *token, const char *bytes, ssize_t length);

int imgfs_reads_new(struct imgfs *imgfs, imgfs_answer_fn *answer, void *context,
		    struct imgfs_reads **reads, struct err *err);
/* Reads that still wait are answered by -EIO. */
void imgfs_reads_free(struct imgfs_reads **reads);

/* At most size bytes at offset; `token` is for the answer. */
void imgfs_reads_submit(struct imgfs_reads *reads, void *token, uint64_t ino, size_t size,
			uint64_t offset);

#endif
