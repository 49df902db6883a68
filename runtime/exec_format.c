/*
 * exec_format.c - scripts and ELF programs by their first bytes (exec_format.h).  Pure.
 *
 * Only fields that lie in the bytes at hand are read; a program whose PT_INTERP string lies further
 * behind is taken for one without interpreter, which costs a less precise sentence.
 */
#include "runtime/exec_format.h"

#include <elf.h>
#include <string.h>

#include "common/exitcode.h"

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#elif defined(__powerpc64__)
#define OWN_MACHINE EM_PPC64
#elif defined(__riscv)
#define OWN_MACHINE EM_RISCV
#else
#define OWN_MACHINE EM_NONE
#endif

static const struct {
	uint16_t machine;
	const char *name;
} machine_names[] = {
	{EM_386, "32-bit x86"}, {EM_X86_64, "x86-64"}, {EM_ARM, "32-bit ARM"},
	{EM_AARCH64, "AArch64"}, {EM_PPC64, "POWER"},  {EM_RISCV, "RISC-V"},
};

static const char *machine_name(uint16_t machine)
{
	for (size_t i = 0; i < sizeof machine_names / sizeof *machine_names; i++)
		if (machine_names[i].machine == machine)
			return machine_names[i].name;
	return "an unknown machine";
}

static void read_script(const char *text, size_t len, struct exec_format *format)
{
	format->kind = EXEC_SCRIPT;
	size_t start = 2;
	while (start < len && (text[start] == ' ' || text[start] == '\t'))
		start++;
	size_t size = 0;
	while (start + size < len && size + 1 < sizeof format->interpreter &&
	       memchr(" \t\r\n", text[start + size], 5) == NULL)
		size++;
	memcpy(format->interpreter, text + start, size);
	format->interpreter[size] = '\0';
	/* The kernel takes a carriage return for a part of the name. */
	if (start + size < len && text[start + size] == '\r' && size + 4 < sizeof format->interpreter)
		memcpy(format->interpreter + size, "\\r", 3);
}

static void read_interpreter(const char *head, size_t len, const Elf64_Phdr *segment,
			     struct exec_format *format)
{
	if (segment->p_offset >= len || segment->p_filesz > len - segment->p_offset ||
	    segment->p_filesz == 0 || segment->p_filesz > sizeof format->interpreter)
		return;
	memcpy(format->interpreter, head + segment->p_offset, segment->p_filesz);
	format->interpreter[segment->p_filesz - 1] = '\0';
}

static void read_elf(const char *head, size_t len, struct exec_format *format)
{
	Elf64_Ehdr header;
	format->kind = EXEC_ELF;
	if (len >= offsetof(Elf64_Ehdr, e_version))
		memcpy(&format->machine, head + offsetof(Elf64_Ehdr, e_machine), sizeof format->machine);
	format->foreign_class = len < sizeof header || head[EI_CLASS] != ELFCLASS64 ||
				head[EI_DATA] != ELFDATA2LSB;
	if (format->foreign_class)
		return;
	memcpy(&header, head, sizeof header);
	for (size_t i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr segment;
		uint64_t at = header.e_phoff + i * sizeof segment;
		if (header.e_phoff > len || at > len || sizeof segment > len - at)
			return;
		memcpy(&segment, head + at, sizeof segment);
		if (segment.p_type == PT_INTERP)
			read_interpreter(head, len, &segment, format);
	}
}

void exec_format_read(const void *head, size_t len, struct exec_format *format)
{
	memset(format, 0, sizeof *format);
	if (len >= 2 && memcmp(head, "#!", 2) == 0)
		read_script(head, len, format);
	else if (len >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0)
		read_elf(head, len, format);
}

static int explain_format(const char *path, int number, const struct exec_format *format,
			  struct err *err)
{
	if (format->kind == EXEC_ELF && (format->foreign_class || format->machine != OWN_MACHINE))
		err_set(err, number, "%s is a program for %s, this node is %s; build the image for this "
			"machine", path, machine_name(format->machine), machine_name(OWN_MACHINE));
	else if (format->kind == EXEC_UNKNOWN)
		err_set(err, number, "%s is neither a program nor a script; a script needs #! and an "
			"interpreter as its first line", path);
	else
		err_errno(err, number, "execute %s", path);
	return EXITCODE_NOEXEC;
}

int exec_format_explain(const char *path, int number, const struct exec_format *format,
			struct err *err)
{
	if (number == ENOENT && format != NULL && format->interpreter[0] != '\0') {
		err_set(err, number, "%s is in the image, but the %s that it names, %s, is not", path,
			format->kind == EXEC_SCRIPT ? "interpreter" : "dynamic loader",
			format->interpreter);
		return EXITCODE_NOPROGRAM;
	}
	if (number == ENOENT || number == ENOTDIR) {
		err_set(err, number, "there is no program %s in the image", path);
		return EXITCODE_NOPROGRAM;
	}
	if (number == EACCES) {
		err_set(err, number, "%s is not executable: it is no regular file, it lacks the "
			"permission (chmod +x), or its file system is mounted noexec", path);
		return EXITCODE_NOEXEC;
	}
	if ((number == ENOEXEC || number == ELIBBAD) && format != NULL)
		return explain_format(path, number, format, err);
	err_errno(err, number, "execute %s", path);
	return EXITCODE_NOEXEC;
}
