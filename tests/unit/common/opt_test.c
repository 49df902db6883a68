/*
 * opt_test.c - one table: every form of an option, what is refused, help and man page.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/opt.h"

enum { RANKS = 1, ENV, LABEL, TIMING, PER_NODE };

static const struct opt table[] = {
	{0, OPT_HEADING, NULL, NULL, "How many"},
	{RANKS, OPT_VALUE, "-n -np --np", "N", "Start N ranks."},
	{PER_NODE, OPT_VALUE, "--ppn -ppn", "N", "At most N - no more - on a node."},
	{ENV, OPT_VALUE, "-x --env", "NAME[=V]", "Set NAME."},
	{LABEL, OPT_FLAG, "-l --label --tag-output", NULL,
	 "Put the number of the rank in front of each and every line of its output, which is a long "
	 "sentence that must be wrapped."},
	{TIMING, OPT_OPTIONAL, "--timing", "json", "Print times."},
	{9, OPT_FLAG, "--hidden", NULL, NULL},
	{0, OPT_REFUSED, "-N", NULL, "means other things; use --ppn"},
	{0, OPT_FLAG, NULL, NULL, NULL},
};

#define WORDS(...) ((char **)(const char *[]){"cmd", __VA_ARGS__, NULL})

/* argv, the option found, its value (NULL: none), and where parsing stands then */
static void every_form_is_understood(void **state)
{
	const struct {
		char **argv;
		int id;
		const char *value;
		int index;
	} cases[] = {
		{WORDS("-n", "4"), RANKS, "4", 3},
		{WORDS("-n4"), RANKS, "4", 2},
		{WORDS("-n=4"), RANKS, "4", 2},
		{WORDS("-np", "4"), RANKS, "4", 3},
		{WORDS("--np", "4"), RANKS, "4", 3},
		{WORDS("--np=4"), RANKS, "4", 2},
		{WORDS("-ppn", "2"), PER_NODE, "2", 3},
		{WORDS("--ppn=2"), PER_NODE, "2", 2},
		{WORDS("-x", "A=b"), ENV, "A=b", 3},
		{WORDS("-xA=b"), ENV, "A=b", 2},
		{WORDS("--env=A=b"), ENV, "A=b", 2},
		{WORDS("--env="), ENV, "", 2},
		{WORDS("--env", "-n"), ENV, "-n", 3},
		{WORDS("-l", "x"), LABEL, NULL, 2},
		{WORDS("--timing", "json"), TIMING, NULL, 2},
		{WORDS("--timing=json"), TIMING, "json", 2},
		{WORDS("--hidden"), 9, NULL, 2},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct opt_parser parser = {table, cases[i].argv, 1};
		const struct opt *option = NULL;
		const char *value = "untouched";
		assert_int_equal(opt_next(&parser, &option, &value, NULL), 1);
		assert_int_equal(option->id, cases[i].id);
		assert_int_equal(parser.index, cases[i].index);
		if (cases[i].value == NULL)
			assert_null(value);
		else
			assert_string_equal(value, cases[i].value);
	}
}

static void mistakes_are_explained(void **state)
{
	const struct {
		char **argv;
		const char *why;
	} cases[] = {
		{WORDS("--lable"), "unknown option --lable; did you mean --label?"},
		{WORDS("--ennv=A"), "unknown option --ennv; did you mean --env?"},
		{WORDS("--something"), "unknown option --something; see --help"},
		{WORDS("-q"), "unknown option -q; see --help"},
		{WORDS("-label"), "unknown option -label; did you mean --label?"},
		{WORDS("-n"), "-n wants a value: N"},
		{WORDS("--label=yes"), "--label=yes takes no value"},
		{WORDS("-N", "2"), "-N: means other things; use --ppn"},
		{WORDS("-N2"), "-N2: means other things; use --ppn"},
		{WORDS("-Nx"), "unknown option -Nx; did you mean -x?"},
		{WORDS("-N=2"), "-N=2: means other things; use --ppn"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct opt_parser parser = {table, cases[i].argv, 1};
		struct err err = ERR_NONE;
		const struct opt *option;
		const char *value;
		assert_int_equal(opt_next(&parser, &option, &value, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].why);
	}
}

static void options_end_at_the_first_other_word(void **state)
{
	const struct {
		char **argv;
		int index;
	} cases[] = {
		{WORDS("-l", "./app", "-n"), 2}, {WORDS("-l", "--", "-n"), 3},
		{WORDS("-l", "-", "-n"), 2},     {WORDS("-l"), 2},
		{WORDS("-l", ""), 2},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct opt_parser parser = {table, cases[i].argv, 1};
		const struct opt *option;
		const char *value;
		assert_int_equal(opt_next(&parser, &option, &value, NULL), 1);
		assert_int_equal(opt_next(&parser, &option, &value, NULL), 0);
		assert_int_equal(parser.index, cases[i].index);
	}
}

static void numbers_are_whole_and_in_range(void **state)
{
	static const char *const refused[] = {"", "x", "4x", "4.5", "0", "101",
					      "99999999999999999999", "-1", "1e2"};
	long number = 0;
	(void)state;
	assert_int_equal(opt_number(&table[1], "1", 1, 100, &number, NULL), 0);
	assert_int_equal(number, 1);
	assert_int_equal(opt_number(&table[1], "100", 1, 100, &number, NULL), 0);
	assert_int_equal(number, 100);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		assert_int_equal(opt_number(&table[1], refused[i], 1, 100, &number, NULL), -EINVAL);
	struct err err;
	opt_number(&table[1], "4x", 1, 100, &number, &err);
	assert_string_equal(err.text, "-n: \"4x\" is not a whole number from 1 to 100");
}

static void help_is_laid_out(void **state)
{
	AUTO_BUF struct buf out = {0};
	(void)state;
	opt_help(table, &out);
	buf_add_u8(&out, 0);
	assert_string_equal(out.data,
		"\nHow many\n"
		"  -n, -np, --np N         Start N ranks.\n"
		"  --ppn, -ppn N           At most N - no more - on a node.\n"
		"  -x, --env NAME[=V]      Set NAME.\n"
		"  -l, --label, --tag-output\n"
		"                          Put the number of the rank in front of each and\n"
		"                          every line of its output, which is a long sentence\n"
		"                          that must be wrapped.\n"
		"  --timing[=json]         Print times.\n");
}

static void man_page_escapes(void **state)
{
	AUTO_BUF struct buf out = {0};
	(void)state;
	opt_man(table, &out);
	buf_add_u8(&out, 0);
	assert_ptr_equal(out.data, strstr(out.data,
		".SS How many\n"
		".TP\n.B \\-n, \\-np, \\-\\-np N\nStart N ranks.\n"
		".TP\n.B \\-\\-ppn, \\-ppn N\nAt most N \\- no more \\- on a node.\n"));
	assert_non_null(strstr(out.data, "\n.B \\-\\-timing[=json]\nPrint times.\n"));
	assert_null(strstr(out.data, "hidden"));
	assert_null(strstr(out.data, "means other"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_understood),
		cmocka_unit_test(mistakes_are_explained),
		cmocka_unit_test(options_end_at_the_first_other_word),
		cmocka_unit_test(numbers_are_whole_and_in_range),
		cmocka_unit_test(help_is_laid_out),
		cmocka_unit_test(man_page_escapes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
