/*
 * image_index.h - what in an image has to do with MPI, as a value.
 *
 * Made by one walk over the whole image (image_index.c), which reads of each ELF file its
 * dynamic section and versions; of those that are part of an MPI, PMI or fabric, that link one, or
 * that one of these needs, also the symbols (as of small libraries without versions).  Scripts and interpreters need no care: their extension
 * modules are found like everything else.  A decision needs the index alone, never the image:
 * packed (index_pack.c) and kept in a file (index_cache.c) it saves every later run that walk.
 */
#ifndef MPI_ABI_IMAGE_INDEX_H
#define MPI_ABI_IMAGE_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "mpi-abi/elf.h"
#include "mpi-abi/family.h"
#include "mpi-abi/image_tree.h"
#include "squash/squash.h"

struct image_binary {          /* a dynamic ELF file of the image */
	char *path, *soname;   /* real path; the file's name where it has no SONAME */
	struct elf elf;        /* with versions; symbols where has_symbols */
	enum mpi_family family; /* of a library that is part of an MPI */
	enum mpi_role role;     /* NONE: no part of one */
	bool library;           /* could be a NEEDED of another */
	bool has_symbols;
};

struct image_modules {         /* a directory of files that a library loads at run time */
	char *path;
	char *owner;           /* beginning of that library's SONAME: "libucs.so" */
};

struct image_index {
	/* The first binary_count are part of an MPI or link one directly. */
	struct image_binary *binaries;
	size_t binary_count, file_count, file_size;
	struct image_modules *modules;
	size_t module_count;
	struct image_tree tree;     /* of the image */
	char *cache;                /* /etc/ld.so.cache, NULL when there is none */
	size_t cache_len;
	char *static_mpi;           /* a program with an MPI inside, looked for when nothing links one */
	size_t files, elf_files;    /* that the image has */
	struct names by_path;       /* index of a binary */
};

int image_index_new(struct squash *image, struct image_index **index, struct err *err);
void image_index_free(struct image_index **index);

/* The ELF file at a path without links, or NULL. */
const struct image_binary *image_index_at(const struct image_index *index, const char *path);
/* The same at any path. */
const struct image_binary *image_index_lookup(const struct image_index *index, const char *path);

void image_index_pack(const struct image_index *index, struct buf *out);
/* -EPROTO for anything that pack did not write. */
int image_index_parse(struct cursor *in, struct image_index **index, struct err *err);

/* Fills by_path, when all binaries are there. */
int image_index_close(struct image_index *index, struct err *err);

/* A path of a program that has an MPI linked statically (its full symbol table says so);
 * *path is NULL when there is none.  A second walk, so only for the reason of a refusal. */
int image_static_mpi(struct squash *image, char **path, struct err *err);

#endif
