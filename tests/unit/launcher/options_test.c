/*
 * options_test.c - cmpirun's command line as a value.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "launcher/options.h"

#define ARGV(...) ((char **)(const char *[]){"cmpirun", __VA_ARGS__, NULL})
#define JOB "--image", "a.sqsh", "./app"

static struct options parsed(char **argv)
{
	struct options options;
	struct err err = ERR_NONE;
	if (options_parse(argv, &options, &err) < 0)
		fail_msg("%s", err.text);
	return options;
}

static void defaults(void **state)
{
	struct options o = parsed(ARGV("--image", "a.sqsh", "./app", "-n", "x"));
	(void)state;
	assert_int_equal(o.action, ACTION_RUN);
	assert_int_equal(o.ranks, 0);
	assert_int_equal(o.per_node, 0);
	assert_null(o.hosts);
	assert_int_equal(o.mpi, MPI_CONTAINER);
	assert_int_equal(o.mount, MOUNT_CHOICE_AUTO);
	assert_int_equal(o.bind, BIND_CHOICE_DEFAULT);
	assert_int_equal(o.timing, TIMING_NONE);
	assert_int_equal(o.level, LOG_LEVEL_NORMAL);
	assert_int_equal(o.timeout_s, 0);
	assert_false(o.oversubscribe || o.label || o.dry_run || o.no_home || o.no_cwd || o.no_tmp);
	assert_string_equal(o.image, "a.sqsh");
	assert_string_equal(o.argv[0], "./app");
	assert_string_equal(o.argv[1], "-n");
	assert_string_equal(o.argv[2], "x");
	assert_null(o.argv[3]);
	options_free(&o);
}

static void numbers(void **state)
{
	static const char *const ranks[] = {"-n", "-np", "--np", "--ntasks"};
	static const char *const per_node[] = {"--ppn", "-ppn", "--ntasks-per-node"};
	(void)state;
	for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
		assert_int_equal(parsed(ARGV(ranks[i], "7", JOB)).ranks, 7);
	for (size_t i = 0; i < sizeof per_node / sizeof *per_node; i++)
		assert_int_equal(parsed(ARGV(per_node[i], "3", JOB)).per_node, 3);
	assert_int_equal(parsed(ARGV("--timeout=60", JOB)).timeout_s, 60);
}

static void texts(void **state)
{
	struct options o = parsed(ARGV("--host", "a:2,b", "--launcher", "srun", "--workdir", "/w",
				       "--mpi-path=/opt/mpi", JOB));
	(void)state;
	assert_string_equal(o.hosts, "a:2,b");
	assert_string_equal(o.launcher, "srun");
	assert_string_equal(o.work_dir, "/w");
	assert_string_equal(o.mpi_path, "/opt/mpi");
	assert_string_equal(parsed(ARGV("-f", "hf", JOB)).host_file, "hf");
	assert_string_equal(parsed(ARGV("--image=b", "--", "-app")).argv[0], "-app");
}

static void repeated_options_keep_their_order(void **state)
{
	struct options o = parsed(ARGV("-v", "/a:/b", "-xA=1", "--volume=/c", "--env", "B",
				       "--bind-mount", "/d:/e:ro", JOB));
	(void)state;
	assert_int_equal(o.volume_count, 3);
	assert_string_equal(o.volumes[0], "/a:/b");
	assert_string_equal(o.volumes[1], "/c");
	assert_string_equal(o.volumes[2], "/d:/e:ro");
	assert_int_equal(o.export_count, 2);
	assert_string_equal(o.exports[0], "A=1");
	assert_string_equal(o.exports[1], "B");
	options_free(&o);
	assert_int_equal(o.volume_count, 0);
}

static void choices(void **state)
{
	(void)state;
	assert_int_equal(parsed(ARGV("--mpi", "host", JOB)).mpi, MPI_HOST);
	assert_int_equal(parsed(ARGV("--mount=kernel", JOB)).mount, MOUNT_CHOICE_KERNEL);
	assert_int_equal(parsed(ARGV("--mount=fuse", JOB)).mount, MOUNT_CHOICE_FUSE);
	assert_int_equal(parsed(ARGV("--bind-to", "core", JOB)).bind, BIND_CHOICE_CORE);
	assert_int_equal(parsed(ARGV("--bind-to", "numa", JOB)).bind, BIND_CHOICE_NUMA);
	assert_int_equal(parsed(ARGV("--cpu-bind=none", JOB)).bind, BIND_CHOICE_NONE);
	assert_int_equal(parsed(ARGV("--timing", JOB)).timing, TIMING_TEXT);
	assert_int_equal(parsed(ARGV("--timing=json", JOB)).timing, TIMING_JSON);
	assert_int_equal(parsed(ARGV("-q", JOB)).level, LOG_LEVEL_QUIET);
	assert_int_equal(parsed(ARGV("--verbose", JOB)).level, LOG_LEVEL_VERBOSE);
	assert_int_equal(parsed(ARGV("--verbose", "--verbose", JOB)).level, LOG_LEVEL_DEBUG);
}

static void flags(void **state)
{
	(void)state;
	assert_true(parsed(ARGV("--oversubscribe", JOB)).oversubscribe);
	assert_true(parsed(ARGV("--label", JOB)).label);
	assert_true(parsed(ARGV("--dry-run", JOB)).dry_run);
	assert_true(parsed(ARGV("--no-home", JOB)).no_home);
	assert_true(parsed(ARGV("--no-cwd", JOB)).no_cwd);
	assert_true(parsed(ARGV("--no-tmp", JOB)).no_tmp);
}

/* These need no image and no program. */
static void other_actions(void **state)
{
	(void)state;
	assert_int_equal(parsed(ARGV("--help")).action, ACTION_HELP);
	assert_int_equal(parsed(ARGV("-h")).action, ACTION_HELP);
	assert_int_equal(parsed(ARGV("-V")).action, ACTION_VERSION);
	assert_int_equal(parsed(ARGV("--man-options")).action, ACTION_MAN_OPTIONS);
}

