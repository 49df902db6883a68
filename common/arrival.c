/*
 * arrival.c - the map (arrival.h): a header, then one byte a chunk.
 *
 * A byte and not a bit, so that marking is one store without a lock and the two parties (who marks,
 * who wants) meet in one atomic place.  10 GB in chunks of 1 MiB are 10 KiB.
 *
 * The wait is a futex(2) on a counter of marks.  It is woken only when somebody waits, so an
 * arrival that nobody waits for costs no system call.  The order that makes it right: a waiter
 * announces itself, reads the counter, looks at the chunk, sleeps if the counter is still the
 * same; a marker stores the chunk, counts, then looks for waiters.  All are sequentially
 * consistent.
 *
 * The file is shared by processes of one user that trust each other; still, a map that is opened
 * is checked against its file's size, so that no index leads out of it.
 */
#include "common/arrival.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

enum { BYTE_HERE = 1, BYTE_WANTED = 2 };
enum arrival_state { COMING, COMPLETE, FAILED };

static const uint32_t magic = 0x6172726cu;  /* written last: the map has its form */

struct map {
	_Atomic uint32_t magic;
	uint32_t chunk_size;
	uint64_t size, count;
	_Atomic uint32_t state;    /* enum arrival_state */
	_Atomic uint32_t marks;    /* the futex */
	_Atomic uint32_t waiters;
	_Atomic uint32_t wants;    /* bytes that have BYTE_WANTED */
	_Atomic uint8_t chunks[];
};

struct arrival {
	struct map *map;
	size_t length;
	uint64_t next_wanted;  /* where take_wanted goes on to look */
};

static uint64_t chunk_count(uint64_t size, uint32_t chunk_size)
{
	return size / chunk_size + (size % chunk_size != 0);
}

int arrival_file_new(struct err *err)
{
	int fd = memfd_create("cmpirun-arrival", MFD_CLOEXEC);
	return fd < 0 ? err_errno(err, errno, "memory for the map of arrived chunks") : fd;
}

static int arrival_map(int fd, size_t length, struct arrival **out, struct err *err)
{
	AUTO_FREE struct arrival *arrival = calloc(1, sizeof *arrival);
	if (arrival == NULL)
		return err_errno(err, ENOMEM, "map of arrived chunks");
	arrival->map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (arrival->map == MAP_FAILED)
		return err_errno(err, errno, "map of arrived chunks");
	arrival->length = length;
	*out = take_ptr(&arrival);
	return 0;
}

int arrival_create(int fd, uint64_t size, uint32_t chunk_size, struct arrival **out,
		   struct err *err)
{
	uint64_t count = chunk_count(size, chunk_size);
	if (count > ARRIVAL_CHUNKS_MAX)
		return err_set(err, EFBIG, "%llu chunks of %u bytes; at most %d can be told apart",
			       (unsigned long long)count, chunk_size, ARRIVAL_CHUNKS_MAX);
	size_t length = sizeof(struct map) + count;
	if (ftruncate(fd, (off_t)length) < 0)
		return err_errno(err, errno, "map of arrived chunks");
	int rc = arrival_map(fd, length, out, err);
	if (rc < 0)
		return rc;
	struct map *map = (*out)->map;
	map->chunk_size = chunk_size;
	map->size = size;
	map->count = count;
	atomic_store(&map->magic, magic);
	return 0;
}

static bool map_is_sane(const struct map *map, size_t length)
{
	return map->chunk_size > 0 && map->count <= ARRIVAL_CHUNKS_MAX &&
	       map->count == chunk_count(map->size, map->chunk_size) &&
	       length >= sizeof *map + map->count;
}

int arrival_open(int fd, struct arrival **out, struct err *err)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return err_errno(err, errno, "map of arrived chunks");
	if ((size_t)status.st_size < sizeof(struct map))
		return err_set(err, EAGAIN, "the map of arrived chunks has no form yet");
	struct arrival *arrival = NULL;
	int rc = arrival_map(fd, (size_t)status.st_size, &arrival, err);
	if (rc < 0)
		return rc;
	if (atomic_load(&arrival->map->magic) == 0)
		rc = err_set(err, EAGAIN, "the map of arrived chunks has no form yet");
	else if (arrival->map->magic != magic || !map_is_sane(arrival->map, arrival->length))
		rc = err_set(err, EPROTO, "this is no map of arrived chunks");
	if (rc < 0)
		arrival_free(&arrival);
	else
		*out = arrival;
	return rc;
}

void arrival_free(struct arrival **where)
{
	struct arrival *arrival = take_ptr(where);
	if (arrival == NULL)
		return;
	munmap(arrival->map, arrival->length);
	free(arrival);
}

