/*
 * linker_line.h - what ld.so said when a program failed, and which decision of ours has a part in it.
 *
 * Pure.  The text is a rank's stderr: foreign bytes.  Known are the sentences of glibc's dynamic linker (elf/dl-load.c,
 * dl-lookup.c, dl-version.c), as a program's last words or inside of what another says (an ImportError of Python).
 */
#ifndef MPI_ABI_LINKER_LINE_H
#define MPI_ABI_LINKER_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "mpi-abi/decide.h"

enum { LINKER_NAME_MAX = 256 };

enum linker_fault {
	LINKER_MISSING,   /* `library` was not found */
	LINKER_UNUSABLE,  /* `library` was found, and is not what the linker can load */
	LINKER_VERSION,   /* `library` lacks the version `symbol` that `requester` needs */
	LINKER_SYMBOL,    /* nobody (or not `library`) defines the symbol that `requester` needs */
};

struct linker_line {
	enum linker_fault fault;
	char library[LINKER_NAME_MAX];    /* SONAME or path; "": not named */
	char symbol[LINKER_NAME_MAX];
	char requester[LINKER_NAME_MAX];  /* path as the linker saw it; "": not named */
};

/* The last line of these that the linker said; false: there is none. */
bool linker_line_find(const char *text, size_t len, struct linker_line *line);

/* Where a program's libraries came from. */
struct linker_scene {
	enum abi_level level;          /* ABI_LEVEL_OWN: the MPI and its fabric are the image's */
	const struct abi_bind *swaps;  /* what the host's MPI or fabric brought along */
	size_t swap_count;
	const struct abi_bind *mounts; /* other paths of the host in the container */
	size_t mount_count;
	const char *work_dir;          /* what a relative path begins at; NULL: not known */
};

/* One clause, without newline; false: no decision has a part in it. */
bool linker_line_explain(const struct linker_line *line, const struct linker_scene *scene, struct buf *out);

#endif
