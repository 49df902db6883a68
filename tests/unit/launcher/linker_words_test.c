/* linker_words: the swap's binds and the user's mounts are told apart. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "launcher/linker_words.h"

static void fill(struct plan *plan, enum abi_level level)
{
	plan->mpi_level = level;
	plan->work_dir = strdup("/home/u");
	mount_plan_add_bind(&plan->mounts, "/home/u", "/home/u", MOUNT_OPTIONAL, NULL);
	mount_plan_add_tmpfs(&plan->mounts, "/tmp", 0, 01777, NULL);
	mount_plan_add_bind(&plan->mounts, "/host/libmpi.so.40.1", "/usr/lib/libmpi.so.40.2", MOUNT_READ_ONLY, NULL);
	mount_plan_sort(&plan->mounts);
}

static void assert_explained(enum abi_level level, const char *words, const char *part)
{
	AUTO_PLAN struct plan plan = {0};
	AUTO_BUF struct buf out = {0};
	fill(&plan, level);
	assert_int_equal(linker_words_explain(&plan, words, strlen(words), &out), part != NULL);
	buf_add_u8(&out, 0);
	if (part != NULL && strstr(out.data, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", out.data, part);
}

static void mounts_are_told_apart(void **state)
{
	static const char symbol[] = "a: symbol lookup error: ./a: undefined symbol: MPI_Gone\n";
	static const char glibc[] = "./a: /lib/libc.so.6: version `GLIBC_2.38' not found (required by ./a)\n";
	(void)state;
	assert_explained(ABI_LEVEL_MPI, symbol, "/host/libmpi.so.40.1");
	assert_explained(ABI_LEVEL_OWN, symbol, "the image's own MPI");
	assert_explained(ABI_LEVEL_MPI, glibc, "/home/u is mounted");
	assert_explained(ABI_LEVEL_OWN, glibc, "/home/u is mounted");
	assert_explained(ABI_LEVEL_OWN, "all went well\n", NULL);
	assert_explained(ABI_LEVEL_OWN, "", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(mounts_are_told_apart)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
