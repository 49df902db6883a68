/*
 * process.h - reading /proc of a rank and of what it has started, of which a shell script has some.
 */
#ifndef LAUNCHER_PROCESS_H
#define LAUNCHER_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/buf.h"

/* A file of /proc, whose size nobody knows before; what cannot be read adds nothing. */
void process_read(const char *path, struct buf *out);

/* Is there one among the process and its descendants (four generations) for which is_it() says so, by its maps? */
bool process_search(pid_t pid, bool (*is_it)(void *context, pid_t pid, const struct buf *maps), void *context);

#endif
