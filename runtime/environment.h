/*
 * environment.h - lists of NAME=VALUE, where the later one of a name wins.  Pure.
 */
#ifndef RUNTIME_ENVIRONMENT_H
#define RUNTIME_ENVIRONMENT_H

#include <stddef.h>

/* Writes the strings of base and then of extra to out[], each name once, with the value that came
 * last; NULL at the end.  out[] has room for base_count + extra_count + 1 and may be base.  The
 * strings are not copied.  Returns the number of strings. */
size_t environment_merge(char *const *base, size_t base_count, const char *const *extra,
			 size_t extra_count, char **out);

/* Puts `extra` into out[], which holds count strings, each name once, and has room for extra_count
 * more and NULL.  Returns the number of strings. */
size_t environment_add(char **out, size_t count, const char *const *extra, size_t extra_count);

#endif
