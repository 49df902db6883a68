/*
 * host_private.h - shared by host.c (files) and host_mpi.c (where the MPI is).
 */
#ifndef MPI_ABI_HOST_PRIVATE_H
#define MPI_ABI_HOST_PRIVATE_H

#include <dirent.h>

#include "mpi-abi/host.h"
#include "mpi-abi/ldcache.h"

struct host {
	char *root;          /* NULL: this machine */
	int root_fd;
	char *library_path;
	struct ldcache cache;
};

/* The linker's default directories, ends with NULL. */
extern const char *const host_library_dirs[];

/* As open(2), inside the host's root; -errno. */
int host_open_file(const struct host *host, const char *path, int flags);
/* Maps a regular file, read-only; an empty one has no bytes. */
int host_file_map(const struct host *host, const char *path, struct elf_bytes *bytes, struct err *err);
void host_file_unmap(struct elf_bytes *bytes);
/* NULL when there is none. */
DIR *host_opendir(const struct host *host, const char *path);

#endif
