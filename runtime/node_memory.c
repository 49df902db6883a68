/*
 * node_memory.c - where the image lives on a node of a larger job (node_memory.h).
 *
 * A tmpfs mounted with huge=always gives huge pages whatever the system-wide switch for shared
 * memory says, and any user may mount one in his namespace: 1 GiB is there in milliseconds, against
 * 300 ms on pages of 4 KiB.  The mount is never attached and its file never named, so both end with
 * the last descriptor.
 *
 * All bytes are reserved here, and the free memory is compared before: a node that runs out of
 * memory in the middle of a broadcast would not get an error but the OOM killer.
 */
#include "runtime/node_memory.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "runtime/mount_api.h"

static const uint64_t huge_page = 2 << 20;

/* Bytes; UINT64_MAX when it is not known. */
static uint64_t memory_available(void)
{
	char text[4096];
	AUTO_FD int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (len <= 0)
		return UINT64_MAX;
	text[len] = '\0';
	const char *line = strstr(text, "MemAvailable:");
	unsigned long long kb;
	if (line == NULL || sscanf(line, "MemAvailable: %llu kB", &kb) != 1)
		return UINT64_MAX;
	return kb * 1024;
}

static int no_room(uint64_t size, uint64_t available, struct err *err)
{
	return err_set(err, ENOSPC, "the image needs %llu MiB of this node's memory and %llu MiB are "
		       "available; free memory there, ask for nodes with more, or make the image smaller",
		       (unsigned long long)(size >> 20), (unsigned long long)(available >> 20));
}

static int huge_file_new(uint64_t size)
{
	char bytes[32];
	/* Room for the last huge page and the file system's own structures. */
	snprintf(bytes, sizeof bytes, "%llu",
		 (unsigned long long)((size + huge_page - 1) / huge_page * huge_page + huge_page));
	const struct mount_option options[] = {{"huge", "always"}, {"size", bytes}, {"mode", "0700"}, {0}};
	AUTO_FD int mount_fd = mount_api_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					     MOUNT_ATTR_NOEXEC, NULL, 0);
	if (mount_fd < 0)
		return mount_fd;
	int fd = openat(mount_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

int node_memory_new(uint64_t size, struct err *err)
{
	uint64_t available = memory_available();
	if (size > INT64_MAX || size > available)
		return no_room(size, available, err);
	/* Without a size the file may grow to all that is free now. */
	uint64_t limit = size > 0 || available == UINT64_MAX ? size : available;
	AUTO_FD int fd = limit > 0 ? huge_file_new(limit) : -1;
	if (fd < 0)
		fd = memfd_create("cmpirun-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_errno(err, errno, "make the image's memory file");
	if (size > 0 && fallocate(fd, 0, 0, (off_t)size) < 0)
		return errno == ENOSPC || errno == ENOMEM
			       ? no_room(size, memory_available(), err)
			       : err_errno(err, errno, "reserve memory for the image");
	return take_fd(&fd);
}
