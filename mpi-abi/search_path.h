/*
 * search_path.h - an RPATH, RUNPATH or LD_LIBRARY_PATH, element by element.  Pure.
 */
#ifndef MPI_ABI_SEARCH_PATH_H
#define MPI_ABI_SEARCH_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* The next element of *list, with $ORIGIN put in (the directory of the file `from`; NULL: there is none),
 * into `dir`; false at the end.  Elements that are relative, too long, or hold another token are
 * left out: a decision must not hang on them. */
bool search_path_next(const char **list, const char *from, char *dir, size_t size);

#endif
