/*
 * bundle.h - several files and directory trees as one row of bytes, that one broadcast carries.  Pure.
 *
 * A bundle is a list of items, each a file or a tree as it was named on the command line, and of the
 * entries in them.  The list goes to all nodes first; the row has the files' contents alone.  (A tar
 * stream mixes both: nobody could know beforehand what is in it, how much room it wants, or where in
 * memory each file will be.)
 *
 * The row, the same on every node since it follows from the list: large files first, each at a
 * multiple of BUNDLE_ALIGN or more, so that a file can be mapped into the row and its bytes land in
 * it without a copy; then the small ones, packed.  Gaps are zeros.  A bundle of one file is that
 * file.
 *
 * A decoded bundle is safe to unpack below a directory if no symbolic link is followed: each path is
 * relative, without "." or "..", its directory is an earlier entry of the same item; a hard link's
 * target is a path of that kind.
 */
#ifndef BCAST_BUNDLE_H
#define BCAST_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "common/buf.h"
#include "common/err.h"

enum {
	BUNDLE_ALIGN = 64 << 10,        /* no page of a file is larger */
	BUNDLE_LARGE = 1 << 20,         /* bytes from which a file is a part of its own */
	BUNDLE_PARTS_MAX = 16384,       /* a process has 65530 mappings (vm.max_map_count) */
};

enum bundle_kind { BUNDLE_FILE = 1, BUNDLE_DIRECTORY, BUNDLE_SYMLINK, BUNDLE_HARDLINK };

struct bundle_entry {
	enum bundle_kind kind;
	uint32_t item;
	uint32_t mode;           /* permission bits */
	int64_t mtime_s;
	uint32_t mtime_ns;
	char *path;              /* below the item; "": the item itself */
	char *target;            /* of a symbolic link its text, of a hard link a path of the item; "" */
	uint64_t size;           /* a file's bytes, else 0 */
	/* Made by bundle_lay_out(). */
	uint64_t offset;         /* in the row */
	bool part;               /* a file that is mapped at its offset */
};

struct bundle_item {
	char *source;            /* path on the node that reads */
	char *name;              /* what it is called in a directory */
	size_t first, count;     /* of its entries; the first one is the item itself */
};

struct bundle {
	struct bundle_item *items;
	size_t item_count, item_room;
	struct bundle_entry *entries;
	size_t entry_count, entry_room;
	uint32_t *row;           /* files with bytes, in the order of their offsets */
	size_t row_count;
	uint64_t parts_end;      /* from here on: the packed files */
	uint64_t size;           /* bytes of the row */
};

/* Builds: an item, then its entries, parents first.  The strings are copied. -ENOMEM. */
int bundle_add_item(struct bundle *bundle, const char *source, const char *name, struct err *err);
int bundle_add(struct bundle *bundle, const struct bundle_entry *entry, struct err *err);
/* -EFBIG when the row is longer than a file can be. */
int bundle_lay_out(struct bundle *bundle, struct err *err);

/* buf->failed: no memory. */
void bundle_encode(const struct bundle *bundle, struct buf *buf);
/* From foreign bytes, laid out; -EBADMSG for what bundle_encode() does not write. */
int bundle_decode(const void *bytes, size_t len, struct bundle *bundle, struct err *err);
void bundle_free(struct bundle *bundle);

/* The file that has the byte at `offset` or is the next one behind it; NULL: none. */
const struct bundle_entry *bundle_find(const struct bundle *bundle, uint64_t offset);
/* The entry that follows in the row; NULL: none. */
const struct bundle_entry *bundle_next(const struct bundle *bundle, const struct bundle_entry *entry);
uint64_t bundle_count(const struct bundle *bundle, enum bundle_kind kind);

#endif
