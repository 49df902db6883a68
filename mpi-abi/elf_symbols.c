/*
 * elf_symbols.c - symbols of an ELF file: the linker's, and those of the full table
 * (elf.h).
 *
 * Flow: a reader whose dynamic section is known in, elf->symbols out: undefined and
 * exported symbols, and which of them the program holds a copy of (R_*_COPY).
 *
 * Caveat: the length of the dynamic symbol table is not in the dynamic section.  In
 * this order: DT_HASH; the section header (strip keeps it, sstrip does not);
 * DT_GNU_HASH, which knows exported symbols only, with the highest symbol that a
 * relocation names.
 */
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/elf_private.h"

/* The number of symbols that DT_GNU_HASH covers: the end of its last chain. */
static uint64_t gnu_hash_count(const struct elf_reader *reader)
{
	struct { uint32_t buckets, first, bloom, shift; } head;
	uint64_t address = reader->dynamic.gnu_hash, offset;
	if (address == 0 || !elf_address_copy(reader, address, &head, sizeof head))
		return 0;
	uint64_t at = address + sizeof head + (uint64_t)head.bloom * 8;
	if (!elf_address_offset(reader, at, (uint64_t)head.buckets * 4, &offset))
		return 0;
	AUTO_FREE uint32_t *buckets = elf_table_new(reader->source, offset, head.buckets, 4);
	uint32_t last = 0, link = 0;
	for (uint32_t i = 0; buckets && i < head.buckets; i++)
		if (buckets[i] > last)
			last = buckets[i];
	if (last < head.first)
		return head.first;
	at += (uint64_t)head.buckets * 4;
	for (; last < ELF_SYMBOLS_MAX; last++) {
		if (!elf_address_copy(reader, at + (uint64_t)(last - head.first) * 4, &link, sizeof link))
			return last;
		if (link & 1)
			return (uint64_t)last + 1;
	}
	return last;
}

static uint64_t section_count_of(const struct elf_reader *reader, uint32_t type, uint64_t address)
{
	if (reader->section_count == 0)
		return 0;
	AUTO_FREE Elf64_Shdr *sections = elf_table_new(reader->source, reader->section_table,
						   reader->section_count, sizeof *sections);
	for (size_t i = 0; sections && i < reader->section_count; i++)
		if (sections[i].sh_type == type && sections[i].sh_addr == address)
			return sections[i].sh_size / sizeof(Elf64_Sym);
	return 0;
}

static Elf64_Rela *relocations_new(const struct elf_reader *reader, uint64_t address, uint64_t len,
				   size_t *count)
{
	uint64_t offset;
	*count = 0;
	if (len == 0 || !elf_address_offset(reader, address, len, &offset))
		return NULL;
	Elf64_Rela *table = elf_table_new(reader->source, offset, len / sizeof *table, sizeof *table);
	if (table)
		*count = (size_t)(len / sizeof *table);
	return table;
}

static uint64_t symbol_count(const struct elf_reader *reader, const Elf64_Rela *relocations,
			     size_t relocation_count)
{
	struct { uint32_t buckets, chains; } hash;
	if (reader->dynamic.hash && elf_address_copy(reader, reader->dynamic.hash, &hash, sizeof hash))
		return hash.chains;
	uint64_t count = section_count_of(reader, SHT_DYNSYM, reader->dynamic.symtab);
	if (count > 0)
		return count;
	count = gnu_hash_count(reader);
	for (size_t i = 0; i < relocation_count; i++)
		if (ELF64_R_SYM(relocations[i].r_info) >= count)
			count = (uint64_t)ELF64_R_SYM(relocations[i].r_info) + 1;
	return count;
}

