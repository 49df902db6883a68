/*
 * consumer.h - what in an image has to do with MPI.
 *
 * Walks the whole tree of an image once and reads of each ELF file its dynamic
 * section; of those that are part of an MPI or link one also versions and symbols.
 * Scripts and interpreters need no care: their extension modules are found like
 * everything else.
 */
#ifndef MPI_ABI_CONSUMER_H
#define MPI_ABI_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "squash/squash.h"
#include "mpi-abi/elf.h"
#include "mpi-abi/family.h"

struct image_library {         /* any shared library of the image */
	char *path, *soname;   /* real path; the file's name where it has no SONAME */
	struct squash_node node;
};

struct image_binary {          /* part of an MPI, or links one */
	char *path, *soname;   /* soname as above */
	struct squash_node node;
	struct elf elf;
	enum mpi_family family; /* of a library that is part of an MPI */
	enum mpi_role role;     /* NONE: links one */
};

struct image_modules {         /* a directory of files that a library loads at run time */
	char *path;
	const char *owner;     /* beginning of that library's SONAME: "libucs.so" */
};

struct image_index {
	struct image_library *libraries;
	size_t library_count, library_size;
	struct image_binary *binaries;
	size_t binary_count, binary_size;
	struct image_modules *modules;
	size_t module_count;
	size_t files, elf_files;
};

int image_index_new(struct squash *image, struct image_index **index, struct err *err);
void image_index_free(struct image_index **index);

/* A path of a program that has an MPI linked statically (its full symbol table says so);
 * *path is NULL when there is none.  A second walk, so only for the reason of a refusal. */
int image_static_mpi(struct squash *image, char **path, struct err *err);

/* The ELF file `node` of the image, as elf_read. */
int image_elf_read(struct squash *image, const struct squash_node *node, unsigned parts,
		   struct elf *elf, struct err *err);

#endif
