/*
 * names.h - a set of names, each with a number.  Pure.
 */
#ifndef MPI_ABI_NAMES_H
#define MPI_ABI_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name {
	const char *text;  /* owned by the set, unless it borrows */
	uint64_t value, hash;
};

/* An open hash table; zeroed: empty.  `failed` stays set after memory ran out.  `borrows`, set before the first
 * name: texts are not copied, and outlive the set. */
struct names {
	struct name *slots;
	size_t count, size;
	bool failed, borrows;
};

/* Adds a copy (see borrows); an existing name keeps its value. Returns the entry, NULL without memory. */
struct name *names_add(struct names *names, const char *text, uint64_t value);
const struct name *names_find(const struct names *names, const char *text);
/* Is every name of `small` in `large`?  *missing (may be NULL) is one that is not. */
bool names_include(const struct names *large, const struct names *small, const char **missing);
void names_free(struct names *names);
#define AUTO_NAMES __attribute__((cleanup(names_free)))

#endif
