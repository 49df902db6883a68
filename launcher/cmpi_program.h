/*
 * cmpi_program.h - runs cmpi, which stands beside cmpirun, and reads what it prints.
 *
 * The gateway's libraries (TLS, HTTP, JSON, signatures) would cost every launch some milliseconds; so
 * only a launch that needs them pays.
 */
#ifndef LAUNCHER_CMPI_PROGRAM_H
#define LAUNCHER_CMPI_PROGRAM_H

#include <stddef.h>

#include "common/err.h"

enum { CMPI_PROGRAM_FD = 9 };

/* words: what follows "cmpi", NULL-terminated.  fd: given to it as CMPI_PROGRAM_FD; -1: none.  Its stdin is
 * empty (the job's is the job's), its stderr ours.  line: the first line that it prints, cut to the
 * size.  *status: as of waitpid(2).  `what_for` is a clause for the error of a cmpi that is not
 * there: "which fetches images". */
int cmpi_program_run(const char *const *words, int fd, const char *what_for, char *line, size_t size,
		     int *status, struct err *err);

#endif
