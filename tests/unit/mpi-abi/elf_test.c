/* elf: what the linker wrote, read again; and files that lie. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/elf.h"
#include "tests/unit/mpi-abi/fake.h"

static uint8_t file_bytes[200000];

static struct elf_bytes load(const char *path)
{
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	struct elf_bytes bytes = {.bytes = file_bytes, .len = fread(file_bytes, 1, sizeof file_bytes, file)};
	fclose(file);
	return bytes;
}

static int read_elf(const char *path, unsigned parts, struct elf *elf, struct err *err)
{
	struct elf_bytes bytes = load(path);
	struct elf_source source = elf_source_bytes(&bytes);
	return elf_read(&source, parts, elf, err);
}

static const struct elf_symbol *symbol(const struct elf *elf, const char *name)
{
	for (size_t i = 0; i < elf->symbol_count; i++)
		if (strcmp(elf->symbols[i].name, name) == 0)
			return &elf->symbols[i];
	return NULL;
}

static int setup(void **state)
{
	if (fake_setup(state) < 0)
		return -1;
	fake_run("mkdir -p host/usr/lib64 host/usr/bin;"
		 "printf 'V1 { global: call; data; local: *; }; V2 { global: more; } V1;' >map");
	fake_library("host", "libone.so.3", "int call(void){return 0;} int more(void){return 1;}"
		     "int data[10]={1}; int hidden(void){return 2;}",
		     "-Wl,--version-script=map,-rpath,/some/where,--enable-new-dtags");
	return 0;
}

static void a_library(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	AUTO_ELF struct elf elf;
	assert_int_equal(read_elf("host/usr/lib64/libone.so.3", ELF_WITH_SYMBOLS | ELF_WITH_VERSIONS,
				  &elf, &err), 0);
	assert_int_equal(elf.kind, ELF_DYNAMIC);
	assert_int_equal(elf.bits, 64);
	assert_int_equal(elf.machine, elf_machine_here());
	assert_string_equal(elf.soname, "libone.so.3");
	assert_string_equal(elf.runpath, "/some/where");
	assert_null(elf.rpath);
	assert_null(elf.interpreter);
	assert_int_equal(elf.needed_count, 0);
	assert_int_equal(elf.definition_count, 2);
	assert_string_equal(elf.definitions[0], "V1");
	assert_string_equal(elf.definitions[1], "V2");
	assert_true(symbol(&elf, "call")->defined);
	assert_int_equal(symbol(&elf, "data")->size, 40);
	assert_null(symbol(&elf, "hidden"));
}

/* With sections and without, with either hash: the same symbols. */
static void a_program(void **state)
{
	(void)state;
	static const char *const flags[] = {
		"", "-Wl,--hash-style=sysv", "-Wl,--hash-style=gnu", "-Wl,--hash-style=gnu -s",
	};
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		struct err err = ERR_NONE;
		AUTO_ELF struct elf elf;
		char all[200];
		snprintf(all, sizeof all, "host/usr/lib64/libone.so.3 -no-pie -fno-pic %s", flags[i]);
		fake_program("host", "two", "extern int call(void), maybe(void) __attribute__((weak));"
			     "extern int data[10]; int main(void){ data[0]++; if (maybe) maybe();"
			     " return call();}", all);
		if (i == 3)  /* no section headers at all */
			fake_run("dd if=/dev/zero of=host/usr/bin/two bs=1 seek=40 count=8 conv=notrunc "
				 "status=none; dd if=/dev/zero of=host/usr/bin/two bs=1 seek=60 count=4 "
				 "conv=notrunc status=none");
		assert_int_equal(read_elf("host/usr/bin/two", ELF_WITH_SYMBOLS | ELF_WITH_VERSIONS, &elf,
					  &err), 0);
		assert_int_equal(elf.needed_count, 1);
		assert_string_equal(elf.needed[0], "libone.so.3");
		assert_non_null(elf.interpreter);
		assert_int_equal(elf.need_count, 1);
		assert_string_equal(elf.needs[0].file, "libone.so.3");
		assert_string_equal(elf.needs[0].version, "V1");
		assert_false(symbol(&elf, "call")->defined);
		const struct elf_symbol *maybe = symbol(&elf, "maybe");
		assert_true(!maybe || maybe->weak);
		assert_true(symbol(&elf, "data")->copied);
		assert_int_equal(symbol(&elf, "data")->size, 40);
	}
}

