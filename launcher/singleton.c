/*
 * singleton.c - evidence of an MPI_Init in what a process has mapped (singleton.h).
 *
 * Caveat: an MPI whose transports are linked into its library shows nothing; then nothing is said.
 */
#include "launcher/singleton.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "mpi-abi/family.h"

enum { MAPS_MAX = 4 << 20, DEPTH_MAX = 4, CHILDREN_MAX = 64 };

/* What is mapped no sooner than in MPI_Init. */
static const char *const loaded_by_init[] = {
	"mca_pml_", "mca_btl_", "mca_mtl_",  /* Open MPI's components; PMIx's own are loaded shortly before */
	"pmix_mca_", "sm_segment.", "vader_segment.",
	"libuct_", "libmlx5-", "-fi.so",     /* UCX and libfabric */
};

static bool name_is_c_library(const char *name)
{
	return mpi_role_of_name(mpi_family_of_name(name), name) == MPI_ROLE_C;
}

static bool name_is_loaded_by_init(const char *name)
{
	for (size_t i = 0; i < sizeof loaded_by_init / sizeof *loaded_by_init; i++)
		if (strstr(name, loaded_by_init[i]) != NULL)
			return true;
	return false;
}

bool singleton_shows(const char *maps, size_t len, char library[SINGLETON_NAME_MAX])
{
	bool has_library = false, has_started = false;
	for (const char *at = maps, *end = maps + len; at < end;) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;
		const char *slash = memrchr(at, '/', (size_t)(stop - at));
		char name[SINGLETON_NAME_MAX];
		if (slash != NULL && (size_t)(stop - slash) < sizeof name) {
			memcpy(name, slash + 1, (size_t)(stop - slash - 1));
			name[stop - slash - 1] = '\0';
			if (!has_library && name_is_c_library(name)) {
				has_library = true;
				memcpy(library, name, sizeof name);
			}
			has_started |= name_is_loaded_by_init(name);
		}
		at = stop + 1;
	}
	return has_library && has_started;
}

/* A file of /proc, whose size nobody knows before. */
static void read_file(const char *path, struct buf *out)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && out->len < MAPS_MAX) {
		char *room = buf_reserve(out, 16384);
		ssize_t got = room != NULL ? read(fd, room, 16384) : 0;
		if (got <= 0)
			return;
		out->len += (size_t)got;
	}
}

static bool is_singleton(pid_t pid, int depth, char library[SINGLETON_NAME_MAX])
{
	char path[64];
	AUTO_BUF struct buf maps = {0}, children = {0};
	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	read_file(path, &maps);
	if (maps.len > 0 && singleton_shows(maps.data, maps.len, library))
		return true;
	if (depth == DEPTH_MAX)
		return false;
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
	read_file(path, &children);
	buf_add_u8(&children, '\0');
	const char *at = children.failed ? "" : children.data;
	for (int i = 0; i < CHILDREN_MAX && *at != '\0'; i++) {
		char *end;
		long child = strtol(at, &end, 10);
		if (end == at || child <= 0)
			break;
		if (is_singleton((pid_t)child, depth + 1, library))
			return true;
		at = end + strspn(end, " ");
	}
	return false;
}

bool singleton_is(pid_t pid, char library[SINGLETON_NAME_MAX])
{
	return is_singleton(pid, 0, library);
}
