/*
 * build.h - an OCI image as local blobs → one verified squashfs file.
 *
 * Pass 1 reads the headers of each layer into a tree (hash → decompress → hash → tar
 * headers); it can run while the layer still comes, by layer_scan_*.  Pass 2 streams what
 * is alive in the merged tree into squashfs, then the file is read back and compared.
 * Nothing is unpacked on disk.
 *
 * Who gets the blobs (image/pull.h) and who builds are independent of each other: this
 * header is all that they share.
 */
#ifndef IMAGE_BUILD_H
#define IMAGE_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/squash_super.h"

/* "sha256:" and 64 hexadecimal digits, or "sha512:" and 128; NUL-terminated. */
enum { DIGEST_TEXT_SIZE = 7 + 128 + 1 };

struct layer_scan;

/* One layer, lowest first.  The builder preads `fd` and never moves its offset. */
struct build_layer {
	int fd;                  /* the blob as it came (compressed or not), the caller's */
	uint64_t size;           /* of the blob, bytes */
	const char *media_type;  /* may be wrong or NULL: the compression is sniffed */
	const char *digest;      /* of the blob; NULL: not known (a plain tar), not checked */
	const char *diff_id;     /* of the tar inside; NULL: not known, not checked */
	/* The folder of the tar ("rootfs") that is the layer: what is elsewhere is left out.  NULL: all is.
	 * Outlives the scan. */
	const char *below;
	struct layer_scan *scan; /* ended well, or NULL: then build_image() does pass 1.  Stays the caller's */
};

struct build_progress {
	uint64_t done, total;  /* bytes of files put into squashfs; total is final from the first call on */
};

struct build_input {
	const struct build_layer *layers;
	size_t layer_count;
	const char *config;           /* the image's config as it came (JSON), not NUL-terminated; NULL: none */
	size_t config_len;
	const char *reference;        /* what the user would write, normalised */
	const char *manifest_digest;  /* NULL: there is no manifest (a tar, a directory) */
	enum squash_compressor compressor;  /* 0: zstd */
	int level;                    /* 0: the default of the compressor */
	uint32_t block_size;          /* bytes, a power of two; 0: 128 KiB */
	/* May be NULL.  Called some times a second, from the thread of build_image(); a value
	 * other than 0 ends the build with -ECANCELED. */
	int (*progress)(void *context, const struct build_progress *progress);
	void *context;
};

struct build_result {
	char digest[DIGEST_TEXT_SIZE];  /* sha256 of all of the file */
	uint64_t size;                  /* of the file */
	uint64_t files;                 /* inodes of all kinds */
	uint64_t bytes;                 /* of all regular files, uncompressed */
};

/* Merges, writes squashfs to out_fd (an empty regular file, read-write), reads it back and compares.
 * Same input, same bytes out.  -EBADMSG: a layer is not what its digest or diff_id says, or
 * not a tar; -EFBIG, -E2BIG: above a cap; -ENOSPC, -EDQUOT, -EIO: of the disk.  On failure the
 * content of out_fd is of no use. */
int build_image(const struct build_input *input, int out_fd, struct build_result *result,
		struct err *err);
/* Puts hash tree, config and tail (image/config_tail.h) behind a squashfs of bytes_used bytes: what
 * build_image() does at its end, for a squashfs of another maker.  Of *input the config and its origin. */
int build_add_tail(const struct build_input *input, int fd, uint64_t bytes_used, struct err *err);
/* The same with the JSON of image/config.h, as it stands behind another file. */
int build_add_json_tail(int fd, uint64_t bytes_used, const char *json, size_t len, struct err *err);

/* Pass 1 of one layer, fed as its bytes come.  A scan is used by one thread at a time; several
 * scans may run in several threads. */
int layer_scan_new(const struct build_layer *layer, struct layer_scan **scan, struct err *err);
/* The next `len` bytes of the blob.  After an error the scan is good only for layer_scan_free(). */
int layer_scan_feed(struct layer_scan *scan, const void *bytes, size_t len, struct err *err);
/* The blob is complete: checks its size, digest and diff_id. -EBADMSG with what was wanted and got. */
int layer_scan_end(struct layer_scan *scan, struct err *err);
/* Also accepts NULL. */
void layer_scan_free(struct layer_scan **scan);

#endif
