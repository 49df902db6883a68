/*
 * starter_test.c - templates filled in, and a starter chosen by what is there.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "launcher/starter.h"

/* -- expanding ---------------------------------------------------------- */

/* The words as "[a][b]", or the error's text. */
static const char *expanded(const char *command, const char *template,
			    const struct starter_values *values)
{
	static char text[2000];
	char **argv = NULL;
	struct err err;
	text[0] = '\0';
	if (starter_expand(command, template, values, &argv, &err) < 0)
		return strcpy(text, err.text);
	for (size_t i = 0; argv[i] != NULL; i++)
		sprintf(text + strlen(text), "[%s]", argv[i]);
	starter_argv_free(argv);
	return text;
}

static const char *const plan_environment[] = {"A=1", "CMPIRUN_PLAN=xx", "CMPIRUN_PLAN_1=yy", NULL};

static void templates_expand(void **state)
{
	AUTO_HOSTLIST struct hostlist nodes = {0};
	struct starter_values values = {.nodes = &nodes, .hostfile = "/tmp/hf", .daemon = "/l/cmpid",
					.environment = (char *const *)plan_environment};
	static const struct {
		const char *template, *expected;
	} cases[] = {
		{"{daemon}", "[cmd][/l/cmpid]"},
		{"", "[cmd][/l/cmpid]"},
		{"  -x\t y \n", "[cmd][-x][y][/l/cmpid]"},
		{"-n {nodes} {daemon} -v", "[cmd][-n][3][/l/cmpid][-v]"},
		{"-w={hosts}", "[cmd][-w=n1,n2,n3][/l/cmpid]"},
		{"{hostlist}:{nodes}", "[cmd][n[1-3]:3][/l/cmpid]"},
		{"-f {hostfile}", "[cmd][-f][/tmp/hf][/l/cmpid]"},
		{"{export} {daemon}", "[cmd][-x][CMPIRUN_PLAN][-x][CMPIRUN_PLAN_1][/l/cmpid]"},
		{"-c {cpus} --c={cpus} x", "[cmd][-c][x][/l/cmpid]"},
		{"{daemon}{root} x", "[cmd][x][/l/cmpid]"},
		{"{root} x", "[cmd][x][/l/cmpid]"},
		{"'a b' \"c 'd'\" e'f g'h", "[cmd][a b][c 'd'][ef gh][/l/cmpid]"},
		{"a '' b \"\"", "[cmd][a][][b][][/l/cmpid]"},
		{"sh -c 'exec {daemon}'", "[cmd][sh][-c][exec /l/cmpid]"},
		{"a{ b", "[cmd][a{][b][/l/cmpid]"},
		{"{node}", "launcher template: nothing is known as {node}"},
		{"x{}", "launcher template: nothing is known as {}"},
		{"x{export}", "launcher template: nothing is known as {export}"},
		{"a 'b", "launcher template: a quote is not closed"},
		{"a \"b'", "launcher template: a quote is not closed"},
	};
	(void)state;
	hostlist_add(&nodes, "n[1-3]", NULL);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(expanded("cmd", cases[i].template, &values), cases[i].expected);
	values.cpus = 16;
	values.is_root = true;
	assert_string_equal(expanded(NULL, "r --c={cpus} {root}", &values),
			    "[r][--c=16][--allow-run-as-root][/l/cmpid]");
}

/* The table's own templates name the daemon, and nothing unknown. */
static void the_table_expands(void **state)
{
	AUTO_HOSTLIST struct hostlist nodes = {0};
	struct starter_values values = {.nodes = &nodes, .hostfile = "/hf", .daemon = "/cmpid",
					.environment = (char *const *)plan_environment};
	(void)state;
	hostlist_add(&nodes, "a,b", NULL);
	assert_string_equal(starters[0].name, "local");
	for (const struct starter *starter = starters + 1; starter->name != NULL; starter++) {
		const char *text = expanded("cmd", starter->template, &values);
		assert_memory_equal(text, "[cmd][", 6);
		assert_string_equal(text + strlen(text) - 8, "[/cmpid]");
		assert_non_null(strstr(text, "[2]") ? strstr(text, "[2]") : strstr(text, "=2]"));
	}
	assert_string_equal(expanded("mpiexec.hydra", starters[3].template, &values),
			    "[mpiexec.hydra][-f][/hf][-ppn][1][-n][2][-bind-to][none][/cmpid]");
}

/* -- choosing ----------------------------------------------------------- */

/* A directory of executables that do nothing. */
static void put_file(const char *dir, const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
}

static void remove_file(const char *dir, const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	unlink(path);
}

static const char *const commands[] = {"srun", "mpiexec.hydra", "mpiexec.mpich", "orterun", NULL};
static const char *const helpers[] = {"cmpi-bcast.mpich", "cmpi-bcast.openmpi", NULL};

struct place {
	char bin[64], lib[64], path[200];
};

static int setup(void **state)
{
	static struct place place;
	strcpy(place.bin, "/tmp/cmpirun-bin.XXXXXX");
	strcpy(place.lib, "/tmp/cmpirun-lib.XXXXXX");
	assert_non_null(mkdtemp(place.bin));
	assert_non_null(mkdtemp(place.lib));
	snprintf(place.path, sizeof place.path, "/nowhere::%s:", place.bin);
	*state = &place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;
	for (size_t i = 0; commands[i] != NULL; i++)
		remove_file(place->bin, commands[i]);
	for (size_t i = 0; helpers[i] != NULL; i++)
		remove_file(place->lib, helpers[i]);
	rmdir(place->bin);
	rmdir(place->lib);
	return 0;
}

