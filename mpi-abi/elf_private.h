/*
 * elf_private.h - shared by elf.c and elf_symbols.c.
 */
#ifndef MPI_ABI_ELF_PRIVATE_H
#define MPI_ABI_ELF_PRIVATE_H

#include <elf.h>

#include "mpi-abi/elf.h"

/* Everything that one reading needs. */
struct elf_reader {
	const struct elf_source *source;
	struct elf *elf;
	Elf64_Phdr *segments;
	size_t segment_count;
	size_t strings_len;
	uint64_t section_table;
	size_t section_count;
	struct {
		uint64_t strtab, strsz, symtab, hash, gnu_hash;
		uint64_t verneed, verneednum, verdef, verdefnum;
		uint64_t rela, relasz, jmprel, pltrelsz;
	} dynamic;
	struct err *err;
};

int elf_broken(struct err *err, const char *what);

/* False when the source has not so many bytes there. */
bool elf_source_copy(const struct elf_source *source, uint64_t offset, void *to, size_t len);

/* `count` records of `size` bytes at a file offset, copied; NULL when they are not there. */
void *elf_table_new(const struct elf_source *source, uint64_t offset, uint64_t count, size_t size);

/* The offset of `len` bytes at a virtual address; false when no segment holds them. */
bool elf_address_offset(const struct elf_reader *reader, uint64_t address, uint64_t len,
			uint64_t *offset);
bool elf_address_copy(const struct elf_reader *reader, uint64_t address, void *to, size_t len);

/* A text of the string table, NULL outside. */
const char *elf_text_at(const struct elf_reader *reader, uint64_t index);

/* The machine's R_*_COPY. */
uint32_t elf_copy_type(unsigned machine);

int elf_read_symbols(struct elf_reader *reader);

#endif
