/*
 * elf.c - dynamic section and versions of an ELF file (elf.h).
 *
 * Flow: header → program headers → dynamic section → the tables that it names, by
 * address, which the program headers turn into offsets.  elf_symbols.c reads those of
 * symbols.
 *
 * Invariants: every access goes through source.at(), so nothing outside the file
 * is read; the string table is copied once, ends with NUL, and every text points
 * into it; chains of "next" offsets are counted.
 */
#include "mpi-abi/elf.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/elf_private.h"

static const struct {
	unsigned machine, copy;  /* its R_*_COPY */
	const char *name;
} machines[] = {
	{EM_X86_64, R_X86_64_COPY, "x86_64"}, {EM_AARCH64, R_AARCH64_COPY, "aarch64"},
	{EM_PPC64, R_PPC64_COPY, "ppc64"},    {EM_RISCV, R_RISCV_COPY, "riscv64"},
	{EM_S390, R_390_COPY, "s390x"},       {EM_386, R_386_COPY, "i386"},
	{EM_ARM, R_ARM_COPY, "arm"},
};

int elf_broken(struct err *err, const char *what)
{
	return err_set(err, EBADMSG, "broken ELF file: %s", what);
}

static const uint8_t *bytes_at(void *context, uint64_t offset, size_t len)
{
	struct elf_bytes *bytes = context;
	if (offset > bytes->len || len > bytes->len - offset)
		return NULL;
	return bytes->bytes + offset;
}

struct elf_source elf_source_bytes(struct elf_bytes *bytes)
{
	return (struct elf_source){.at = bytes_at, .context = bytes, .size = bytes->len};
}

uint32_t elf_copy_type(unsigned machine)
{
	for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
		if (machines[i].machine == machine)
			return machines[i].copy;
	return UINT32_MAX;
}

const char *elf_machine_name(unsigned machine, char text[24])
{
	for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
		if (machines[i].machine == machine)
			return machines[i].name;
	snprintf(text, 24, "machine %u", machine);
	return text;
}

unsigned elf_machine_here(void)
{
#if defined(__x86_64__)
	return EM_X86_64;
#elif defined(__aarch64__)
	return EM_AARCH64;
#elif defined(__powerpc64__)
	return EM_PPC64;
#elif defined(__riscv)
	return EM_RISCV;
#elif defined(__s390x__)
	return EM_S390;
#else
	return EM_NONE;
#endif
}

bool elf_source_copy(const struct elf_source *source, uint64_t offset, void *to, size_t len)
{
	const uint8_t *from = source->at(source->context, offset, len);
	if (!from)
		return false;
	memcpy(to, from, len);
	return true;
}

void *elf_table_new(const struct elf_source *source, uint64_t offset, uint64_t count, size_t size)
{
	if (count == 0 || count > ELF_TABLE_MAX / size || offset > source->size ||
	    count * size > source->size - offset)
		return NULL;
	AUTO_FREE void *table = malloc(count * size);
	if (!table || !elf_source_copy(source, offset, table, count * size))
		return NULL;
	return take_ptr(&table);
}

bool elf_address_offset(const struct elf_reader *reader, uint64_t address, uint64_t len,
			   uint64_t *offset)
{
	for (size_t i = 0; i < reader->segment_count; i++) {
		const Elf64_Phdr *segment = &reader->segments[i];
		if (segment->p_type != PT_LOAD || address < segment->p_vaddr)
			continue;
		uint64_t skip = address - segment->p_vaddr;
		if (skip > segment->p_filesz || len > segment->p_filesz - skip)
			continue;
		if (segment->p_offset > UINT64_MAX - skip)
			return false;
		*offset = segment->p_offset + skip;
		return true;
	}
	return false;
}

bool elf_address_copy(const struct elf_reader *reader, uint64_t address, void *to, size_t len)
{
	uint64_t offset;
	return elf_address_offset(reader, address, len, &offset) &&
	       elf_source_copy(reader->source, offset, to, len);
}

const char *elf_text_at(const struct elf_reader *reader, uint64_t index)
{
	return index < reader->strings_len ? reader->elf->strings + index : NULL;
}

