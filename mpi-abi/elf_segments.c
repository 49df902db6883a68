/*
 * elf_segments.c - constants and the build-id of a file, found by its program headers (elf.h).
 *
 * Linkers of this decade put constants into a segment of their own, older ones into that of the code.  What
 * is no little-endian 64-bit file has neither.
 */
#include <elf.h>

#include "common/cleanup.h"
#include "mpi-abi/elf_private.h"

static bool is_load(const Elf64_Phdr *segment, uint32_t flags)
{
	return segment->p_type == PT_LOAD && segment->p_filesz > 0 &&
	       (segment->p_flags & (PF_R | PF_W | PF_X)) == flags;
}

/* NULL when there are none. */
static Elf64_Phdr *segments_new(const struct elf_source *source, size_t *count)
{
	Elf64_Ehdr header;
	if (!elf_source_copy(source, 0, &header, sizeof header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_phentsize != sizeof(Elf64_Phdr))
		return NULL;
	*count = header.e_phnum;
	return elf_table_new(source, header.e_phoff, header.e_phnum, sizeof(Elf64_Phdr));
}

const uint8_t *elf_constants(const struct elf_source *source, size_t index, size_t *len)
{
	size_t count;
	AUTO_FREE Elf64_Phdr *segments = segments_new(source, &count);
	uint32_t flags = PF_R | PF_X;
	for (size_t i = 0; segments && i < count; i++)
		if (is_load(&segments[i], PF_R))
			flags = PF_R;
	for (size_t i = 0; segments && i < count; i++) {
		if (!is_load(&segments[i], flags) || index-- > 0)
			continue;
		*len = segments[i].p_filesz;
		return source->at(source->context, segments[i].p_offset, *len);
	}
	return NULL;
}

/* In a segment of notes, each: lengths of name and value, type, name, value, the latter two padded to 4 bytes. */
static size_t build_id_in(const uint8_t *notes, size_t len, uint8_t *id, size_t size)
{
	Elf64_Nhdr note;
	while (len >= sizeof note) {
		memcpy(&note, notes, sizeof note);
		uint64_t name_len = ((uint64_t)note.n_namesz + 3) & ~3ull;
		uint64_t value_len = ((uint64_t)note.n_descsz + 3) & ~3ull;
		if (name_len > len - sizeof note || value_len > len - sizeof note - name_len)
			return 0;
		const uint8_t *name = notes + sizeof note, *value = name + name_len;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
			size_t taken = note.n_descsz < size ? note.n_descsz : size;
			memcpy(id, value, taken);
			return taken;
		}
		notes = value + value_len;
		len -= sizeof note + name_len + value_len;
	}
	return 0;
}

size_t elf_build_id(const struct elf_source *source, uint8_t *id, size_t size)
{
	size_t count, found = 0;
	AUTO_FREE Elf64_Phdr *segments = segments_new(source, &count);
	for (size_t i = 0; segments && found == 0 && i < count; i++) {
		if (segments[i].p_type != PT_NOTE)
			continue;
		const uint8_t *notes =
			source->at(source->context, segments[i].p_offset, segments[i].p_filesz);
		if (notes)
			found = build_id_in(notes, segments[i].p_filesz, id, size);
	}
	return found;
}
