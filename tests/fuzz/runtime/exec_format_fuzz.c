/* exec_format_fuzz.c - the first bytes of any file. */
#include "runtime/exec_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct exec_format format;
	struct err err;
	exec_format_read(data, size, &format);
	exec_format_explain("/p", ENOENT, &format, &err);
	exec_format_explain("/p", ENOEXEC, &format, &err);
	return 0;
}
