/* fabric_probe: which provider is a fabric's, and what is best. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "launcher/fabric_probe.h"

static void fabrics_are_known(void **state)
{
	(void)state;
	assert_true(fabric_is_fast("cxi"));
	assert_true(fabric_is_fast("verbs;ofi_rxm"));
	assert_false(fabric_is_fast("tcp;ofi_rxm"));
	assert_false(fabric_is_fast("psm3"));
	assert_false(fabric_is_fast("ver"));
	assert_false(fabric_is_fast(""));
}

static void the_first_fabric_is_best(void **state)
{
	static const char lines[] = "tcp eth0\nshm shm\n*cxi cxi0\n*verbs mlx5_0\n";
	char text[64] = "";
	(void)state;
	assert_true(fabric_best(lines, strlen(lines), text, sizeof text));
	assert_string_equal(text, "cxi (cxi0)");
	assert_false(fabric_best("tcp eth0\n*cxi\n*cxi cxi0", 24, text, sizeof text));
	assert_false(fabric_best("", 0, text, sizeof text));
}

/* Whatever this host has: whole lines of two words. */
static void the_host_is_asked(void **state)
{
	AUTO_BUF struct buf lines = {0};
	(void)state;
	fabric_probe(&lines);
	assert_false(lines.failed);
	buf_add_u8(&lines, 0);
	for (char *at = lines.data; *at != '\0'; at += strcspn(at, "\n") + 1) {
		size_t word = strcspn(at, " \n");
		assert_int_equal(at[word], ' ');
		assert_int_equal(at[word + 1 + strcspn(at + word + 1, " \n")], '\n');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(fabrics_are_known),
					   cmocka_unit_test(the_first_fabric_is_best),
					   cmocka_unit_test(the_host_is_asked)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
