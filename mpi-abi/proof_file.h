/*
 * proof_file.h - the files that a proof looks at: where a path leads before and after a swap, and
 * what is defined there.
 */
#ifndef MPI_ABI_PROOF_FILE_H
#define MPI_ABI_PROOF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mpi-abi/decide_private.h"

struct symbol_set {
	const char **names;
	uint32_t *hashes;
	size_t size;           /* a power of two; 0: not made yet */
};

struct proof_file {
	const struct elf *elf;
	const char *path;                   /* in the image or on the host, real */
	const struct image_binary *binary;  /* of the image; NULL: of the host */
	bool host, symbols_known, is_checked;
	struct elf host_elf;
	char *host_path;
	struct symbol_set set;              /* what it defines */
};

struct proof {
	struct deciding *deciding;
	struct ldcache old_cache;           /* the image's, before the effects */
	struct proof_file **files;
	size_t count, size;
	struct names by_path;               /* "h/usr/lib/x" of the host, "i/usr/lib/x" of the image */
	struct names targets;               /* index of a bind of a file */
	struct names users;                 /* SONAMEs that use the family, directly or not */
	bool failed;                        /* memory ran out */
};

int proof_open(struct proof *proof);
void proof_close(struct proof *proof);

/* The ELF file at a path of the container, in the final tree or in the image alone; NULL: none. */
struct proof_file *proof_file_at(struct proof *proof, const char *path, bool final);

uint32_t proof_hash(const char *symbol);
bool proof_file_defines(struct proof *proof, struct proof_file *file, const char *symbol,
			uint32_t hash);
/* Does any host library of the closure, or its C library? */
bool proof_host_defines(struct proof *proof, const char *symbol, uint32_t hash);

/* Does it need a library of the family, or one that does? */
bool proof_uses_family(const struct proof *proof, const struct image_binary *binary);

#endif