static int read_header(struct elf_reader *reader)
{
	uint8_t ident[EI_NIDENT + 4];
	struct elf *elf = reader->elf;
	if (!elf_source_copy(reader->source, 0, ident, 4) || memcmp(ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (!elf_source_copy(reader->source, 0, ident, sizeof ident))
		return elf_broken(reader->err, "its header is cut off");
	bool big = ident[EI_DATA] == ELFDATA2MSB;
	elf->bits = ident[EI_CLASS] == ELFCLASS64 ? 64 : 32;
	elf->type = big ? ident[16] << 8 | ident[17] : ident[17] << 8 | ident[16];
	elf->machine = big ? ident[18] << 8 | ident[19] : ident[19] << 8 | ident[18];
	if (elf->bits != 64 || big) {
		elf->kind = ELF_FOREIGN;
		return 0;
	}
	Elf64_Ehdr header;
	if (!elf_source_copy(reader->source, 0, &header, sizeof header))
		return elf_broken(reader->err, "its header is cut off");
	elf->kind = ELF_STATIC;
	if (header.e_shentsize == sizeof(Elf64_Shdr)) {
		reader->section_table = header.e_shoff;
		reader->section_count = header.e_shnum;
	}
	if (header.e_phnum == 0)  /* an object file */
		return 0;
	if (header.e_phentsize != sizeof(Elf64_Phdr))
		return elf_broken(reader->err, "program headers of an unknown size");
	reader->segments = elf_table_new(reader->source, header.e_phoff, header.e_phnum, sizeof(Elf64_Phdr));
	if (!reader->segments)
		return elf_broken(reader->err, "its program headers lie outside of it");
	reader->segment_count = header.e_phnum;
	return 0;
}

static const Elf64_Phdr *segment_find(const struct elf_reader *reader, uint32_t type)
{
	for (size_t i = 0; i < reader->segment_count; i++)
		if (reader->segments[i].p_type == type)
			return &reader->segments[i];
	return NULL;
}

static int read_interpreter(struct elf_reader *reader)
{
	const Elf64_Phdr *segment = segment_find(reader, PT_INTERP);
	if (!segment)
		return 0;
	if (segment->p_filesz == 0 || segment->p_filesz > 4096)
		return elf_broken(reader->err, "the interpreter's name has an impossible length");
	char *text = elf_table_new(reader->source, segment->p_offset, segment->p_filesz, 1);
	if (!text)
		return elf_broken(reader->err, "the interpreter's name lies outside of it");
	text[segment->p_filesz - 1] = '\0';
	reader->elf->interpreter = text;
	return 0;
}

/* The numbers of the dynamic section; texts come later, when the string table is known. */
static void dynamic_note(struct elf_reader *reader, const Elf64_Dyn *entry)
{
	static const struct {
		int64_t tag;
		size_t field;
	} fields[] = {
#define FIELD(tag, name) {tag, offsetof(struct elf_reader, dynamic.name)}
		FIELD(DT_STRTAB, strtab), FIELD(DT_STRSZ, strsz), FIELD(DT_SYMTAB, symtab),
		FIELD(DT_HASH, hash), FIELD(DT_GNU_HASH, gnu_hash), FIELD(DT_VERNEED, verneed),
		FIELD(DT_VERNEEDNUM, verneednum), FIELD(DT_VERDEF, verdef),
		FIELD(DT_VERDEFNUM, verdefnum), FIELD(DT_RELA, rela), FIELD(DT_RELASZ, relasz),
		FIELD(DT_JMPREL, jmprel), FIELD(DT_PLTRELSZ, pltrelsz),
#undef FIELD
	};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (fields[i].tag == entry->d_tag)
			memcpy((char *)reader + fields[i].field, &entry->d_un.d_val, sizeof(uint64_t));
}

static int read_strings(struct elf_reader *reader)
{
	uint64_t offset;
	uint64_t len = reader->dynamic.strsz;
	if (len == 0 || len > ELF_TABLE_MAX ||
	    !elf_address_offset(reader, reader->dynamic.strtab, len, &offset))
		return elf_broken(reader->err, "its string table lies outside of it");
	char *strings = elf_table_new(reader->source, offset, len, 1);
	if (!strings)
		return elf_broken(reader->err, "its string table lies outside of it");
	strings[len - 1] = '\0';
	reader->elf->strings = strings;
	reader->strings_len = (size_t)len;
	return 0;
}

static int read_dynamic_texts(struct elf_reader *reader, const Elf64_Dyn *entries, size_t count)
{
	struct elf *elf = reader->elf;
	size_t needed = 0;
	for (size_t i = 0; i < count; i++)
		needed += entries[i].d_tag == DT_NEEDED;
	if (needed > ELF_NEEDED_MAX)
		return elf_broken(reader->err, "it needs too many libraries");
	elf->needed = calloc(needed + 1, sizeof *elf->needed);
	if (!elf->needed)
		return err_set(reader->err, ENOMEM, "no memory to read an ELF file");
	for (size_t i = 0; i < count; i++) {
		const char *text = elf_text_at(reader, entries[i].d_un.d_val);
		switch (entries[i].d_tag) {
		case DT_NEEDED:
			if (!text)
				return elf_broken(reader->err, "a needed library has no name");
			elf->needed[elf->needed_count++] = text;
			break;
		case DT_SONAME:  elf->soname = text; break;
		case DT_RPATH:   elf->rpath = text; break;
		case DT_RUNPATH: elf->runpath = text; break;
		default: break;
		}
	}
	return 0;
}

static int read_dynamic(struct elf_reader *reader)
{
	const Elf64_Phdr *segment = segment_find(reader, PT_DYNAMIC);
	if (!segment)
		return 0;
	size_t count = (size_t)(segment->p_filesz / sizeof(Elf64_Dyn));
	AUTO_FREE Elf64_Dyn *entries =
		elf_table_new(reader->source, segment->p_offset, count, sizeof *entries);
	if (!entries)  /* a debug file keeps the header, not the bytes */
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (entries[i].d_tag == DT_NULL)
			count = i;
		else
			dynamic_note(reader, &entries[i]);
	}
	int rc = read_strings(reader);
	if (rc == 0)
		rc = read_dynamic_texts(reader, entries, count);
	if (rc == 0)
		reader->elf->kind = ELF_DYNAMIC;
	return rc;
}

static int needs_of_file(struct elf_reader *reader, uint64_t address, const char *file, unsigned count,
			 size_t size)
{
	Elf64_Vernaux aux;
	for (; count > 0; count--, address += aux.vna_next) {
		if (reader->elf->need_count == size)
			return 0;
		if (!elf_address_copy(reader, address, &aux, sizeof aux))
			return elf_broken(reader->err, "its version needs lie outside of it");
		const char *version = elf_text_at(reader, aux.vna_name);
		if (version)
			reader->elf->needs[reader->elf->need_count++] = (struct elf_need){
				.file = file, .version = version, .weak = aux.vna_flags & VER_FLG_WEAK};
		if (aux.vna_next == 0)
			break;
	}
	return 0;
}

/* First counts (needs is NULL then, size 0), which needs the same walk. */
static int read_needs(struct elf_reader *reader)
{
	Elf64_Verneed need;
	uint64_t address = reader->dynamic.verneed, total = 0;
	uint64_t files = reader->dynamic.verneednum;
	if (address == 0 || files == 0)
		return 0;
	if (files > ELF_VERSIONS_MAX)
		return elf_broken(reader->err, "too many version needs");
	for (uint64_t i = 0; i < files; i++, address += need.vn_next) {
		if (!elf_address_copy(reader, address, &need, sizeof need))
			return elf_broken(reader->err, "its version needs lie outside of it");
		total += need.vn_cnt;
		if (need.vn_next == 0)
			break;
	}
	if (total > ELF_VERSIONS_MAX)
		return elf_broken(reader->err, "too many version needs");
	if (!(reader->elf->needs = calloc(total + 1, sizeof *reader->elf->needs)))
		return err_set(reader->err, ENOMEM, "no memory to read an ELF file");

	address = reader->dynamic.verneed;
	for (uint64_t i = 0; i < files; i++, address += need.vn_next) {
		if (!elf_address_copy(reader, address, &need, sizeof need))
			return elf_broken(reader->err, "its version needs lie outside of it");
		const char *file = elf_text_at(reader, need.vn_file);
		int rc = file ? needs_of_file(reader, address + need.vn_aux, file, need.vn_cnt, total) : 0;
		if (rc < 0)
			return rc;
		if (need.vn_next == 0)
			break;
	}
	return 0;
}

static int read_definitions(struct elf_reader *reader)
{
	Elf64_Verdef def;
	Elf64_Verdaux aux;
	struct elf *elf = reader->elf;
	uint64_t address = reader->dynamic.verdef, count = reader->dynamic.verdefnum;
	if (address == 0 || count == 0)
		return 0;
	if (count > ELF_VERSIONS_MAX)
		return elf_broken(reader->err, "too many version definitions");
	if (!(elf->definitions = calloc(count, sizeof *elf->definitions)))
		return err_set(reader->err, ENOMEM, "no memory to read an ELF file");
	for (uint64_t i = 0; i < count; i++, address += def.vd_next) {
		if (!elf_address_copy(reader, address, &def, sizeof def) ||
		    !elf_address_copy(reader, address + def.vd_aux, &aux, sizeof aux))
			return elf_broken(reader->err, "its version definitions lie outside of it");
		const char *name = elf_text_at(reader, aux.vda_name);
		if (name && !(def.vd_flags & VER_FLG_BASE))
			elf->definitions[elf->definition_count++] = name;
		if (def.vd_next == 0)
			break;
	}
	return 0;
}

int elf_read(const struct elf_source *source, unsigned parts, struct elf *elf, struct err *err)
{
	struct elf_reader reader = {.source = source, .elf = elf, .err = err};
	*elf = (struct elf){0};
	int rc = read_header(&reader);
	if (rc == 0 && elf->kind != ELF_FOREIGN)
		rc = read_interpreter(&reader);
	if (rc == 0 && elf->kind != ELF_FOREIGN)
		rc = read_dynamic(&reader);
	if (rc == 0 && elf->kind == ELF_DYNAMIC && (parts & ELF_WITH_VERSIONS)) {
		rc = read_needs(&reader);
		if (rc == 0)
			rc = read_definitions(&reader);
	}
	if (rc == 0 && elf->kind == ELF_DYNAMIC && (parts & ELF_WITH_SYMBOLS))
		rc = elf_read_symbols(&reader);
	free(reader.segments);
	if (rc < 0)
		elf_free(elf);
	return rc;
}

void elf_free(struct elf *elf)
{
	free(elf->interpreter);
	free(elf->needed);
	free(elf->needs);
	free(elf->definitions);
	free(elf->symbols);
	free(elf->strings);
	*elf = (struct elf){0};
}
