/*
 * ldcache.h - /etc/ld.so.cache, read and written.
 *
 * Pure.  The format "glibc-ld.so.cache1.1", alone or behind the old
 * "ld.so-1.7.0" table, as glibc 2.0 to 2.43 read it.  ldconfig writes a key only for a
 * file whose SONAME it is; a cache written here may map any key to any path.
 */
#ifndef MPI_ABI_LDCACHE_H
#define MPI_ABI_LDCACHE_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum { LDCACHE_ENTRIES_MAX = 1000000 };

struct ldcache_entry {
	char *key, *path;  /* "libm.so.6", "/lib/x86_64-linux-gnu/libm.so.6" */
	int32_t flags;     /* library type and architecture */
	uint32_t os_version;
	uint64_t hwcap;    /* old bits, or 1 << 62 | index into hwcaps[] */
};

struct ldcache {
	struct ldcache_entry *entries;
	size_t count, size;
	char **hwcaps;     /* "x86-64-v3", … */
	size_t hwcap_count;
};

/* -EBADMSG with what is wrong; a cache of the old format alone is -ENOTSUP. */
int ldcache_parse(const void *bytes, size_t len, struct ldcache *cache, struct err *err);
void ldcache_free(struct ldcache *cache);
#define AUTO_LDCACHE __attribute__((cleanup(ldcache_free)))

/* The entry that the linker takes first for `key` among those of `flags` (0: any)
 * without hwcaps, or NULL. */
const struct ldcache_entry *ldcache_find(const struct ldcache *cache, const char *key,
					 int32_t flags);

/* Makes `path` the only answer for `key`. */
int ldcache_set(struct ldcache *cache, const char *key, const char *path, int32_t flags,
		struct err *err);

/* Library type and architecture in the entries of a 64-bit machine (EM_*); 0: not known. */
int32_t ldcache_flags(unsigned machine);

/* The bytes of the file, sorted as the linker's binary search demands. */
int ldcache_write(const struct ldcache *cache, struct buf *out, struct err *err);

/* The order of that search: numbers in names compare as numbers. */
int ldcache_compare(const char *a, const char *b);

#endif
