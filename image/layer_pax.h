/*
 * layer_pax.h - the records of a pax extended header: "LENGTH KEY=VALUE\n" …
 *
 * Pure.  What is known is gathered into a struct layer_pax; what is unknown is ignored.  Values
 * stay inside of the bytes that were parsed, which must outlive the struct.
 */
#ifndef IMAGE_LAYER_PAX_H
#define IMAGE_LAYER_PAX_H

#include "common/buf.h"
#include "common/err.h"
#include "image/layer_entry.h"

/* Text with a length: a value has no NUL behind it. */
struct layer_text {
	const char *at;  /* NULL: not there */
	size_t len;
};

struct layer_pax {
	struct layer_text path, linkpath;
	bool has_size, has_uid, has_gid, has_mtime;
	uint64_t size, uid, gid;
	int64_t mtime;
	struct { struct layer_text name, value; } xattrs[LAYER_XATTRS_MAX];
	uint32_t xattr_count;
	/* sparse files, in all three spellings of GNU tar */
	bool sparse;
	uint64_t sparse_major, sparse_minor;
	bool has_real_size;
	uint64_t real_size;
	struct layer_text sparse_name;
	struct buf map;        /* struct layer_segment, from 0.0 and 0.1 */
	uint64_t map_offset;   /* an offset that waits for its numbytes */
	bool map_waits;
};

/* Adds the records of one header to *pax (a later record replaces an earlier one).
 * -EBADMSG: not such records; -E2BIG: too many. */
int layer_pax_parse(const char *bytes, size_t len, struct layer_pax *pax, struct err *err);
/* Releases and empties. */
void layer_pax_reset(struct layer_pax *pax);

/* A decimal number of exactly `len` bytes; false: not one, or above INT64_MAX. */
bool layer_decimal(const char *text, size_t len, uint64_t *value);

#endif
