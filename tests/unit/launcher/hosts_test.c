/*
 * hosts_test.c - lists, files and Slurm's environment as nodes and slots.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "launcher/hosts.h"

/* "a:2 b:1 known", or the error's text. */
static const char *told(int rc, const struct hosts *hosts, const struct err *err)
{
	static char text[1000];
	text[0] = '\0';
	if (rc < 0)
		return strcpy(text, err->text);
	for (size_t i = 0; i < hosts->names.count; i++)
		sprintf(text + strlen(text), "%s:%u ", hosts->names.names[i], hosts->slots[i]);
	return strcat(text, hosts->slots_are_known ? "known" : "unknown");
}

static void lists(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"a", "a:1 unknown"},
		{"a,b", "a:1 b:1 unknown"},
		{"a:2,b[1-3]:4,c", "a:2 b1:4 b2:4 b3:4 c:1 known"},
		{"n[1,3]", "n1:1 n3:1 unknown"},
		{"a:65536", "a:65536 known"},
		{"a:65537", "\"65537\" is not a number of slots (1 to 65536)"},
		{"a:0", "\"0\" is not a number of slots (1 to 65536)"},
		{"a:", "\"\" is not a number of slots (1 to 65536)"},
		{"a:2x", "\"2x\" is not a number of slots (1 to 65536)"},
		{"a:1:2", "\"1:2\" is not a number of slots (1 to 65536)"},
		{"a:1000000", "\"1000000\" is not a number of slots (1 to 65536)"},
		{"", "host list: an empty name"},
		{"a,,b", "host list: an empty name"},
		{":3", "host list: an empty name"},
		{"a b", "host list: a character that no host name has at \" b\""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		AUTO_HOSTS struct hosts hosts = {0};
		struct err err;
		int rc = hosts_parse_list(cases[i].text, &hosts, &err);
		assert_string_equal(told(rc, &hosts, &err), cases[i].expected);
	}
}

static void files(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"a\nb\n", "a:1 b:1 unknown"},
		{"a\nb", "a:1 b:1 unknown"},
		{"a slots=4\r\n\tb:2\t# comment\n# c\n\n", "a:4 b:2 known"},
		{"a\na\nb\na\n", "a:3 b:1 unknown"},
		{"a slots=2\na slots=3\n", "a:5 known"},
		{"a max_slots=9 slots=2 user=u\n", "a:2 known"},
		{"n[1-2] slots=8\n", "n1:8 n2:8 known"},
		{"# nothing\n\n", "F names no node"},
		{"", "F names no node"},
		{"a\nb slots=x\n", "F, line 2: \"x\" is not a number of slots (1 to 65536)"},
		{"a\n\nb;c\n", "F, line 3: host list: a character that no host name has at \";c\""},
		{"a slots=65536\na slots=1\n",
		 "F, line 2: a has more than 65536 slots by now"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		AUTO_HOSTS struct hosts hosts = {0};
		struct err err;
		int rc = hosts_parse_file(cases[i].text, strlen(cases[i].text), "F", &hosts, &err);
		assert_string_equal(told(rc, &hosts, &err), cases[i].expected);
	}
}

static void slurm_counts(void **state)
{
	uint32_t counts[4] = {0};
	struct err err;
	(void)state;
	assert_int_equal(hosts_parse_slurm_counts("4(x2),3,1", counts, 4, NULL), 0);
	assert_memory_equal(counts, ((uint32_t[]){4, 4, 3, 1}), sizeof counts);
	assert_int_equal(hosts_parse_slurm_counts("128(x4)", counts, 4, NULL), 0);
	assert_int_equal(counts[3], 128);
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"4(x3)", "Slurm counts 3 nodes where its list has 4"},
		{"4(x5)", "Slurm counts 5 nodes where its list has 4"},
		{"1,1,1,1,1", "Slurm counts 5 nodes where its list has 4"},
		{"4(y4)", "\"4(y4)\" is not a count of Slurm's"},
		{"4(x4", "\"4(x4\" is not a count of Slurm's"},
		{"4()", "\"4()\" is not a count of Slurm's"},
		{"4(x)", "\"4(x)\" is not a count of Slurm's"},
		{"", "\"\" is not a number of slots (1 to 65536)"},
		{"4(x4),", "\"\" is not a number of slots (1 to 65536)"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(hosts_parse_slurm_counts(cases[i].text, counts, 4, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].why);
	}
}

/* -- hosts_find --------------------------------------------------------- */

#define ENV(...) ((char *const *)(const char *const[]){__VA_ARGS__, NULL})
#define SLURM "SLURM_JOB_ID=7", "SLURM_JOB_NODELIST=n[1-2]"

