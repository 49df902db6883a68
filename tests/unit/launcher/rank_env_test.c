/*
 * rank_env_test.c - what of the caller's environment the ranks get.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "launcher/rank_env.h"

#define PATH_ENTRY "PATH=" RANK_ENV_PATH

#define STRINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The environment as "A=1|B=2", or the error's text. */
static const char *made_over(const char *const *caller, const char *const *image,
			     const char *const *exports, size_t export_count)
{
	const struct rank_env_parts parts = {(char *const *)caller, (char *const *)image, exports, export_count};
	static char text[1000];
	char **env = NULL;
	struct err err;
	text[0] = '\0';
	if (rank_env_new(&parts, &env, &err) < 0) {
		strcat(text, err.text);
		return text;
	}
	for (size_t i = 0; env[i] != NULL; i++) {
		strcat(strcat(text, i ? "|" : ""), env[i]);
		free(env[i]);
	}
	free(env);
	return text;
}

static const char *made(const char *const *caller, const char *const *exports, size_t export_count)
{
	return made_over(caller, NULL, exports, export_count);
}

static void the_image_s_is_over_it(void **state)
{
	(void)state;
	assert_string_equal(made_over(STRINGS("A=caller", "B=caller", "C=caller"),
				      STRINGS("PATH=/image", "LD_LIBRARY_PATH=/l", "B=image", "C=image", "D=image",
					      "PMI_RANK=7", "SLURM_PROCID=1", "malformed"),
				      STRINGS("C", "D=user"), 2),
			    "PATH=/image|A=caller|B=image|C=caller|LD_LIBRARY_PATH=/l|D=user");
}

static void the_caller_s_is_the_base(void **state)
{
	(void)state;
	assert_string_equal(made(STRINGS("HOME=/home/u", "A=", "OMP_NUM_THREADS=4"), NULL, 0),
			    PATH_ENTRY "|HOME=/home/u|A=|OMP_NUM_THREADS=4");
}

/* Of each pair the first is left out, the second is another name and stays. */
static void what_misleads_is_left_out(void **state)
{
	static const struct {
		const char *dropped, *kept;
	} cases[] = {
		{"PATH=/host", "PATHS=/x"},
		{"LD_LIBRARY_PATH=/host", "LD_LIBRARY_PATH_64=/x"},
		{"LD_PRELOAD=/host.so", "LD_BIND_NOW=1"},
		{"TMPDIR=/scratch", "TMP=/tmp"},
		{"CMPIRUN_PLAN=x", "CMPIRUN=x"},
		{"CMPIRUN_PLAN_3=x", "CMPIRUN_X=x"},
		{"PMI_RANK=0", "PMI=0"},
		{"PMIX_NAMESPACE=n", "PMIXX=n"},
		{"OMPI_MCA_ess_base=x", "OMPI_MCA_btl=tcp,self"},
		{"OMPI_MCA_pmix=x", "OMPI_MCA_coll=x"},
		{"SLURM_PROCID=3", "SLURM_JOB_ID=7"},
		{"SLURM_STEP_ID=3", "SLURM_CPUS_ON_NODE=7"},
		{"not an entry", "X_1=2"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char expected[200] = PATH_ENTRY "|";
		strcat(expected, cases[i].kept);
		assert_string_equal(made(STRINGS(cases[i].dropped, cases[i].kept), NULL, 0), expected);
	}
}

static void every_rule_has_a_reason(void **state)
{
	(void)state;
	for (const struct rank_env_rule *rule = rank_env_dropped; rule->name != NULL; rule++) {
		char entry[100];
		assert_true(strlen(rule->reason) > 5);
		strcat(strcpy(entry, rule->name), "=1");
		if (strchr(entry, '*') != NULL)
			*strchr(entry, '*') = 'Z';
		assert_string_equal(made(STRINGS(entry), NULL, 0), PATH_ENTRY);
	}
}

static void exports_come_last_and_win(void **state)
{
	static const char *const exports[] = {"A=2", "PATH", "PMI_RANK", "NEW=1=2", "EMPTY="};
	(void)state;
	assert_string_equal(made(STRINGS("A=1", "PATH=/host", "PMI_RANK=5", "B=3"), exports, 5),
			    "PATH=/host|A=2|B=3|PMI_RANK=5|NEW=1=2|EMPTY=");
}

static void a_repeated_name_is_there_once(void **state)
{
	(void)state;
	assert_string_equal(made(STRINGS("A=1", "A=2"), NULL, 0), PATH_ENTRY "|A=2");
}

static void bad_exports_are_explained(void **state)
{
	static const char *const missing[] = {"NOPE"}, *const empty[] = {"=x"};
	(void)state;
	assert_string_equal(made(STRINGS("NOPES=1"), missing, 1),
			    "-x NOPE: it is not set here; -x NOPE=VALUE gives one");
	assert_string_equal(made(STRINGS("A=1"), empty, 1), "-x =x: the name is missing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_image_s_is_over_it),
		cmocka_unit_test(the_caller_s_is_the_base),
		cmocka_unit_test(what_misleads_is_left_out),
		cmocka_unit_test(every_rule_has_a_reason),
		cmocka_unit_test(exports_come_last_and_win),
		cmocka_unit_test(a_repeated_name_is_there_once),
		cmocka_unit_test(bad_exports_are_explained),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
