/*
 * process.c - bounded reads of /proc (process.h).
 */
#include "launcher/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

enum { FILE_MAX = 4 << 20, DEPTH_MAX = 4, CHILDREN_MAX = 64 };

void process_read(const char *path, struct buf *out)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && out->len < FILE_MAX) {
		char *room = buf_reserve(out, 16384);
		ssize_t got = room != NULL ? read(fd, room, 16384) : 0;
		if (got <= 0)
			return;
		out->len += (size_t)got;
	}
}

static bool search(pid_t pid, int depth, bool (*is_it)(void *, pid_t, const struct buf *), void *context)
{
	char path[64];
	AUTO_BUF struct buf maps = {0}, children = {0};
	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	process_read(path, &maps);
	if (maps.len > 0 && is_it(context, pid, &maps))
		return true;
	if (depth == DEPTH_MAX)
		return false;
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
	process_read(path, &children);
	buf_add_u8(&children, '\0');
	const char *at = children.failed ? "" : children.data;
	for (int i = 0; i < CHILDREN_MAX && *at != '\0'; i++) {
		char *end;
		long child = strtol(at, &end, 10);
		if (end == at || child <= 0)
			break;
		if (search((pid_t)child, depth + 1, is_it, context))
			return true;
		at = end + strspn(end, " ");
	}
	return false;
}

bool process_search(pid_t pid, bool (*is_it)(void *context, pid_t pid, const struct buf *maps), void *context)
{
	return search(pid, 0, is_it, context);
}