static void slurm_gives_nodes_slots_and_cpus(void **state)
{
	const struct {
		char *const *environment;
		const char *expected;
		uint32_t cpus;
	} cases[] = {
		{ENV(SLURM, "SLURM_JOB_CPUS_PER_NODE=8,4"), "n1:8 n2:4 known", 4},
		{ENV(SLURM, "SLURM_JOB_CPUS_PER_NODE=8(x2)", "SLURM_TASKS_PER_NODE=2(x2)"),
		 "n1:8 n2:8 known", 8},
		{ENV(SLURM, "SLURM_JOB_CPUS_PER_NODE=8(x2)", "SLURM_TASKS_PER_NODE=2,1",
		     "SLURM_NTASKS=3"), "n1:2 n2:1 known", 8},
		{ENV(SLURM, "SLURM_TASKS_PER_NODE=3(x2)"), "n1:3 n2:3 known", 0},
		{ENV(SLURM), "n1:1 n2:1 known", 0},
		{ENV(SLURM, "SLURM_JOB_CPUS_PER_NODE=8"),
		 "Slurm's environment: Slurm counts 1 nodes where its list has 2", 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		AUTO_HOSTS struct hosts hosts = {0};
		struct options options = {0};
		struct err err;
		int rc = hosts_find(&options, cases[i].environment, &hosts, &err);
		assert_string_equal(told(rc, &hosts, &err), cases[i].expected);
		assert_int_equal(hosts.source, HOSTS_SLURM);
		if (rc == 0)
			assert_int_equal(hosts.cpus, cases[i].cpus);
	}
}

static enum hosts_source source_of(const struct options *options, char *const *environment)
{
	AUTO_HOSTS struct hosts hosts = {0};
	assert_int_equal(hosts_find(options, environment, &hosts, NULL), 0);
	return hosts.source;
}

static void what_the_user_says_comes_first(void **state)
{
	struct options nothing = {0}, list = {.hosts = "x"}, local = {.launcher = "local"};
	(void)state;
	assert_int_equal(source_of(&list, ENV(SLURM)), HOSTS_OPTION);
	assert_int_equal(source_of(&nothing, ENV(SLURM)), HOSTS_SLURM);
	assert_int_equal(source_of(&local, ENV(SLURM)), HOSTS_LOCAL);
	assert_int_equal(source_of(&nothing, ENV("SLURM_JOB_NODELIST=n1")), HOSTS_LOCAL);
	assert_int_equal(source_of(&nothing, ENV("A=1")), HOSTS_LOCAL);
}

static void this_node_has_its_cores(void **state)
{
	AUTO_HOSTS struct hosts hosts = {0};
	struct options options = {0};
	char name[HOSTLIST_NAME_MAX] = "";
	(void)state;
	assert_int_equal(hosts_find(&options, ENV("A=1"), &hosts, NULL), 0);
	gethostname(name, sizeof name - 1);
	assert_int_equal(hosts.names.count, 1);
	assert_string_equal(hosts.names.names[0], name);
	assert_true(hosts.slots[0] >= 1);
	assert_false(hosts.slots_are_known);
}

static void host_files_are_read(void **state)
{
	char path[] = "/tmp/cmpirun-hosts.XXXXXX";
	int fd = mkstemp(path);
	struct options options = {.host_file = path};
	AUTO_HOSTS struct hosts hosts = {0};
	struct err err;
	(void)state;
	assert_int_equal(write(fd, "a slots=2\nb\n", 12), 12);
	close(fd);
	int rc = hosts_find(&options, ENV(SLURM), &hosts, &err);
	unlink(path);
	assert_string_equal(told(rc, &hosts, &err), "a:2 b:1 known");
	assert_int_equal(hosts.source, HOSTS_FILE);
}

static void errors_name_their_source(void **state)
{
	static const struct {
		struct options options;
		int rc;
		const char *why;
	} cases[] = {
		{{.hosts = "a;b"}, -EINVAL,
		 "--host a;b: host list: a character that no host name has at \";b\""},
		{{.host_file = "/nowhere/h"}, -ENOENT,
		 "--hostfile /nowhere/h: No such file or directory"},
		{{.host_file = "/tmp"}, -EINVAL, "--hostfile /tmp: not a file of at most 64 MiB"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		AUTO_HOSTS struct hosts hosts = {0};
		struct err err;
		assert_int_equal(hosts_find(&cases[i].options, ENV("A=1"), &hosts, &err), cases[i].rc);
		assert_string_equal(err.text, cases[i].why);
	}
}

/* A name a slot, as PBS writes it: 100,000 lines must not take noticeable time. */
static void long_files_are_fast(void **state)
{
	AUTO_BUF struct buf text = {0};
	AUTO_HOSTS struct hosts hosts = {0};
	(void)state;
	for (int line = 0; line < 100000; line++)
		buf_printf(&text, "nid%06d\n", line / 100);
	assert_int_equal(hosts_parse_file(text.data, text.len, "F", &hosts, NULL), 0);
	assert_int_equal(hosts.names.count, 1000);
	assert_int_equal(hosts.slots[999], 100);
}

static void sources_have_names(void **state)
{
	(void)state;
	assert_string_equal(hosts_source_name(HOSTS_LOCAL), "this node");
	assert_string_equal(hosts_source_name(HOSTS_OPTION), "--host");
	assert_string_equal(hosts_source_name(HOSTS_FILE), "--hostfile");
	assert_string_equal(hosts_source_name(HOSTS_SLURM), "Slurm");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(files),
		cmocka_unit_test(slurm_counts),
		cmocka_unit_test(slurm_gives_nodes_slots_and_cpus),
		cmocka_unit_test(what_the_user_says_comes_first),
		cmocka_unit_test(this_node_has_its_cores),
		cmocka_unit_test(host_files_are_read),
		cmocka_unit_test(errors_name_their_source),
		cmocka_unit_test(long_files_are_fast),
		cmocka_unit_test(sources_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
