/*
 * host.h - the host's libraries, as its dynamic linker would find them.
 *
 * Reads files, runs nothing.  A directory may stand in for the host (tests): then
 * every path, and every symbolic link in it, is resolved inside of that directory.
 */
#ifndef MPI_ABI_HOST_H
#define MPI_ABI_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "mpi-abi/elf.h"
#include "mpi-abi/family.h"

struct host;

/* `root`: NULL or "/": this machine.  `library_path`: as LD_LIBRARY_PATH, or NULL. */
int host_open(const char *root, const char *library_path, struct host **host, struct err *err);
void host_free(struct host **host);

/* The path without symbolic links, the caller frees it; -ENOENT and others. */
int host_realpath_new(const struct host *host, const char *path, char **real, struct err *err);

bool host_is_directory(const struct host *host, const char *path);

/* As elf_read of a host file. */
int host_elf_read(const struct host *host, const char *path, unsigned parts, struct elf *elf,
		  struct err *err);

/* The real path of the library `soname` of `machine` that the linker would load for the
 * file `from` (its RPATH or RUNPATH is `search`, or NULL); -ENOENT without err. */
int host_library_new(const struct host *host, const char *soname, unsigned machine,
		     const char *from, const char *search, char **real, struct err *err);

/* Calls visit(context, path) for every regular file (no link) below the directory whose
 * name holds ".so", at most four levels down.  0 when there is no such directory. */
typedef int host_visit_fn(void *context, const char *path, struct err *err);
int host_modules(const struct host *host, const char *directory, host_visit_fn *visit,
		 void *context, struct err *err);

struct host_mpi {
	enum mpi_family family;
	char *path;     /* real path of the C library */
	char *soname;
	char *found_by; /* "--mpi-path", "mpicc.mpich in PATH", "ld.so.cache": for messages */
};

struct host_search {
	enum mpi_family family;
	int generation;            /* the one that is wanted; another is taken when there is none */
	unsigned machine;
	const char *mpi_path;      /* NULL: search */
	const char *search_path;   /* PATH, or NULL */
	const char *const *environment;  /* NAME=VALUE… of the caller, NULL-terminated; or NULL: modules
	                                    and installers say there where their MPI is */
};

/* The host's MPI of that family.  -ENOENT without err when there is none; then
 * mpi->family says which other was seen, if any (mpi->path as well). */
int host_mpi_find(const struct host *host, const struct host_search *search, struct host_mpi *mpi,
		  struct err *err);
void host_mpi_free(struct host_mpi *mpi);
#define AUTO_HOST_MPI __attribute__((cleanup(host_mpi_free)))

#endif