static void other_kinds(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct elf elf;
	char text[24];
	uint8_t arm[64] = {0x7f, 'E', 'L', 'F', 1, 1, 1, [16] = 2, [18] = 40};
	uint8_t sparc[64] = {0x7f, 'E', 'L', 'F', 2, 2, 1, [17] = 2, [19] = 43};
	struct elf_bytes bytes = {.bytes = arm, .len = sizeof arm};
	struct elf_source source = elf_source_bytes(&bytes);
	assert_int_equal(elf_read(&source, 0, &elf, &err), 0);
	assert_int_equal(elf.kind, ELF_FOREIGN);
	assert_int_equal(elf.bits, 32);
	assert_string_equal(elf_machine_name(elf.machine, text), "arm");
	elf_free(&elf);
	bytes.bytes = sparc;
	assert_int_equal(elf_read(&source, 0, &elf, &err), 0);
	assert_int_equal(elf.kind, ELF_FOREIGN);
	assert_string_equal(elf_machine_name(elf.machine, text), "machine 43");
	elf_free(&elf);
	bytes = (struct elf_bytes){.bytes = (const uint8_t *)"#!/bin/sh", .len = 9};
	assert_int_equal(elf_read(&source, 0, &elf, &err), -ENOEXEC);
	bytes = (struct elf_bytes){.bytes = arm, .len = 10};
	assert_int_equal(elf_read(&source, 0, &elf, &err), -EBADMSG);
	assert_int_equal(read_elf(TEST_SOURCE_DIR "/fuzz/mpi-abi/elf_fuzz/static", ELF_WITH_SYMBOLS, &elf,
				  &err), 0);
	assert_int_equal(elf.kind, ELF_STATIC);
	elf_free(&elf);
}

static void full_symbols(void **state)
{
	(void)state;
	struct elf_bytes bytes = load(TEST_SOURCE_DIR "/fuzz/mpi-abi/elf_fuzz/static");
	struct elf_source source = elf_source_bytes(&bytes);
	assert_true(elf_has_full_symbol(&source, "MPI_Init"));
	assert_false(elf_has_full_symbol(&source, "MPI_Ini"));
	bytes = load(TEST_SOURCE_DIR "/fuzz/mpi-abi/elf_fuzz/library");  /* stripped */
	assert_false(elf_has_full_symbol(&source, "MPI_Init"));
}

/* Cut at every length: an error or less, never a crash (run under the sanitizers). */
static void cut_off(void **state)
{
	(void)state;
	struct elf_bytes bytes = load(TEST_SOURCE_DIR "/fuzz/mpi-abi/elf_fuzz/library");
	size_t len = bytes.len, errors = 0;
	for (bytes.len = 0; bytes.len < len; bytes.len++) {
		struct err err = ERR_NONE;
		struct elf elf;
		struct elf_source source = elf_source_bytes(&bytes);
		if (elf_read(&source, ELF_WITH_SYMBOLS | ELF_WITH_VERSIONS, &elf, &err) < 0)
			errors++;
		else
			elf_free(&elf);
	}
	assert_true(errors > 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_library),    cmocka_unit_test(a_program), cmocka_unit_test(other_kinds),
		cmocka_unit_test(full_symbols), cmocka_unit_test(cut_off),
	};
	return cmocka_run_group_tests(tests, setup, fake_teardown);
}
