/*
 * hostlist.h - "nid[0001-0004,7],login" and back.
 *
 * The notation of Slurm's hostlists: a comma separates names, one or more
 * bracketed sets of numbers in a name expand in order; numbers keep their
 * width ("[08-11]" gives 08 09 10 11).  Foreign text: bounded at
 * HOSTLIST_MAX names.
 */
#ifndef COMMON_HOSTLIST_H
#define COMMON_HOSTLIST_H

#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

#define HOSTLIST_MAX 1000000
#define HOSTLIST_NAME_MAX 256

struct hostlist {
	char **names;
	size_t count, size;
};

/* Appends the names of `text`. -EINVAL with the place that was not understood,
 * -E2BIG above HOSTLIST_MAX.  On failure the list holds what came before. */
int hostlist_add(struct hostlist *list, const char *text, struct err *err);
int hostlist_add_name(struct hostlist *list, const char *name, size_t len, struct err *err);
void hostlist_free(struct hostlist *list);
#define AUTO_HOSTLIST __attribute__((cleanup(hostlist_free)))

/* The short form, in the order of the list: runs of numbers at the end of a
 * name are folded. hostlist_add() of it gives the same list. */
void hostlist_format(const struct hostlist *list, struct buf *out);

#endif
