/*
 * err.h - what went wrong, as a value.
 *
 * A fallible function returns 0 or -errno and takes `struct err *err` last.
 * On failure it has filled in *err; on success it has not touched it.  The
 * text is one clause for a person: where, what, why, and what to do.  There is
 * no allocation inside, so an err can cross a fork, a pipe or the wire.
 *
 *	if (fd < 0)
 *		return err_set(err, errno, "open %s: %s", path, strerror(errno));
 *	...
 *	if ((rc = image_open(path, &image, err)) < 0)
 *		return err_prefix(err, "image %s", path);
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include <errno.h>
#include <string.h>

#define ERR_TEXT_MAX 1000

struct err {
	int number;               /* a positive errno value, 0: no error */
	char text[ERR_TEXT_MAX];  /* NUL-terminated, no newline at the end */
};

#define ERR_NONE ((struct err){0})

/* Sets *err (which may be NULL: then only the number counts) and returns
 * -number.  A number of 0 would look like success: it becomes EIO. */
int err_set(struct err *err, int number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with ": strerror(number)" put behind the text. */
int err_errno(struct err *err, int number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the text that is there; returns -err->number.
 * The end is cut when it grows too long. */
int err_prefix(struct err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
