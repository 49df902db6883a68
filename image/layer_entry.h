/*
 * layer_entry.h - one member of a layer's tar: the value that pass 1 keeps of it.
 *
 * Paths are as the tar spells them (image/layer_tree.h cleans them); nothing here has been
 * judged but what the format itself bounds.
 */
#ifndef IMAGE_LAYER_ENTRY_H
#define IMAGE_LAYER_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	LAYER_PATH_MAX = 4096,           /* with its NUL; also of a link's text */
	LAYER_RECORDS_MAX = 1 << 20,     /* bytes of one extended header */
	LAYER_SEGMENTS_MAX = 1 << 20,    /* of one sparse file */
	LAYER_ENTRIES_MAX = 4000000,     /* of one layer, and of one image */
	LAYER_XATTRS_MAX = 64,           /* of one file */
	LAYER_XATTR_NAME_MAX = 255,
};
#define LAYER_FILE_MAX (1ull << 38)      /* bytes of one file, holes included: 256 GiB */
#define LAYER_KEPT_MAX (512ull << 20)    /* bytes of memory for what one layer's headers say */

struct layer_xattr {
	const char *name;   /* "user.…" */
	const char *value;  /* any bytes */
	size_t len;
};

/* A part of a sparse file that is there; between them are holes. */
struct layer_segment {
	uint64_t at, len;
};

struct layer_entry {
	const char *path;
	const char *target;       /* of a symbolic link its text, of a hard link the path; else NULL */
	const struct layer_xattr *xattrs;
	const struct layer_segment *segments;  /* NULL: not sparse; ascending, inside of size */
	uint64_t size;            /* of a regular file, holes included */
	uint64_t stored;          /* bytes of it that the tar holds */
	uint64_t data_at;         /* where these begin in the plain stream */
	uint64_t hash[2];         /* XXH3-128 of the content, holes included; by the scan */
	int64_t mtime;            /* s since 1970, may be before */
	uint32_t uid, gid;
	uint32_t xattr_count, segment_count;
	mode_t mode;              /* type and permissions; of a hard link S_IFREG and nothing that counts */
	bool hard_link;
};

#endif
