/*
 * exec_format.h - what kind of program a file is, from its first bytes.  Pure.
 *
 * Asked only after execve(2) has failed, to say why: its ENOENT means a missing interpreter as
 * often as a missing program.
 */
#ifndef RUNTIME_EXEC_FORMAT_H
#define RUNTIME_EXEC_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum exec_kind { EXEC_UNKNOWN, EXEC_SCRIPT, EXEC_ELF };

struct exec_format {
	enum exec_kind kind;
	uint16_t machine;            /* ELF: e_machine (elf(5)) */
	bool foreign_class;          /* ELF: neither 64-bit nor little-endian as we are */
	char interpreter[256];       /* of a script or an ELF program; "" when there is none */
};

enum { EXEC_FORMAT_BYTES = 4096 };

/* `head`: the first bytes of the file, EXEC_FORMAT_BYTES if it has them. */
void exec_format_read(const void *head, size_t len, struct exec_format *format);

/* Says why execve(2) of `path` failed with `number`; format is NULL if the file could not be read.
 * Sets err and returns the exit status: EXITCODE_NOPROGRAM or EXITCODE_NOEXEC. */
int exec_format_explain(const char *path, int number, const struct exec_format *format,
			struct err *err);

#endif
