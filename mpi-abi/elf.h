/*
 * elf.h - what the dynamic linker would read of an ELF file.
 *
 * Pure, over a source of bytes: a file in memory or one inside an image, of which
 * only the parts that are asked for are ever unpacked.  Formats: gABI chapter 5, and
 * the GNU extensions (version sections, DT_GNU_HASH) of the Linux Standard Base.
 * Offsets, counts and strings are foreign: checked against the source, bounded.
 */
#ifndef MPI_ABI_ELF_H
#define MPI_ABI_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum {
	ELF_NEEDED_MAX = 4096,
	ELF_VERSIONS_MAX = 65536,
	ELF_SYMBOLS_MAX = 8000000,
	ELF_TABLE_MAX = 512 << 20,  /* bytes of one table */
};

struct elf_source {
	/* `len` bytes at `offset`, valid until the next call; NULL when there are not so many. */
	const uint8_t *(*at)(void *context, uint64_t offset, size_t len);
	void *context;
	uint64_t size;
};

enum elf_kind {
	ELF_DYNAMIC,  /* all fields hold */
	ELF_STATIC,   /* no dynamic section: class and machine hold */
	ELF_FOREIGN,  /* 32 bit or big-endian: class and machine hold */
};

struct elf_need {          /* "this file must define this version" */
	const char *file, *version;
	bool weak;
};

struct elf_symbol {
	const char *name;
	uint64_t size;
	bool defined, weak, copied;  /* copied: the program holds its own copy (R_*_COPY) */
};

/* Every text is inside `strings` or NULL. */
struct elf {
	enum elf_kind kind;
	unsigned bits, machine, type;  /* 32 or 64, EM_*, ET_* */
	char *interpreter;
	const char *soname, *rpath, *runpath;
	const char **needed;
	size_t needed_count;
	struct elf_need *needs;
	size_t need_count;
	const char **definitions;      /* version definitions, without the file's own name */
	size_t definition_count;
	struct elf_symbol *symbols;    /* with ELF_WITH_SYMBOLS; undefined and exported ones */
	size_t symbol_count;
	char *strings;
};

enum elf_parts {
	ELF_WITH_VERSIONS = 1,  /* needs, definitions */
	ELF_WITH_SYMBOLS = 2,   /* symbols, and which are copied */
};

/* -ENOEXEC: no ELF file (err untouched, since most files are none); -EBADMSG: broken.
 * *elf is to be freed in case of success. */
int elf_read(const struct elf_source *source, unsigned parts, struct elf *elf, struct err *err);
void elf_free(struct elf *elf);
#define AUTO_ELF __attribute__((cleanup(elf_free)))

/* The bytes of the `index`-th segment with constants (loaded, read-only, not executable; of a file that has
 * none of those apart, with its code); NULL behind the last.  Valid until the source's next call. */
const uint8_t *elf_constants(const struct elf_source *source, size_t index, size_t *len);

/* The linker's build-id: the bytes written into `id`, 0 when there is none. */
size_t elf_build_id(const struct elf_source *source, uint8_t *id, size_t size);

/* Does the full symbol table (.symtab, missing in a stripped file) define `name`? */
bool elf_has_full_symbol(const struct elf_source *source, const char *name);

/* As bytes, with all that is known; and back.  -EPROTO for anything that pack did not write;
 * then there is nothing to free. */
void elf_pack(const struct elf *elf, struct buf *out);
int elf_parse(struct cursor *in, struct elf *elf, struct err *err);

/* "x86_64", "aarch64", …; "machine 7" is written into `text` for the rest. */
const char *elf_machine_name(unsigned machine, char text[24]);

/* EM_* of the machine that this program was compiled for. */
unsigned elf_machine_here(void);

/* A source over bytes in memory: context is the struct, which stays the caller's. */
struct elf_bytes {
	const uint8_t *bytes;
	size_t len;
};
struct elf_source elf_source_bytes(struct elf_bytes *bytes);

#endif
