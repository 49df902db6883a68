/* A hostile ELF file; every text that comes out must be a text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mpi-abi/elf.h"
#include "mpi-abi/family.h"
#include "mpi-abi/pmi_dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t text_len(const char *text)
{
	return text ? strlen(text) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct elf elf;
	struct elf_bytes bytes = {.bytes = data, .len = size};
	struct elf_source source = elf_source_bytes(&bytes);
	size_t sum = 0;
	elf_has_full_symbol(&source, "MPI_Init");
	if (elf_read(&source, ELF_WITH_VERSIONS | ELF_WITH_SYMBOLS, &elf, &err) < 0)
		return 0;
	sum += text_len(elf.soname) + text_len(elf.rpath) + text_len(elf.runpath) +
	       text_len(elf.interpreter);
	for (size_t i = 0; i < elf.needed_count; i++)
		sum += strlen(elf.needed[i]);
	for (size_t i = 0; i < elf.need_count; i++)
		sum += strlen(elf.needs[i].file) + strlen(elf.needs[i].version);
	for (size_t i = 0; i < elf.definition_count; i++)
		sum += strlen(elf.definitions[i]);
	for (size_t i = 0; i < elf.symbol_count; i++)
		sum += strlen(elf.symbols[i].name);
	if (elf.soname)
		mpi_family_of(&elf, elf.soname);
	sum += pmi_dialects_of(elf.soname ? elf.soname : "", &elf, &source);
	elf_free(&elf);
	return sum == SIZE_MAX;
}
