/* pmi_dialect: evidence in compiled libraries, and what is none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/host_private.h"
#include "mpi-abi/pmi_dialect.h"
#include "tests/unit/mpi-abi/fake.h"

/* A library of this source, with these words for the linker. */
static unsigned dialects(const char *name, const char *source, const char *flags)
{
	struct err err = ERR_NONE;
	struct host *host = NULL;
	struct elf_bytes bytes;
	AUTO_ELF struct elf elf = {0};
	fake_library("host", name, source, flags);
	char path[100];
	snprintf(path, sizeof path, "/usr/lib64/%s", name);
	if (host_open("host", NULL, &host, &err) < 0 || host_elf_read(host, path, 0, &elf, &err) < 0 ||
	    host_file_map(host, path, &bytes, &err) < 0)
		fail_msg("%s", err.text);
	struct elf_source from = elf_source_bytes(&bytes);
	unsigned found = pmi_dialects_of(path, &elf, &from);
	host_file_unmap(&bytes);
	host_free(&host);
	return found;
}

static void words(void **state)
{
	(void)state;
	fake_libc("host", 0);
	assert_int_equal(dialects("libmpi.so.12", "const char a[]=\"cmd=barrier_in\";", ""), PMI_DIALECT_1);
	assert_int_equal(dialects("libmpi.so.12", "const char *const a[]={\"x\",\"barrier_in\",\"kvs-fence\"};", ""),
			 PMI_DIALECT_1 | PMI_DIALECT_2);
	assert_int_equal(dialects("libpmi2.so.0", "const char a[]=\"cmd=kvs-fence;\";", ""), PMI_DIALECT_2);
	assert_int_equal(dialects("libpmi.so.0", "const char *const a[]={\"x\",\"PALS_RANKID\"};", ""), PMI_DIALECT_CRAY);
	assert_int_equal(dialects("libmpi.so.12", "const char *const a[]={\"barrier_inter\",\"PMI_FD\"};", ""), 0);
	/* An old linker's way: constants beside the code. */
	assert_int_equal(dialects("libmpi.so.12", "const char a[]=\"cmd=barrier_in\";", "-Wl,-z,noseparate-code"),
			 PMI_DIALECT_1);
}

static void needed(void **state)
{
	(void)state;
	fake_libc("host", 0);
	assert_int_equal(dialects("libpmix.so.2", "int PMIx_Init(void){return 0;}", ""), PMI_DIALECT_X);
	assert_int_equal(dialects("mca_pmix_ext3x.so", "int m(void){return PMIx_Init();}",
				  "host/usr/lib64/libpmix.so.2"), PMI_DIALECT_X);
	assert_int_equal(dialects("libslurm_pmi-22.so", "int s(void){return 0;}", ""), 0);
	assert_int_equal(dialects("libpmi.so.0", "int p(void){return s();}", "host/usr/lib64/libslurm_pmi-22.so"),
			 PMI_DIALECT_SLURM);
}

static void broken_files(void **state)
{
	(void)state;
	static const uint8_t nothing[64] = "\177ELF\2\1\1";
	struct elf_bytes bytes = {.bytes = nothing, .len = sizeof nothing};
	struct elf_source source = elf_source_bytes(&bytes);
	size_t len;
	assert_null(elf_constants(&source, 0, &len));
	bytes.len = 10;
	source = elf_source_bytes(&bytes);
	assert_null(elf_constants(&source, 0, &len));
}

static void as_text(void **state)
{
	(void)state;
	AUTO_BUF struct buf text = {0};
	pmi_dialects_format(PMI_DIALECT_1 | PMI_DIALECT_X, &text);
	buf_add_u8(&text, 0);
	assert_string_equal(text.data, "PMI-1, PMIx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words), cmocka_unit_test(needed), cmocka_unit_test(broken_files),
		cmocka_unit_test(as_text),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