static void mistakes_are_explained(void **state)
{
	const struct {
		char **argv;
		const char *why;
	} cases[] = {
		{ARGV("./app"), "--image is missing: which image shall the ranks run in?"},
		{ARGV("--host", "a", "-f", "b", JOB), "--host and --hostfile: give one of them"},
		{ARGV("-n", "0", JOB), "-n: \"0\" is not a whole number from 1 to 16777216"},
		{ARGV("-n", "two", JOB), "-n: \"two\" is not a whole number from 1 to 16777216"},
		{ARGV("--ppn", "65537", JOB), "--ppn: \"65537\" is not a whole number from 1 to 65536"},
		{ARGV("--mpi", "own", JOB), "--mpi: \"own\" is none of auto, host, fabric, container"},
		{ARGV("--mount=ext4", JOB), "--mount: \"ext4\" is none of auto, fuse, kernel"},
		{ARGV("--bind-to=", JOB), "--bind-to: \"\" is none of core, numa, none"},
		{ARGV("--timing=xml", JOB), "--timing: \"xml\" is none of text, json"},
		{ARGV("-N", "4", JOB), "-N: means ranks per node to mpirun and nodes to srun; use "
				       "--ppn, or --host / --hostfile"},
		{ARGV("--imgae", "a"), "unknown option --imgae; did you mean --image?"},
		{ARGV("-v", "/a:/b", "--nowhere"), "unknown option --nowhere; see --help"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct options options;
		struct err err = ERR_NONE;
		assert_int_equal(options_parse(cases[i].argv, &options, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].why);
		assert_null(options.volumes);
	}
}

static void buf_must_have(const struct buf *text, const char *words)
{
	if (strstr(text->data, words) == NULL)
		fail_msg("\"%s\" is missing", words);
}

/* The name that messages use for each option is in the help text and in the man page. */
static void each_option_is_in_help_and_man_page(void **state)
{
	AUTO_BUF struct buf help = {0}, man = {0};
	(void)state;
	opt_help(options_table, &help);
	opt_man(options_table, &man);
	buf_add_u8(&help, 0);
	buf_add_u8(&man, 0);
	for (const struct opt *o = options_table; o->names != NULL || o->help != NULL; o++) {
		char name[64] = "", escaped[128] = "";
		if (o->names == NULL || o->help == NULL || o->kind == OPT_REFUSED)
			continue;
		memcpy(name, o->names, strcspn(o->names, " "));
		size_t len = 0;
		for (const char *at = name; *at != '\0'; at++) {
			if (*at == '-')
				escaped[len++] = '\\';
			escaped[len++] = *at;
		}
		buf_must_have(&help, name);
		buf_must_have(&man, escaped);
	}
}

/* No name stands for two options. */
static void names_are_unique(void **state)
{
	(void)state;
	for (const struct opt *o = options_table; o->names != NULL || o->help != NULL; o++) {
		char names[200] = "", *save;
		strncat(names, o->names ? o->names : "", sizeof names - 1);
		for (char *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
			struct opt_parser parser = {options_table, ARGV(name, "x"), 1};
			const struct opt *found = NULL;
			const char *value;
			if (o->kind == OPT_REFUSED)
				continue;
			assert_int_equal(opt_next(&parser, &found, &value, NULL), 1);
			assert_ptr_equal(found, o);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(numbers),
		cmocka_unit_test(texts),
		cmocka_unit_test(repeated_options_keep_their_order),
		cmocka_unit_test(choices),
		cmocka_unit_test(flags),
		cmocka_unit_test(other_actions),
		cmocka_unit_test(mistakes_are_explained),
		cmocka_unit_test(each_option_is_in_help_and_man_page),
		cmocka_unit_test(names_are_unique),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
