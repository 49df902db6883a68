/*
 * pull_program.h - `cmpi image pull`, run for cmpirun (cmpi_program.h says why).
 */
#ifndef LAUNCHER_PULL_PROGRAM_H
#define LAUNCHER_PULL_PROGRAM_H

#include <stdbool.h>

#include "common/err.h"

/* Waits for it.  `when` as in cmpi-image(1), NULL: missing.  *path is the squashfs file, owned.  The
 * program has said itself what was wrong; err says so. */
int pull_program_run(const char *reference, const char *when, bool quiet, char **path, struct err *err);

#endif
