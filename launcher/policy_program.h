/*
 * policy_program.h - `cmpi image check`, run for cmpirun when there is a policy (cmpi_program.h).
 */
#ifndef LAUNCHER_POLICY_PROGRAM_H
#define LAUNCHER_POLICY_PROGRAM_H

#include <stdbool.h>

#include "common/err.h"

/* May the squashfs file that is open as image_fd, named `path` (absolute), be run?  0 without a policy.
 * *verify: its signature holds for the root of its hash tree, so all that is read must be checked.
 * -EKEYREJECTED: the program has said why. */
int policy_program_run(const char *path, int image_fd, bool *verify, struct err *err);

#endif
