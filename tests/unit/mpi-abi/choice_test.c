/* choice: which of two copies is newer, as values; and what follows from it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/decide_private.h"
#include "tests/unit/mpi-abi/judge.h"

/* Versions or symbols as a text of letters. */
static int newer(const char *image_versions, const char *image_symbols, const char *image_path,
		 const char *host_versions, const char *host_symbols, const char *host_path)
{
	static const char letters[][2] = {"a", "b", "c", "d"};
	const char *definitions[2][4];
	struct elf_symbol symbols[2][4];
	const char *texts[2][2] = {{image_versions, image_symbols}, {host_versions, host_symbols}};
	struct elf elf[2] = {0};
	for (int side = 0; side < 2; side++) {
		elf[side].definitions = definitions[side];
		elf[side].symbols = symbols[side];
		for (const char *at = texts[side][0]; *at; at++)
			definitions[side][elf[side].definition_count++] = letters[*at - 'a'];
		for (const char *at = texts[side][1]; *at; at++)
			symbols[side][elf[side].symbol_count++] =
				(struct elf_symbol){.name = letters[*at - 'a'], .defined = true};
	}
	return choice_image_is_newer(&elf[0], image_path, &elf[1], host_path);
}

static void which_is_newer(void **state)
{
	(void)state;
	assert_int_equal(newer("ab", "a", "/l.so.1", "a", "abc", "/l.so.9"), 1);
	assert_int_equal(newer("a", "abc", "/l.so.9", "ab", "a", "/l.so.1"), 0);
	assert_int_equal(newer("", "ab", "/l.so.1", "", "a", "/l.so.2"), 1);
	assert_int_equal(newer("", "a", "/l.so.2", "", "ab", "/l.so.1"), 0);
	assert_int_equal(newer("", "a", "/l.so.1.9", "", "a", "/l.so.1.10"), 0);
	assert_int_equal(newer("", "a", "/l.so.1.10", "", "a", "/l.so.1.9"), 1);
	assert_int_equal(newer("", "a", "/l.so.1", "", "a", "/usr/l.so.1"), 1);
	assert_int_equal(newer("", "ab", "/l.so.3", "", "bc", "/l.so.2"), 1);
	assert_int_equal(newer("", "ab", "/l.so.2", "", "bc", "/l.so.3"), 0);
}

static void one_copy_for_both(void **state)
{
	(void)state;
	const char *with_z = "host/usr/lib64/libz.so.1 host/usr/lib64/libucs.so.0" FAKE_HOST_LIBC;
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("host", "libz.so.1", "int z(void){return 0;}", "");
	fake_library("host", "libucs.so.0", "int ucs(void){return 0;}", "");
	fake_library("host", "libmpi.so.12", FAKE_MPICH, with_z);
	fake_library("image", "libz.so.1", "int z(void){return 0;} int z2(void){return 0;}", "");
	fake_library("image", "libucs.so.0", "int ucs(void){return 0;} int u2(void){return 0;}", "");
	fake_library("image", "libmpi.so.12", FAKE_MPICH, FAKE_LIBC);
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpi.so.12" FAKE_LIBC);
	struct abi_decision *decision = judge(NULL);
	assert_int_equal(decision->verdict, ABI_SWAP);
	assert_null(bind_to(decision, "/usr/lib64/libz.so.1"));
	assert_null(bind_to(decision, ABI_DIR "/lib/libz.so.1"));
	assert_non_null(bind_to(decision, "/usr/lib64/libucs.so.0"));  /* fabric: the host's, always */
	abi_decision_free(&decision);

	fake_library("host", "libz.so.1", "int z(void){return 0;} int z2(void){return 0;}"
		     "int z3(void){return 0;}", "");
	decision = judge(NULL);
	assert_non_null(bind_to(decision, "/usr/lib64/libz.so.1"));
	assert_non_null(bind_to(decision, ABI_DIR "/lib/libz.so.1"));
	abi_decision_free(&decision);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_is_newer), cmocka_unit_test(one_copy_for_both),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
