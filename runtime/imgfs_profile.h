/*
 * imgfs_profile.h - the text form of a boot profile: what a run read of its image, in order.  Pure.
 *
 *	# cmpirun boot profile 1
 *	0 31457280 8194 -
 *	1 1310720 49152 /usr/bin/python3.11
 *
 * A line: order, offset, length, path.  [offset, offset + length) of the image file was used, for
 * that file of the image, or for the file system's own tables ("-").  There is a line when a part of
 * the image file was touched for the first time, and one when a file was; so a part may stand in
 * several lines, each path stands at its first line in the order of the run, and a fragment that
 * files share stands in the line of each.  Order counts up from 0.  Lines beginning with # are
 * remarks.
 *
 * Paths are absolute, without links in them; bytes that are no plain visible ASCII, and backslashes,
 * are written as \ooo (three octal digits), as in /proc/self/mounts.
 */
#ifndef RUNTIME_IMGFS_PROFILE_H
#define RUNTIME_IMGFS_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define IMGFS_PROFILE_HEAD "# cmpirun boot profile 1\n"

enum {
	IMGFS_PROFILE_PATH_MAX = 4096,
	IMGFS_PROFILE_LINE_MAX = 4 * IMGFS_PROFILE_PATH_MAX + 80,
};

struct imgfs_profile_line {
	uint64_t order, offset, length;     /* bytes; offset + length does not overflow */
	char path[IMGFS_PROFILE_PATH_MAX];  /* "" for the tables */
};

/* The line with its newline, and a NUL behind; its length, or -ENAMETOOLONG. */
int imgfs_profile_write(const struct imgfs_profile_line *line, char text[IMGFS_PROFILE_LINE_MAX]);

/* Parses the next line of [*at, end), and moves *at behind it: 1; 0 at the end; -EPROTO for what is
 * no such line. A last line without a newline counts. */
int imgfs_profile_next(const char **at, const char *end, struct imgfs_profile_line *line,
		       struct err *err);

#endif