uint64_t arrival_chunk_count(const struct arrival *arrival)
{
	return arrival->map->count;
}

static void count_and_wake(struct map *map)
{
	atomic_fetch_add(&map->marks, 1);
	if (atomic_load(&map->waiters) > 0)
		syscall(SYS_futex, &map->marks, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void arrival_mark(struct arrival *arrival, uint64_t chunk)
{
	struct map *map = arrival->map;
	if (chunk >= map->count)
		return;
	uint8_t before = atomic_exchange(&map->chunks[chunk], BYTE_HERE);
	if (before & BYTE_WANTED)
		atomic_fetch_sub(&map->wants, 1);
	count_and_wake(map);
}

void arrival_end(struct arrival *arrival, bool failed)
{
	uint32_t expected = COMING;
	atomic_compare_exchange_strong(&arrival->map->state, &expected, failed ? FAILED : COMPLETE);
	count_and_wake(arrival->map);
}

bool arrival_has_failed(const struct arrival *arrival)
{
	return atomic_load(&arrival->map->state) == FAILED;
}

/* The chunks of a range; *end is behind the last one. */
static uint64_t range_chunks(const struct map *map, uint64_t offset, uint64_t len, uint64_t *end)
{
	if (len == 0 || offset >= map->size) {
		*end = 0;
		return 0;
	}
	uint64_t last = len > map->size - offset ? map->size - 1 : offset + len - 1;
	*end = last / map->chunk_size + 1;
	return offset / map->chunk_size;
}

bool arrival_has(const struct arrival *arrival, uint64_t offset, uint64_t len)
{
	const struct map *map = arrival->map;
	uint64_t end;
	if (atomic_load(&map->state) == COMPLETE)
		return true;
	for (uint64_t chunk = range_chunks(map, offset, len, &end); chunk < end; chunk++)
		if ((atomic_load(&map->chunks[chunk]) & BYTE_HERE) == 0)
			return false;
	return true;
}

void arrival_want(struct arrival *arrival, uint64_t offset, uint64_t len)
{
	struct map *map = arrival->map;
	uint64_t end;
	for (uint64_t chunk = range_chunks(map, offset, len, &end); chunk < end; chunk++) {
		uint8_t expected = 0;
		if (atomic_compare_exchange_strong(&map->chunks[chunk], &expected, BYTE_WANTED))
			atomic_fetch_add(&map->wants, 1);
	}
}

int arrival_wait(struct arrival *arrival, uint64_t offset, uint64_t len)
{
	struct map *map = arrival->map;
	int rc = 0;
	if (arrival_has(arrival, offset, len))
		return 0;
	arrival_want(arrival, offset, len);
	atomic_fetch_add(&map->waiters, 1);
	for (;;) {
		uint32_t marks = atomic_load(&map->marks);
		if (arrival_has(arrival, offset, len))
			break;
		if (arrival_has_failed(arrival)) {
			rc = -EIO;
			break;
		}
		if (syscall(SYS_futex, &map->marks, FUTEX_WAIT, marks, NULL, NULL, 0) < 0 &&
		    errno == EINTR) {
			rc = -EINTR;
			break;
		}
	}
	atomic_fetch_sub(&map->waiters, 1);
	return rc;
}

uint32_t arrival_marks(const struct arrival *arrival)
{
	return atomic_load(&arrival->map->marks);
}

void arrival_wait_marks(struct arrival *arrival, uint32_t seen, uint64_t nanoseconds)
{
	struct map *map = arrival->map;
	const struct timespec limit = {(time_t)(nanoseconds / NS_PER_S), (long)(nanoseconds % NS_PER_S)};
	atomic_fetch_add(&map->waiters, 1);
	if (atomic_load(&map->marks) == seen)
		syscall(SYS_futex, &map->marks, FUTEX_WAIT, seen, &limit, NULL, 0);
	atomic_fetch_sub(&map->waiters, 1);
}

bool arrival_take_wanted(struct arrival *arrival, uint64_t *chunk)
{
	struct map *map = arrival->map;
	if (atomic_load(&map->wants) == 0)
		return false;
	for (uint64_t looked = 0; looked < map->count; looked++) {
		uint64_t at = arrival->next_wanted;
		uint8_t expected = BYTE_WANTED;
		arrival->next_wanted = at + 1 < map->count ? at + 1 : 0;
		if (atomic_compare_exchange_strong(&map->chunks[at], &expected, 0)) {
			atomic_fetch_sub(&map->wants, 1);
			*chunk = at;
			return true;
		}
	}
	return false;
}