/* Undefined symbols and exported ones; locals and hidden ones are nobody's business. */
static bool symbol_wanted(const Elf64_Sym *symbol)
{
	unsigned bind = ELF64_ST_BIND(symbol->st_info), type = ELF64_ST_TYPE(symbol->st_info);
	unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);
	return bind != STB_LOCAL && type != STT_SECTION && type != STT_FILE &&
	       (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

static int fill_symbols(struct elf_reader *reader, const Elf64_Sym *table, size_t count,
			const Elf64_Rela *relocations, size_t relocation_count)
{
	struct elf *elf = reader->elf;
	AUTO_FREE bool *copied = calloc(count, sizeof *copied);
	elf->symbols = calloc(count, sizeof *elf->symbols);
	if (!copied || !elf->symbols)
		return err_set(reader->err, ENOMEM, "no memory to read an ELF file");
	for (size_t i = 0; i < relocation_count; i++) {
		uint64_t index = ELF64_R_SYM(relocations[i].r_info);
		if (ELF64_R_TYPE(relocations[i].r_info) == elf_copy_type(elf->machine) && index < count)
			copied[index] = true;
	}
	for (size_t i = 1; i < count; i++) {
		const char *name = elf_text_at(reader, table[i].st_name);
		if (!name || !*name || !symbol_wanted(&table[i]))
			continue;
		elf->symbols[elf->symbol_count++] = (struct elf_symbol){
			.name = name,
			.size = table[i].st_size,
			.defined = table[i].st_shndx != SHN_UNDEF,
			.weak = ELF64_ST_BIND(table[i].st_info) == STB_WEAK,
			.copied = copied[i],
		};
	}
	return 0;
}

int elf_read_symbols(struct elf_reader *reader)
{
	size_t relocation_count = 0, plt_count = 0;
	uint64_t offset;
	if (reader->dynamic.symtab == 0)
		return 0;
	AUTO_FREE Elf64_Rela *relocations = relocations_new(reader, reader->dynamic.rela,
							    reader->dynamic.relasz, &relocation_count);
	AUTO_FREE Elf64_Rela *plt = relocations_new(reader, reader->dynamic.jmprel,
						    reader->dynamic.pltrelsz, &plt_count);
	uint64_t count = symbol_count(reader, relocations, relocation_count);
	if (reader->dynamic.hash == 0)
		for (size_t i = 0; i < plt_count; i++)
			if (ELF64_R_SYM(plt[i].r_info) >= count)
				count = (uint64_t)ELF64_R_SYM(plt[i].r_info) + 1;
	if (count == 0)
		return 0;
	if (count > ELF_SYMBOLS_MAX ||
	    !elf_address_offset(reader, reader->dynamic.symtab, count * sizeof(Elf64_Sym), &offset))
		return elf_broken(reader->err, "its symbols lie outside of it");
	AUTO_FREE Elf64_Sym *table = elf_table_new(reader->source, offset, count, sizeof *table);
	if (!table)
		return elf_broken(reader->err, "its symbols lie outside of it");
	return fill_symbols(reader, table, (size_t)count, relocations, relocation_count);
}

static bool full_table_has(const struct elf_source *source, const Elf64_Shdr *symtab,
			   const Elf64_Shdr *strtab, const char *name)
{
	uint64_t count = symtab->sh_size / sizeof(Elf64_Sym);
	AUTO_FREE Elf64_Sym *symbols = elf_table_new(source, symtab->sh_offset, count, sizeof *symbols);
	AUTO_FREE char *strings = elf_table_new(source, strtab->sh_offset, strtab->sh_size, 1);
	if (!symbols || !strings)
		return false;
	strings[strtab->sh_size - 1] = '\0';
	for (uint64_t i = 0; i < count; i++)
		if (symbols[i].st_shndx != SHN_UNDEF && symbols[i].st_name < strtab->sh_size &&
		    strcmp(strings + symbols[i].st_name, name) == 0)
			return true;
	return false;
}

bool elf_has_full_symbol(const struct elf_source *source, const char *name)
{
	Elf64_Ehdr header;
	if (!elf_source_copy(source, 0, &header, sizeof header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    header.e_shentsize != sizeof(Elf64_Shdr))
		return false;
	AUTO_FREE Elf64_Shdr *sections =
		elf_table_new(source, header.e_shoff, header.e_shnum, sizeof *sections);
	for (size_t i = 0; sections && i < header.e_shnum; i++)
		if (sections[i].sh_type == SHT_SYMTAB && sections[i].sh_link < header.e_shnum &&
		    full_table_has(source, &sections[i], &sections[sections[i].sh_link], name))
			return true;
	return false;
}
