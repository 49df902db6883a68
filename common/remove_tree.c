/*
 * remove_tree.c - removes a directory that we own (remove_tree.h).
 *
 * Recursive; the depth is bounded by what a session directory holds, and by
 * DEPTH_MAX against a rank that plays games in it.
 */
#include "common/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

enum { DEPTH_MAX = 64 };

static void empty(int dir_fd, int depth)
{
	DIR *dir = fdopendir(dir_fd);  /* owns dir_fd now */
	if (dir == NULL) {
		close(dir_fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		    unlinkat(dir_fd, name, 0) == 0)
			continue;
		int below = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0 && depth < DEPTH_MAX)
			empty(below, depth + 1);
		else if (below >= 0)
			close(below);
		unlinkat(dir_fd, name, AT_REMOVEDIR);
	}
	closedir(dir);
}

int remove_tree(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		empty(fd, 0);
	return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}
