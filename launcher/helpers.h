/*
 * helpers.h - where cmpid, cmpi-init, cmpi-imgfs and cmpi-bcast.* are.
 */
#ifndef LAUNCHER_HELPERS_H
#define LAUNCHER_HELPERS_H

#include <stddef.h>

#include "common/err.h"

/* Beside this program (a build tree), in ../libexec/cmpirun of it (an installation,
 * wherever it was moved to), or where it was configured to be. -ENOENT names all three. */
int helpers_find(char *dir, size_t size, struct err *err);

#endif
