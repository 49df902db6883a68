/*
 * bundle_scan.h - what the command line names, as a bundle.
 */
#ifndef BCAST_BUNDLE_SCAN_H
#define BCAST_BUNDLE_SCAN_H

#include <stddef.h>

#include "bcast/bundle.h"
#include "common/err.h"

/* Looks at each of `count` paths: a regular file, or a directory with all below it.  Links named by
 * `paths` are followed, those inside a directory are kept.  *skipped: entries that are neither file,
 * directory nor link (sockets, devices), which are left out.  The bundle is laid out; it is to be freed in any
 * case. -ENOENT, -EINVAL, -EACCES ... */
int bundle_scan(char *const *paths, size_t count, struct bundle *bundle, size_t *skipped,
		struct err *err);

#endif
