/*
 * elf_constants.c - where the texts of a program lie in its file (elf.h).
 *
 * Linkers of this decade put constants into a segment of their own, older ones into that of the code.  What
 * is no little-endian 64-bit file has none.
 */
#include <elf.h>

#include "common/cleanup.h"
#include "mpi-abi/elf_private.h"

static bool is_load(const Elf64_Phdr *segment, uint32_t flags)
{
	return segment->p_type == PT_LOAD && segment->p_filesz > 0 &&
	       (segment->p_flags & (PF_R | PF_W | PF_X)) == flags;
}

const uint8_t *elf_constants(const struct elf_source *source, size_t index, size_t *len)
{
	Elf64_Ehdr header;
	if (!elf_source_copy(source, 0, &header, sizeof header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_phentsize != sizeof(Elf64_Phdr))
		return NULL;
	AUTO_FREE Elf64_Phdr *segments =
		elf_table_new(source, header.e_phoff, header.e_phnum, sizeof *segments);
	uint32_t flags = PF_R | PF_X;
	for (size_t i = 0; segments && i < header.e_phnum; i++)
		if (is_load(&segments[i], PF_R))
			flags = PF_R;
	for (size_t i = 0; segments && i < header.e_phnum; i++) {
		if (!is_load(&segments[i], flags) || index-- > 0)
			continue;
		*len = segments[i].p_filesz;
		return source->at(source->context, segments[i].p_offset, *len);
	}
	return NULL;
}
