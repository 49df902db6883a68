/*
 * imgfs_wait.c - waiting for parts of the image (imgfs_wait.h).
 *
 * The daemon ends an arrival that cannot go on.  It may be killed before it does; so who sleeps
 * looks for it twice a second and then ends the arrival in its place.  Nothing is polled when nobody
 * waits.
 */
#include "runtime/imgfs_wait.h"

#include <errno.h>
#include <poll.h>

#include "common/clock.h"

static const uint64_t sleep_ns = 500 * NS_PER_MS;

int imgfs_source_check(const struct imgfs_source *source, uint64_t at, uint64_t len)
{
	if (source->arrival == NULL || arrival_has(source->arrival, at, len))
		return 0;
	if (arrival_has_failed(source->arrival))
		return -EIO;
	arrival_want(source->arrival, at, len);
	return -EAGAIN;
}

void imgfs_source_sleep(const struct imgfs_source *source, uint32_t seen)
{
	struct pollfd owner = {.fd = source->owner_fd, .events = POLLIN};
	arrival_wait_marks(source->arrival, seen, sleep_ns);
	/* A pidfd is readable once its process has ended. */
	if (source->owner_fd >= 0 && arrival_marks(source->arrival) == seen && poll(&owner, 1, 0) > 0)
		arrival_end(source->arrival, true);
}

int imgfs_source_wait(const struct imgfs_source *source, uint64_t at, uint64_t len)
{
	for (;;) {
		uint32_t seen = source->arrival != NULL ? arrival_marks(source->arrival) : 0;
		int rc = imgfs_source_check(source, at, len);
		if (rc != -EAGAIN)
			return rc;
		imgfs_source_sleep(source, seen);
	}
}
