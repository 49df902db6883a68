/* explain: JSON that holds odd texts, and the linker's words mapped back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mpi-abi/decide.h"

static struct abi_bind binds[] = {
	{.source = "/opt/mpi/libmpi.so.12.1", .target = "/usr/lib/libmpi.so.12"},
	{.source = "/opt/ucx \"x\"", .target = "/usr/lib/ucx", .directory = true},
};
static struct abi_decision swap = {
	.verdict = ABI_SWAP, .family = "MPICH", .host_path = "/opt/mpi/libmpi.so.12.1", .binds = binds,
	.bind_count = 2,
};

static void json(void **state)
{
	(void)state;
	AUTO_BUF struct buf text = {0};
	abi_decision_print_json(&swap, &text);
	buf_add_u8(&text, 0);
	assert_non_null(strstr(text.data, "\"verdict\": \"swap\""));
	assert_non_null(strstr(text.data, "\"why\": null"));
	assert_non_null(strstr(text.data, "\"source\": \"/opt/ucx \\\"x\\\"\""));
	assert_non_null(strstr(text.data, "\"directory\": true"));
}

static void refusal_in_json(void **state)
{
	(void)state;
	AUTO_BUF struct buf text = {0};
	struct abi_decision refuse = {.verdict = ABI_REFUSE, .reason = ABI_REASON_SYMBOL,
				      .why = "a\nb", .ways_out = "c\\d"};
	abi_decision_print_json(&refuse, &text);
	buf_add_u8(&text, 0);
	assert_non_null(strstr(text.data, "\"reason\": \"symbol\""));
	assert_non_null(strstr(text.data, "\"why\": \"a\\u000ab\""));
	assert_non_null(strstr(text.data, "\"ways_out\": \"c\\\\d\""));
}

static void the_linkers_words(void **state)
{
	(void)state;
	AUTO_BUF struct buf text = {0};
	assert_true(abi_decision_explain_line(
		&swap, "app: /lib/libc.so.6: version `GLIBC_2.99' not found (required by /usr/lib/libmpi.so.12)", &text));
	buf_add_u8(&text, 0);
	assert_non_null(strstr(text.data, "/opt/mpi/libmpi.so.12.1"));
	assert_false(abi_decision_explain_line(&swap, "app: /usr/lib/libmpi.so.12 is fine", &text));
	text.len = 0;
	assert_true(abi_decision_explain_line(
		&swap, "app: error while loading shared libraries: libother.so.1: cannot open shared object file", &text));
	buf_add_u8(&text, 0);
	assert_non_null(strstr(text.data, "the image has no libother.so.1"));
}

static void names(void **state)
{
	(void)state;
	for (int i = 0; i < ABI_LEVEL_COUNT; i++)
		assert_string_not_equal(abi_level_name((enum abi_level)i), "?");
	assert_string_equal(abi_level_name((enum abi_level)99), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json), cmocka_unit_test(refusal_in_json),
		cmocka_unit_test(the_linkers_words), cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
