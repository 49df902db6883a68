/* linker_line: the linker's sentences are read, and mapped to what was bound. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "mpi-abi/linker_line.h"

static void sentences(void **state)
{
	static const struct {
		const char *text;
		struct linker_line line;
	} cases[] = {
		{"./app: error while loading shared libraries: libgone.so.1: cannot open shared object file: No such "
		 "file or directory\n",
		 {LINKER_MISSING, "libgone.so.1", "", ""}},
		{"app: error while loading shared libraries: /lib/libx.so: file too short",
		 {LINKER_UNUSABLE, "/lib/libx.so", "file too short", ""}},
		{"app: error while loading shared libraries: /lib/libx.so: undefined symbol: foo",
		 {LINKER_SYMBOL, "", "foo", "/lib/libx.so"}},
		{"app: symbol lookup error: ./app: undefined symbol: MPIX_Gone, version MPI_5\nmore\n",
		 {LINKER_SYMBOL, "", "MPIX_Gone", "./app"}},
		{"app: /lib/libc.so.6: version `GLIBC_2.38' not found (required by ./app)",
		 {LINKER_VERSION, "/lib/libc.so.6", "GLIBC_2.38", "./app"}},
		{"app: relocation error: /lib/liba.so: symbol f, version V not defined in file libb.so.1 with link time "
		 "reference",
		 {LINKER_SYMBOL, "libb.so.1", "f", "/lib/liba.so"}},
		{"Traceback\nImportError: libmpi.so.40: cannot open shared object file: No such file or directory\n",
		 {LINKER_MISSING, "libmpi.so.40", "", ""}},
		/* the last one counts */
		{"a: error while loading shared libraries: l1.so: cannot open shared object file: No\n"
		 "b: error while loading shared libraries: l2.so: cannot open shared object file: No\nbye\n",
		 {LINKER_MISSING, "l2.so", "", ""}},
	};
	static const char *const others[] = {"", "\n\n", "undefined symbol: x", ": undefined symbol: x",
					     "a: version `V' is fine", "cannot open shared object file",
					     "a: error while loading shared libraries: b"};
	struct linker_line line;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct linker_line *wanted = &cases[i].line;
		assert_true(linker_line_find(cases[i].text, strlen(cases[i].text), &line));
		assert_int_equal(line.fault, wanted->fault);
		assert_string_equal(line.library, wanted->library);
		assert_string_equal(line.symbol, wanted->symbol);
		assert_string_equal(line.requester, wanted->requester);
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_false(linker_line_find(others[i], strlen(others[i]), &line));
}

static const struct abi_bind swaps[] = {
	{.source = "/host/libmpich.so.12.9", .target = "/usr/lib/libmpich.so.12.2.2"},
	{.source = "/host/libfabric.so.1.1", .target = "/.cmpirun/mpi/lib/libfabric.so.1"},
};
static const struct abi_bind mounts[] = {
	{.source = "/home/u", .target = "/home/u"},
	{.source = "/dev/null", .target = "/usr/lib/libz.so.1"},
};

static const char *explained(const char *text, enum abi_level level)
{
	static char said[1024];
	const struct linker_scene scene = {.level = level, .swaps = swaps,
					   .swap_count = level == ABI_LEVEL_OWN ? 0 : 2,
					   .mounts = mounts, .mount_count = 2, .work_dir = "/home/u/run"};
	AUTO_BUF struct buf out = {0};
	struct linker_line line;
	assert_true(linker_line_find(text, strlen(text), &line));
	if (!linker_line_explain(&line, &scene, &out))
		return "";
	snprintf(said, sizeof said, "%.*s", (int)out.len, out.data);
	return said;
}

static void assert_says(const char *text, enum abi_level level, const char *part)
{
	const char *said = explained(text, level);
	if (strstr(said, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", said, part);
}

static void decisions(void **state)
{
	static const char symbol[] = "a: symbol lookup error: ./a: undefined symbol: MPIX_Gone";
	static const char glibc[] = "./a: /lib/libc.so.6: version `GLIBC_2.38' not found (required by ./a)";
	static const char lost[] = "a: error while loading shared libraries: libq.so.1: cannot open shared object file: N";
	static const char lost_mpi[] = "libmpi.so.40: cannot open shared object file: No such file or directory";
	(void)state;
	assert_says(symbol, ABI_LEVEL_MPI, "the host's /host/libmpich.so.12.9, in the place of the image's "
					   "/usr/lib/libmpich.so.12.2.2 (--mpi host), does not define MPIX_Gone");
	assert_says(symbol, ABI_LEVEL_FABRIC, "the image's own MPI, which the ranks have (--mpi fabric)");
	assert_says(symbol, ABI_LEVEL_OWN, "the image's own MPI, which the ranks have (--mpi container)");
	assert_says(glibc, ABI_LEVEL_MPI, "./a is the host's (/home/u is mounted), /lib/libc.so.6 is the image's");
	assert_says(glibc, ABI_LEVEL_OWN, "./a is the host's (/home/u is mounted)");
	assert_says("a: /lib/libc.so.6: version `GLIBC_2.38' not found (required by /usr/lib/libmpich.so.12)",
		    ABI_LEVEL_MPI, "/usr/lib/libmpich.so.12.2.2 is the host's /host/libmpich.so.12.9 (--mpi host)");
	assert_says("a: libfabric.so.1: version `FABRIC_9' not found (required by /bin/a)", ABI_LEVEL_FABRIC,
		    "is the host's /host/libfabric.so.1.1 (--mpi fabric), and lacks FABRIC_9");
	assert_says(lost, ABI_LEVEL_MPI, "the image has no libq.so.1 where the linker looks");
	assert_says(lost, ABI_LEVEL_OWN, "--mpi container brings nothing of the host along");
	assert_says(lost_mpi, ABI_LEVEL_OWN, "there is no libmpi.so.40 in it");
	assert_says("x: libmpich.so.12: cannot open shared object file: No", ABI_LEVEL_MPI, "RPATH");
	assert_says("a: error while loading shared libraries: /lib/libz.so.1: file too short", ABI_LEVEL_OWN,
		    "/lib/libz.so.1 in the container is the host's /dev/null, by a mount");
	/* the image with itself */
	assert_string_equal(explained("/bin/a: /lib/libc.so.6: version `G' not found (required by /bin/a)",
				      ABI_LEVEL_OWN), "");
	assert_string_equal(explained("a: symbol lookup error: /bin/a: undefined symbol: f", ABI_LEVEL_MPI), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sentences), cmocka_unit_test(decisions)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