/* "name command" with the directory left out, "name" alone, or the error's text. */
static const char *chosen(const struct place *place, const char *launcher,
			  enum hosts_source source, const char *nodes)
{
	static char text[ERR_TEXT_MAX];
	AUTO_PLAN struct plan plan = {0};
	AUTO_FREE char *command = NULL;
	struct options options = {.launcher = launcher};
	struct hosts hosts = {.source = source};
	const struct starter *starter;
	struct err err;
	assert_int_equal(hostlist_add(&plan.nodes, nodes, NULL), 0);
	if (starter_choose(&options, &hosts, &plan, place->lib, place->path, &starter, &command,
			   &err) < 0)
		return strcpy(text, err.text);
	snprintf(text, sizeof text, "%s%s%s", starter->name, command ? " " : "",
		 command ? strrchr(command, '/') + 1 : "");
	return text;
}

static void one_node_needs_no_starter(void **state)
{
	const struct place *place = *state;
	assert_string_equal(chosen(place, NULL, HOSTS_LOCAL, "localhost"), "local");
	assert_string_equal(chosen(place, "local", HOSTS_LOCAL, "localhost"), "local");
	assert_string_equal(chosen(place, "local", HOSTS_OPTION, "elsewhere"),
			    "--launcher local: the job has other nodes than this one");
}

static void templates_are_told_by_blanks_and_braces(void **state)
{
	const struct place *place = *state;
	assert_string_equal(chosen(place, "ssh {hosts}", HOSTS_OPTION, "a,b"), "template");
	assert_string_equal(chosen(place, "my-starter -q", HOSTS_OPTION, "a,b"), "template");
	assert_string_equal(chosen(place, "{daemon}", HOSTS_LOCAL, "localhost"), "template");
	assert_string_equal(chosen(place, "qrsh", HOSTS_OPTION, "a,b"),
			    "--launcher qrsh: neither a known name (local, srun, hydra, openmpi) nor a "
			    "command line with {daemon}");
}

static void the_place_chooses(void **state)
{
	const struct place *place = *state;
	for (size_t i = 0; commands[i] != NULL; i++)
		put_file(place->bin, commands[i]);
	put_file(place->lib, "cmpi-bcast.mpich");
	put_file(place->lib, "cmpi-bcast.openmpi");
	assert_string_equal(chosen(place, NULL, HOSTS_SLURM, "a,b"), "srun srun");
	assert_string_equal(chosen(place, NULL, HOSTS_FILE, "a,b"), "hydra mpiexec.hydra");
	assert_string_equal(chosen(place, NULL, HOSTS_OPTION, "elsewhere"), "hydra mpiexec.hydra");
	assert_string_equal(chosen(place, "openmpi", HOSTS_SLURM, "a,b"), "openmpi orterun");
	assert_string_equal(chosen(place, "srun-pmix", HOSTS_SLURM, "a,b"), "srun-pmix srun");
	assert_string_equal(chosen(place, "hydra", HOSTS_LOCAL, "localhost"),
			    "hydra mpiexec.hydra");
	/* without one command or helper, the next of its kind */
	remove_file(place->bin, "mpiexec.hydra");
	assert_string_equal(chosen(place, NULL, HOSTS_FILE, "a,b"), "hydra mpiexec.mpich");
	remove_file(place->lib, "cmpi-bcast.mpich");
	assert_string_equal(chosen(place, NULL, HOSTS_SLURM, "a,b"), "srun-pmix srun");
	assert_string_equal(chosen(place, "srun", HOSTS_SLURM, "a,b"), "srun-pmix srun");
	assert_string_equal(chosen(place, NULL, HOSTS_FILE, "a,b"), "openmpi orterun");
}

static void what_is_missing_is_said(void **state)
{
	const struct place *place = *state;
	char expected[300];
	assert_string_equal(chosen(place, NULL, HOSTS_SLURM, "a,b"),
			    "--launcher srun: srun is not in PATH");
	assert_string_equal(chosen(place, NULL, HOSTS_FILE, "a,b"),
			    "--launcher hydra: mpiexec.hydra is not in PATH");
	put_file(place->bin, "mpiexec.hydra");
	snprintf(expected, sizeof expected, "--launcher hydra: it needs %s/cmpi-bcast.mpich, which "
		 "was not built (was that MPI missing?)", place->lib);
	assert_string_equal(chosen(place, NULL, HOSTS_FILE, "a,b"), expected);
	/* a directory of the right name is no command */
	char dir[100];
	snprintf(dir, sizeof dir, "%s/srun", place->bin);
	mkdir(dir, 0755);
	assert_string_equal(chosen(place, "srun", HOSTS_SLURM, "a,b"),
			    "--launcher srun: srun is not in PATH");
	rmdir(dir);
}

static void this_node_knows_its_names(void **state)
{
	char name[300] = "", longer[320];
	(void)state;
	gethostname(name, sizeof name - 1);
	assert_true(starter_is_this_node("localhost"));
	assert_true(starter_is_this_node(name));
	name[strcspn(name, ".")] = '\0';
	snprintf(longer, sizeof longer, "%s.some.domain", name);
	assert_true(starter_is_this_node(longer));
	snprintf(longer, sizeof longer, "%sx", name);
	assert_false(starter_is_this_node(longer));
	name[strlen(name) - 1] = '\0';
	assert_false(starter_is_this_node(name));
	assert_false(starter_is_this_node(""));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(templates_expand),
		cmocka_unit_test(the_table_expands),
		TEST(one_node_needs_no_starter),
		TEST(templates_are_told_by_blanks_and_braces),
		TEST(the_place_chooses),
		TEST(what_is_missing_is_said),
		cmocka_unit_test(this_node_knows_its_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
