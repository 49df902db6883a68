/*
 * closure.h - everything that a host library drags along.
 *
 * The graph of NEEDED from the family's libraries on, and what they load at run time:
 * modules, providers, components, with the directories in which they look for them
 * (recipes.h).  The C library's own files are not part of it, unless
 * closure_add_libc() is called: then all of them are, for a part of a glibc breaks a container.
 */
#ifndef MPI_ABI_CLOSURE_H
#define MPI_ABI_CLOSURE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "mpi-abi/fingerprint.h"
#include "mpi-abi/host.h"
#include "mpi-abi/recipes.h"

struct closure_library {
	char *soname, *path;  /* real path on the host */
	struct elf elf;       /* with versions; with symbols unless it is a module */
	struct fingerprint print;  /* its path is the one above */
	bool family;          /* part of the MPI itself */
	bool core;            /* loads modules of its own build: never the image's copy */
	bool libc;            /* part of the C library */
	bool optional;        /* opened by name, if it can be: may lack what it needs */
	bool translator;      /* part of a translator: speaks the image's ABI */
	bool module;          /* in a tree below: found there, not by its SONAME */
};

/* Where libraries look for what they load: the same path in the container. */
struct closure_tree {
	char *path;           /* file or directory of the host */
	bool directory;
	char *owner;          /* SONAME of the library that looks there */
	char *beside;         /* it looks for this name beside itself too ("ucx"), or NULL */
};

struct closure {
	const struct recipes *recipes;  /* must outlive the closure */
	struct closure_library *libraries;
	size_t library_count, library_size;
	struct closure_tree *trees;
	size_t tree_count;
	char *missing, *missing_for;  /* a library that was not found and who needs it; or NULL */
};

/* The closure of the MPI library `mpi` and of its companions, which lie beside it.
 * `sonames`: the public libraries of the family that are wanted (those that the host lacks are
 * left out). A library that is not found is no error: see `missing`. */
int closure_new(const struct host *host, const struct host_mpi *mpi, unsigned machine,
		const struct recipes *recipes, const char *const *sonames, size_t soname_count,
		struct closure **closure, struct err *err);
void closure_free(struct closure **closure);

/* Adds every library of the host's glibc, and the trees of its conversions and locales.  -ENOENT without
 * err when the host has no glibc. */
int closure_add_libc(struct closure *closure, const struct host *host, unsigned machine,
		     struct err *err);

/* Adds a translator's library under this name, and what it needs. */
int closure_add_translator(struct closure *closure, const struct host *host, unsigned machine,
			   const char *soname, const char *path, struct err *err);

const struct closure_library *closure_find(const struct closure *closure, const char *soname);

/* Does this SONAME belong to the C library? */
bool closure_is_libc(const char *soname);

#endif
