/*
 * program.h - from the word that the user typed to a file of the container.
 */
#ifndef RUNTIME_PROGRAM_H
#define RUNTIME_PROGRAM_H

#include "common/err.h"

/* As a shell does: a name with a slash is taken as it is, relative to the working directory;
 * others are looked up in the PATH of `environment`.  0 and a newly allocated path, or the exit
 * status (common/exitcode.h) and *err. */
int program_find(const char *name, char *const *environment, char **path, struct err *err);

/* Asks the kernel to read what an execve(2) of `path` will touch first: the file, its interpreter, and
 * beside an ELF interpreter the C library.  A hint: does not wait, says nothing. */
void program_prefetch(const char *path);

/* Why execve(2) of `path` failed; the exit status, and *err. */
int program_explain(const char *path, int number, struct err *err);

#endif
