/*
 * recipe_files.c - the recipes on disk (recipes.h).
 *
 * Flow: two directories, their *.conf by name, each a bounded read and recipes_parse().
 *
 * Ours lie where cmpirun was installed, found from /proc/self/exe as the helpers are; the site's in the
 * host's root, for they tell about that host.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "mpi-abi/host_private.h"
#include "mpi-abi/recipes.h"
#include "version.h"

enum { FILE_MAX = 1 << 20, FILES_MAX = 200 };

static int read_file(const struct host *host, const char *path, struct recipes *recipes,
		     struct err *err)
{
	AUTO_BUF struct buf text = {0};
	AUTO_FD int fd = host_open_file(host, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_errno(err, -fd, "%s", path);
	for (;;) {
		char *room = buf_reserve(&text, 16384);
		if (!room)
			return err_errno(err, ENOMEM, "%s", path);
		ssize_t got = read(fd, room, 16384);
		if (got < 0)
			return err_errno(err, errno, "%s", path);
		if (got == 0)
			return recipes_parse(text.data, text.len, path, recipes, err);
		text.len += (size_t)got;
		if (text.len > FILE_MAX)
			return err_set(err, EFBIG, "%s: more than %d bytes", path, FILE_MAX);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_conf(const char *name)
{
	size_t len = strlen(name);
	return len > 5 && name[0] != '.' && strcmp(name + len - 5, ".conf") == 0;
}

/* -ENOENT without err when there is no such directory. */
static int read_directory(const struct host *host, const char *path, struct recipes *recipes,
			  struct err *err)
{
	char *names[FILES_MAX], file[PATH_MAX];
	size_t count = 0;
	struct dirent *entry;
	int rc = 0;
	DIR *dir = host_opendir(host, path);
	if (!dir)
		return -ENOENT;
	while (rc == 0 && (entry = readdir(dir))) {
		if (!is_conf(entry->d_name))
			continue;
		if (count == FILES_MAX)
			rc = err_set(err, E2BIG, "%s: more than %d files", path, FILES_MAX);
		else if (!(names[count] = strdup(entry->d_name)))
			rc = err_set(err, ENOMEM, "no memory for recipes");
		else
			count++;
	}
	closedir(dir);
	qsort(names, count, sizeof *names, by_name);
	for (size_t i = 0; i < count; i++) {
		if (rc == 0) {
			snprintf(file, sizeof file, "%s/%s", path, names[i]);
			rc = read_file(host, file, recipes, err);
		}
		free(names[i]);
	}
	return rc;
}

int recipes_load(const struct host *host, struct recipes *recipes, struct err *err)
{
	const struct host here = {.root_fd = -1};
	char self[PATH_MAX], beside[PATH_MAX + 32];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
	if (len < 0)
		return err_errno(err, errno, "/proc/self/exe");
	self[len] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(beside, sizeof beside, "%s/../share/cmpirun/mpi", self);
	int rc = read_directory(&here, beside, recipes, err);
	if (rc == -ENOENT)
		rc = read_directory(&here, CMPIRUN_DATADIR "/mpi", recipes, err);
	if (rc == -ENOENT || (rc == 0 && recipes->count == 0))
		return err_set(err, ENOENT, "the recipes of MPI libraries are neither in %s nor in %s: is cmpirun "
			       "installed completely?", beside, CMPIRUN_DATADIR "/mpi");
	if (rc == 0)
		rc = read_directory(host, RECIPES_SITE_DIR, recipes, err);
	return rc == -ENOENT ? 0 : rc;
}
