/* recipes: the format, and what a site's file brings about. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "mpi-abi/host.h"
#include "mpi-abi/recipes.h"
#include "tests/unit/mpi-abi/judge.h"

static void a_file(void **state)
{
	(void)state;
	static const char text[] = "# comment\n\n[recipe ucx]\r\n library = libucs.so.*\ntree=ucx\n"
				   "tree = /etc/ucx\nbeside = ucx\n[recipe other]\n"
				   "component-path = mca_\tOMPI_PATH\ndrop = A_*";
	struct err err = ERR_NONE;
	struct recipes recipes = {0};
	assert_int_equal(recipes_parse(text, sizeof text - 1, "x.conf", &recipes, &err), 0);
	assert_int_equal(recipes.count, 2);
	const struct recipe *ucx = &recipes.items[0];
	assert_string_equal(ucx->name, "ucx");
	assert_int_equal(ucx->entry_count, 4);
	assert_true(recipe_matches(ucx, RECIPE_LIBRARY, "libucs.so.0"));
	assert_false(recipe_matches(ucx, RECIPE_LIBRARY, "libucp.so.0"));
	assert_false(recipe_matches(ucx, RECIPE_CORE, "libucs.so.0"));
	assert_string_equal(recipe_value(ucx, RECIPE_TREE), "ucx");
	assert_string_equal(ucx->entries[2].value, "/etc/ucx");
	assert_string_equal(recipes.items[1].name, "other");
	assert_string_equal(recipe_value(&recipes.items[1], RECIPE_DROP), "A_*");
	assert_null(recipe_value(&recipes.items[1], RECIPE_TREE));
	recipes_free(&recipes);
}

static void bad_files(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"tree = x\n", "x.conf:1: this stands before the first section"},
		{"[recipe]\n", "x.conf:1: not a section"},
		{"[recipe ]\n", "x.conf:1: not a section"},
		{"[recipe a\n", "x.conf:1: not a section"},
		{"[recipe a]\nlibrary\n", "x.conf:2: not \"key = value\""},
		{"[recipe a]\n\nlibary = x\n", "x.conf:3: no such key: libary"},
		{"[recipe a]\nlibrary =\n", "x.conf:2: library wants"},
		{"[recipe a]\nlibrary = a/b\n", "x.conf:2: library wants"},
		{"[recipe a]\nlibrary = a b\n", "x.conf:2: library wants"},
		{"[recipe a]\nlibrary = a\ndevice = dev\n", "x.conf:3: device wants"},
		{"[recipe a]\nlibrary = a\nsocket = /run/../x\n", "x.conf:3: socket wants"},
		{"[recipe a]\ncomponent-path = mca_\n", "x.conf:2: component-path wants"},
		{"[recipe a]\ncomponent-path = mca_ A B\n", "x.conf:2: component-path wants"},
		{"[recipe a]\ndrop = A\x01\n", "x.conf:2: a control character"},
		{"[translator a]\nfrom = mpich\nto = lam\n", "x.conf:3: to wants mpich, openmpi"},
		{"[translator a]\nfrom = mpich.\n", "x.conf:2: from wants"},
		{"[translator a]\nfrom = mpich.12x\n", "x.conf:2: from wants"},
		{"[translator a]\nprefix = opt\n", "x.conf:2: prefix wants"},
		{"[translator a]\npreload = ../x\n", "x.conf:2: preload wants"},
		{"[translator a]\npreload = /x\n", "x.conf:2: preload wants"},
		{"[translator a]\nenvironment = A\n", "x.conf:2: environment wants"},
		{"[translator a]\nlevel = java\n", "x.conf:2: level wants"},
		{"[translator a]\nlibrary = x\n", "x.conf:2: library is no key of a translator"},
		{"[recipe a]\nfrom = mpich\n", "x.conf:2: from is no key of a recipe"},
		{"[translator a]\nfrom = mpich\nto = openmpi\n", "x.conf: translator a has no \"prefix\""},
		{"[translator a]\nfrom = mpich\nto = openmpi\nprefix = /o\n", "has neither \"preload\""},
		{"[recipe a]\ntree = x\n", "recipe a has \"tree\", but no \"library\""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = ERR_NONE;
		struct recipes recipes = {0};
		assert_int_equal(recipes_parse(cases[i].text, strlen(cases[i].text), "x.conf", &recipes, &err),
				 -EINVAL);
		if (!strstr(err.text, cases[i].message))
			fail_msg("'%s' lacks '%s'", err.text, cases[i].message);
		recipes_free(&recipes);
	}
}

static void too_many(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct recipes recipes = {0};
	AUTO_BUF struct buf text = {0};
	for (int i = 0; i < 300; i++)
		buf_printf(&text, "[recipe a]\ndrop = A\n");
	assert_int_equal(recipes_parse(text.data, text.len, "x.conf", &recipes, &err), -E2BIG);
	recipes_free(&recipes);
}

static void an_image_and_a_host(void)
{
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("image", "libmpi.so.12", FAKE_MPICH, FAKE_LIBC);
	fake_program("image", "hello", FAKE_MAIN, "image/usr/lib64/libmpi.so.12" FAKE_LIBC);
	fake_library("host", "libplug.so.1", "int plug(void){return 0;}", "");
	fake_library("host", "libdep.so.1", "int dep(void){return 0;}", "");
	fake_library("host", "liblame.so.1", "int lame(void){return dep();}", "host/usr/lib64/libdep.so.1");
	fake_library("host", "libmpi.so.12", FAKE_MPICH, FAKE_HOST_LIBC);
	fake_run("rm host/usr/lib64/libdep.so.1;"
		 "mkdir -p host/etc/cmpirun/mpi.d host/usr/lib64/plugs host/run/agent host/dev;"
		 "touch host/usr/lib64/plugs/conf host/dev/nic0");
}

static bool listed(const struct abi_decision *decision, bool (*test)(const struct abi_decision *, size_t),
		   size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (test(decision, i))
			return true;
	return false;
}

static bool is_vendor_drop(const struct abi_decision *decision, size_t i)
{
	return strcmp(decision->drops[i].name, "VENDOR_*") == 0;
}

static void a_site(void **state)
{
	(void)state;
	an_image_and_a_host();
	fake_run("printf '[recipe site]\nlibrary = libmpi.so.12\nload = libplug.so.1\nload = liblame.so.1\n"
		 "load = libabsent.so.1\ntree = plugs\ndevice = /dev/nic0\ndevice = /dev/nic1\n"
		 "socket = /run/agent\nsocket = /run/nobody\ndrop = VENDOR_*\n' >host/etc/cmpirun/mpi.d/s.conf;"
		 "echo junk >host/etc/cmpirun/mpi.d/README");
	struct abi_decision *decision = judge(NULL);
	if (decision->verdict != ABI_SWAP)
		fail_msg("%s", decision->why);
	assert_non_null(bind_to(decision, ABI_DIR "/lib/libplug.so.1"));
	assert_non_null(bind_to(decision, ABI_DIR "/lib/liblame.so.1"));
	assert_null(bind_to(decision, ABI_DIR "/lib/libabsent.so.1"));
	assert_true(bind_to(decision, "/usr/lib64/plugs")->directory);
	assert_true(bind_to(decision, "/run/agent")->directory);
	assert_null(bind_to(decision, "/run/nobody"));
	assert_null(bind_to(decision, "/dev/nic0"));
	assert_int_equal(decision->device_count, 1);
	assert_string_equal(decision->devices[0], "/dev/nic0");
	assert_true(listed(decision, is_vendor_drop, decision->drop_count));
	abi_decision_free(&decision);

	fake_run("rm host/etc/cmpirun/mpi.d/s.conf");
	decision = judge(NULL);
	assert_null(bind_to(decision, ABI_DIR "/lib/libplug.so.1"));
	assert_int_equal(decision->device_count, 0);
	assert_false(listed(decision, is_vendor_drop, decision->drop_count));
	abi_decision_free(&decision);
}

static void a_broken_site_file(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct host *host = NULL;
	struct recipes recipes = {0};
	an_image_and_a_host();
	fake_run("echo library >host/etc/cmpirun/mpi.d/s.conf");
	assert_int_equal(host_open("host", NULL, &host, &err), 0);
	assert_int_equal(recipes_load(host, &recipes, &err), -EINVAL);
	assert_non_null(strstr(err.text, "/etc/cmpirun/mpi.d/s.conf:1: "));
	assert_true(recipes.count > 5);  /* ours were read */
	recipes_free(&recipes);
	host_free(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file), cmocka_unit_test(bad_files), cmocka_unit_test(too_many),
		cmocka_unit_test(a_site), cmocka_unit_test(a_broken_site_file),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
