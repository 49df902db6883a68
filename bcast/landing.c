/*
 * landing.c - allocates and maps the file that the image lands in (landing.h).
 *
 * In: an open file (of a tmpfs, a memfd, or on a disk) and a size.  Out: a mapping that MPI
 * receives into and reads forward from, so there is no copy between the wire and where the image
 * stays.
 *
 * All space is allocated before the first byte moves: with a sparse file a full tmpfs shows as
 * SIGBUS in the middle of the broadcast, and a lack of memory as the kernel's OOM killer, with no
 * word to the user.  It is also the fast way: fallocate on huge pages takes milliseconds a GiB.
 * A tmpfs does not know the node's free memory (its size is a limit, not a reservation), so that
 * is compared too.
 *
 * Caveats: a memory limit of a control group is not looked at.  On a file system without
 * fallocate (some NFS) the space is only compared, not allocated.
 */
#include "bcast/landing.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "common/cleanup.h"

#define MIB (1ull << 20)
#define HUGE_PAGE (2 * MIB)

static unsigned long long mib_up(uint64_t bytes)
{
	return (bytes + MIB - 1) / MIB;
}

uint64_t landing_memory_available(const char *meminfo)
{
	static const char name[] = "MemAvailable:";
	const char *line = strstr(meminfo, name);
	if (line == NULL)
		return UINT64_MAX;
	char *end;
	unsigned long long kib = strtoull(line + sizeof name - 1, &end, 10);
	if (end == line + sizeof name - 1 || kib > UINT64_MAX / 1024)
		return UINT64_MAX;
	return kib * 1024;
}

/* UINT64_MAX when the kernel does not say. */
static uint64_t node_memory_available(void)
{
	char text[4096];
	AUTO_FD int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (len < 0)
		return UINT64_MAX;
	text[len] = '\0';
	return landing_memory_available(text);
}

/* `more`: what is to be allocated beyond what the file has. */
static int check_memory(uint64_t more, struct err *err)
{
	uint64_t available = node_memory_available();
	if (available >= more)
		return 0;
	return err_set(err, ENOMEM, "the image needs %llu MiB of memory, %llu MiB are available; use "
		       "a smaller image or nodes with more memory", mib_up(more),
		       (unsigned long long)(available / MIB));
}

static int no_room(const struct statfs *fs, uint64_t more, struct err *err)
{
	bool memory = fs->f_type == TMPFS_MAGIC;
	return err_set(err, ENOSPC, "the file needs %llu MiB, its file system%s has %llu MiB free; %s",
		       mib_up(more), memory ? " (tmpfs)" : "",
		       (unsigned long long)fs->f_bavail * (unsigned long long)fs->f_bsize / MIB,
		       memory ? "enlarge the tmpfs, use a smaller image or nodes with more memory"
			      : "make room or choose another place");
}

static int allocate(int fd, uint64_t size, struct err *err)
{
	struct stat st;
	struct statfs fs;
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return err_errno(err, errno, "stat the image file");
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "the image file is not a regular file");
	if (ftruncate(fd, (off_t)size) < 0)
		return err_errno(err, errno, "set the image file's size to %llu MiB", mib_up(size));
	uint64_t has = (uint64_t)st.st_blocks * 512, more = size > has ? size - has : 0;
	if (fs.f_type == TMPFS_MAGIC && check_memory(more, err) < 0)
		return -ENOMEM;
	int rc, number;
	do {
		rc = fallocate(fd, 0, 0, (off_t)size);
		number = errno;
	} while (rc < 0 && number == EINTR);
	if (rc == 0)
		return 0;
	bool full = number == EOPNOTSUPP &&
		    more / (uint64_t)fs.f_bsize >= (uint64_t)fs.f_bavail;
	if (number == ENOSPC || number == EDQUOT || full)
		return no_room(&fs, more, err);
	if (number == EOPNOTSUPP)
		return 0;
	return err_errno(err, number, "allocate %llu MiB for the image", mib_up(size));
}

/* A mapping can have huge pages only where address and file offset agree modulo their size, so a
 * range that is one huge page larger is reserved and the file mapped inside it. */
static int reserve(uint64_t size, int protection, struct landing *landing, struct err *err)
{
	*landing = (struct landing){.size = size, .reserved_size = (size_t)size + HUGE_PAGE};
	void *reserved = mmap(NULL, landing->reserved_size, protection,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		return err_errno(err, errno, "reserve %llu MiB of addresses", mib_up(size));
	landing->reserved = reserved;
	landing->base = (char *)reserved + (HUGE_PAGE - (uintptr_t)reserved % HUGE_PAGE) % HUGE_PAGE;
	return 0;
}

static int map(const struct landing *landing, uint64_t offset, int fd, uint64_t size, struct err *err)
{
	void *at = mmap(landing->base + offset, (size_t)size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, fd, 0);
	if (at == MAP_FAILED)
		return err_errno(err, errno, "map %llu MiB of the image file", mib_up(size));
	madvise(at, (size_t)size, MADV_HUGEPAGE);  /* a hint: many kernels have none for files */
	return 0;
}

int landing_open(int fd, uint64_t size, struct landing *landing, struct err *err)
{
	*landing = (struct landing){0};
	if (size == 0) {
		if (ftruncate(fd, 0) < 0)
			return err_errno(err, errno, "empty the image file");
		return 0;
	}
	int rc = allocate(fd, size, err);
	if (rc == 0)
		rc = reserve(size, PROT_NONE, landing, err);
	if (rc == 0)
		rc = map(landing, 0, fd, size, err);
	if (rc < 0)
		landing_close(landing);
	return rc;
}

int landing_open_memory(uint64_t size, uint64_t memory, struct landing *landing, struct err *err)
{
	*landing = (struct landing){0};
	int rc = check_memory(memory, err);
	return rc < 0 || size == 0 ? rc : reserve(size, PROT_READ | PROT_WRITE, landing, err);
}

int landing_place(struct landing *landing, uint64_t offset, int fd, uint64_t size, struct err *err)
{
	int rc = allocate(fd, size, err);
	return rc < 0 ? rc : map(landing, offset, fd, size, err);
}

void landing_close(struct landing *landing)
{
	if (landing->reserved != NULL)
		munmap(landing->reserved, landing->reserved_size);
	*landing = (struct landing){0};
}

void landing_seal(int fd)
{
	/* A mapping that somebody else could write to is in the way of F_SEAL_WRITE alone. */
	static const int seals[] = {F_SEAL_GROW | F_SEAL_SHRINK, F_SEAL_WRITE, F_SEAL_SEAL};
	for (size_t i = 0; i < sizeof seals / sizeof *seals; i++)
		if (fcntl(fd, F_ADD_SEALS, seals[i]) < 0 && i == 0) {
			(void)!fchmod(fd, 0400);
			return;
		}
}
