/*
 * fingerprint.h - are these the same files of the host on all nodes?
 *
 * A swap is decided where the plan is made and carried out on every node, from that node's own disk.  So the plan
 * names the libraries that it stands on, each with its size and the linker's build-id (a hash of the
 * content where there is none), and every node compares before it mounts.
 *
 * A build-id tells one build from another.  It does not find a damaged disk: a file that was changed after it was
 * linked, and kept its size, passes.
 */
#ifndef MPI_ABI_FINGERPRINT_H
#define MPI_ABI_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct elf_bytes;
struct host;

enum { FINGERPRINT_ID_MAX = 32, FINGERPRINTS_MAX = 65536 };

struct fingerprint {
	char *path;       /* on the host */
	uint64_t size;
	bool is_hash;     /* id is of the content, for want of a build-id */
	uint8_t id_len, id[FINGERPRINT_ID_MAX];
};

struct fingerprints {
	struct fingerprint *items;
	size_t count;
};

/* That of a file with these bytes; its path is NULL. */
void fingerprint_make(const struct elf_bytes *bytes, struct fingerprint *print);

/* Appends one, with a copy of the path; the other of a file of the host. */
int fingerprints_append(struct fingerprints *prints, const char *path, const struct fingerprint *print,
			struct err *err);
int fingerprints_add(struct fingerprints *prints, const struct host *host, const char *path,
		     struct err *err);
void fingerprints_free(struct fingerprints *prints);

/* This machine's files against these: 0 when all are the same; else -EXDEV, and err names the first that
 * deviates or is missing, with both sides, and how many more there are. */
int fingerprints_compare(const struct fingerprints *prints, struct err *err);

/* "98 files, xxh3:…": the same text for the same files. */
void fingerprints_format(const struct fingerprints *prints, struct buf *out);

void fingerprints_pack(const struct fingerprints *prints, struct buf *out);
/* -EPROTO for anything that pack did not write; *prints must be empty, is to be freed in any case. */
int fingerprints_parse(struct cursor *in, struct fingerprints *prints, struct err *err);

#endif
