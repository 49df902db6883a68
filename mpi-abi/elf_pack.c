/*
 * elf_pack.c - an ELF file's facts as bytes, and back (elf.h).
 *
 * All texts stand in one blob, each with a NUL behind it, in the order of the fields; what is
 * read back needs that blob alone, so packing and parsing also makes an elf small: the string
 * table of a C++ library holds megabytes that nobody asks for.
 */
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/elf.h"

enum {
	HAS_INTERPRETER = 1, HAS_SONAME = 2, HAS_RPATH = 4, HAS_RUNPATH = 8,
	SYMBOL_DEFINED = 1, SYMBOL_WEAK = 2, SYMBOL_COPIED = 4, SYMBOL_SIZED = 8,
};

static void add_text(struct buf *texts, const char *text)
{
	buf_add(texts, text, strlen(text) + 1);
}

static void add_optional(struct buf *texts, const char *text)
{
	if (text)
		add_text(texts, text);
}

static void pack_texts(const struct elf *elf, struct buf *texts)
{
	add_optional(texts, elf->interpreter);
	add_optional(texts, elf->soname);
	add_optional(texts, elf->rpath);
	add_optional(texts, elf->runpath);
	for (size_t i = 0; i < elf->needed_count; i++)
		add_text(texts, elf->needed[i]);
	for (size_t i = 0; i < elf->need_count; i++) {
		add_text(texts, elf->needs[i].file);
		add_text(texts, elf->needs[i].version);
	}
	for (size_t i = 0; i < elf->definition_count; i++)
		add_text(texts, elf->definitions[i]);
	for (size_t i = 0; i < elf->symbol_count; i++)
		add_text(texts, elf->symbols[i].name);
}

void elf_pack(const struct elf *elf, struct buf *out)
{
	AUTO_BUF struct buf texts = {0};
	pack_texts(elf, &texts);
	buf_add_u8(out, (uint8_t)elf->kind);
	buf_add_u8(out, (uint8_t)elf->bits);
	buf_add_u32(out, elf->machine);
	buf_add_u32(out, elf->type);
	buf_add_u8(out, (uint8_t)((elf->interpreter ? HAS_INTERPRETER : 0) | (elf->soname ? HAS_SONAME : 0) |
				  (elf->rpath ? HAS_RPATH : 0) | (elf->runpath ? HAS_RUNPATH : 0)));
	buf_add_u32(out, (uint32_t)elf->needed_count);
	buf_add_u32(out, (uint32_t)elf->need_count);
	buf_add_u32(out, (uint32_t)elf->definition_count);
	buf_add_u32(out, (uint32_t)elf->symbol_count);
	buf_add_blob(out, texts.data, texts.len);
	for (size_t i = 0; i < elf->need_count; i++)
		buf_add_u8(out, elf->needs[i].weak);
	for (size_t i = 0; i < elf->symbol_count; i++) {
		const struct elf_symbol *symbol = &elf->symbols[i];
		buf_add_u8(out, (uint8_t)((symbol->defined ? SYMBOL_DEFINED : 0) |
					  (symbol->weak ? SYMBOL_WEAK : 0) |
					  (symbol->copied ? SYMBOL_COPIED : 0) |
					  (symbol->size ? SYMBOL_SIZED : 0)));
		if (symbol->size)
			buf_add_u64(out, symbol->size);
	}
	out->failed |= texts.failed;
}

/* The next text of the blob; "" and *bad behind its end. */
static const char *next_text(const char **at, const char *end, bool *bad)
{
	const char *text = *at;
	const char *nul = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;
	if (!nul) {
		*bad = true;
		return "";
	}
	*at = nul + 1;
	return text;
}

static void parse_texts(struct elf *elf, size_t len, unsigned has, bool *bad)
{
	const char *at = elf->strings, *end = elf->strings + len;
	if (has & HAS_INTERPRETER)
		elf->interpreter = strdup(next_text(&at, end, bad));
	if (has & HAS_SONAME)
		elf->soname = next_text(&at, end, bad);
	if (has & HAS_RPATH)
		elf->rpath = next_text(&at, end, bad);
	if (has & HAS_RUNPATH)
		elf->runpath = next_text(&at, end, bad);
	for (size_t i = 0; !*bad && i < elf->needed_count; i++)
		elf->needed[i] = next_text(&at, end, bad);
	for (size_t i = 0; !*bad && i < elf->need_count; i++) {
		elf->needs[i].file = next_text(&at, end, bad);
		elf->needs[i].version = next_text(&at, end, bad);
	}
	for (size_t i = 0; !*bad && i < elf->definition_count; i++)
		elf->definitions[i] = next_text(&at, end, bad);
	for (size_t i = 0; !*bad && i < elf->symbol_count; i++)
		elf->symbols[i].name = next_text(&at, end, bad);
}

static void parse_flags(struct cursor *in, struct elf *elf)
{
	for (size_t i = 0; i < elf->need_count; i++)
		elf->needs[i].weak = cursor_u8(in) != 0;
	for (size_t i = 0; !in->bad && i < elf->symbol_count; i++) {
		unsigned flags = cursor_u8(in);
		elf->symbols[i].defined = flags & SYMBOL_DEFINED;
		elf->symbols[i].weak = flags & SYMBOL_WEAK;
		elf->symbols[i].copied = flags & SYMBOL_COPIED;
		elf->symbols[i].size = flags & SYMBOL_SIZED ? cursor_u64(in) : 0;
	}
}

int elf_parse(struct cursor *in, struct elf *elf, struct err *err)
{
	size_t len;
	bool bad = false;
	*elf = (struct elf){0};
	unsigned kind = cursor_u8(in);
	elf->kind = (enum elf_kind)kind;
	elf->bits = cursor_u8(in);
	elf->machine = cursor_u32(in);
	elf->type = cursor_u32(in);
	unsigned has = cursor_u8(in);
	elf->needed_count = cursor_u32(in);
	elf->need_count = cursor_u32(in);
	elf->definition_count = cursor_u32(in);
	elf->symbol_count = cursor_u32(in);
	const char *texts = cursor_blob(in, &len);
	/* Every text has a NUL of its own, so no more of them can be there than bytes. */
	if (in->bad || kind > ELF_FOREIGN ||
	    elf->needed_count + elf->need_count + elf->definition_count + elf->symbol_count > len)
		goto broken;
	elf->strings = malloc(len + 1);
	elf->needed = calloc(elf->needed_count + 1, sizeof *elf->needed);
	elf->needs = calloc(elf->need_count + 1, sizeof *elf->needs);
	elf->definitions = calloc(elf->definition_count + 1, sizeof *elf->definitions);
	elf->symbols = calloc(elf->symbol_count + 1, sizeof *elf->symbols);
	if (!elf->strings || !elf->needed || !elf->needs || !elf->definitions || !elf->symbols) {
		elf_free(elf);
		return err_set(err, ENOMEM, "no memory for the index of the image");
	}
	if (len > 0)
		memcpy(elf->strings, texts, len);
	parse_texts(elf, len, has, &bad);
	parse_flags(in, elf);
	if (!bad && !in->bad)
		return 0;
broken:
	elf_free(elf);
	return err_set(err, EPROTO, "the index of the image is broken: an ELF file's entry");
}
