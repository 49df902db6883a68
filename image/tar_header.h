/*
 * tar_header.h - one header block of a tar, as values.
 *
 * Pure; foreign bytes.  POSIX's <tar.h>, and what GNU tar and star made of it.
 */
#ifndef IMAGE_TAR_HEADER_H
#define IMAGE_TAR_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { TAR_BLOCK = 512 };

/* As it lies in the file. */
struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
	char magic[8], user[32], group[32], major[8], minor[8];
	char prefix[155], tail[12];  /* GNU: at 386 the sparse map, at 482 "more", at 483 the real size */
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a header is one block");

/* What a type flag means for a member. */
struct tar_type {
	char flag;
	mode_t mode;   /* S_IFMT's bits */
	bool data;     /* its size says how much data follows */
	bool target;   /* it has a link's text */
};

/* NULL: a flag of no member that is known (extended headers are the caller's). */
const struct tar_type *tar_type_of(char flag);

/* Octal, with blanks around, or base-256 when the first bit is set (GNU).  An empty field is 0. */
bool tar_field_number(const char *field, size_t len, int64_t *value);
/* The same, not negative. */
bool tar_field_size(const char *field, size_t len, uint64_t *value);

/* Does its checksum hold, by unsigned or (some old writers) by signed bytes? */
bool tar_header_holds(const struct tar_header *header);
/* Nothing but zeros: the end. */
bool tar_header_is_zero(const struct tar_header *header);
bool tar_header_is_gnu(const struct tar_header *header);
/* How many bytes of header->prefix stand in front of the name, with a slash between; 0: none. */
size_t tar_header_prefix(const struct tar_header *header);

#endif
