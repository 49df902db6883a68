/* exec_format_test.c - first bytes of programs, good and bad. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "common/exitcode.h"
#include "runtime/exec_format.h"

static struct exec_format read_text(const char *text)
{
	struct exec_format format;
	exec_format_read(text, strlen(text), &format);
	return format;
}

static void test_scripts(void **state)
{
	(void)state;
	assert_string_equal(read_text("#!/bin/sh\necho").interpreter, "/bin/sh");
	assert_string_equal(read_text("#! /usr/bin/env -S python3\n").interpreter, "/usr/bin/env");
	assert_string_equal(read_text("#!/bin/sh\r\n").interpreter, "/bin/sh\\r");
	assert_string_equal(read_text("#!").interpreter, "");
	assert_int_equal(read_text("#!").kind, EXEC_SCRIPT);
	assert_int_equal(read_text("echo").kind, EXEC_UNKNOWN);
	assert_int_equal(read_text("").kind, EXEC_UNKNOWN);
	char far[600] = "#!";
	memset(far + 2, 'a', 590);
	assert_int_equal(strlen(read_text(far).interpreter), 255);
}

static void test_own_program(void **state)
{
	(void)state;
	static char head[EXEC_FORMAT_BYTES];
	FILE *file = fopen("/proc/self/exe", "rb");
	size_t len = fread(head, 1, sizeof head, file);
	fclose(file);
	struct exec_format format;
	exec_format_read(head, len, &format);
	assert_int_equal(format.kind, EXEC_ELF);
	assert_false(format.foreign_class);
	assert_non_null(strstr(format.interpreter, "ld"));
	/* Cut anywhere: never a crash, and an interpreter only when it is whole. */
	for (size_t cut = 0; cut < len; cut++) {
		struct exec_format part;
		exec_format_read(head, cut, &part);
		assert_true(part.interpreter[0] == '\0' || strcmp(part.interpreter, format.interpreter) == 0);
	}
}

static void test_foreign(void **state)
{
	(void)state;
	Elf64_Ehdr header = {.e_ident = ELFMAG, .e_machine = EM_S390, .e_phnum = 0xffff, .e_phoff = UINT64_MAX};
	header.e_ident[EI_CLASS] = ELFCLASS64;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	struct exec_format format;
	struct err err;
	exec_format_read(&header, sizeof header, &format);
	assert_int_equal(format.machine, EM_S390);
	assert_int_equal(exec_format_explain("/p", ENOEXEC, &format, &err), EXITCODE_NOEXEC);
	assert_non_null(strstr(err.text, "build the image for this machine"));
}

static void test_words(void **state)
{
	(void)state;
	struct err err;
	struct exec_format script = read_text("#!/no/python\n"), none = read_text("x");
	assert_int_equal(exec_format_explain("/p", ENOENT, &script, &err), EXITCODE_NOPROGRAM);
	assert_non_null(strstr(err.text, "the interpreter that it names, /no/python, is not"));
	assert_int_equal(exec_format_explain("/p", ENOENT, &none, &err), EXITCODE_NOPROGRAM);
	assert_string_equal(err.text, "there is no program /p in the image");
	assert_int_equal(exec_format_explain("/p", ENOENT, NULL, &err), EXITCODE_NOPROGRAM);
	assert_int_equal(exec_format_explain("/p", EACCES, NULL, &err), EXITCODE_NOEXEC);
	assert_int_equal(exec_format_explain("/p", ENOEXEC, &none, &err), EXITCODE_NOEXEC);
	assert_int_equal(exec_format_explain("/p", E2BIG, &none, &err), EXITCODE_NOEXEC);
	assert_int_equal(err.number, E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts), cmocka_unit_test(test_own_program),
		cmocka_unit_test(test_foreign), cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
