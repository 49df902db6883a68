/* registry_conf: insecure hosts and mirrors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/registry_conf.h"

static void lines(void **state)
{
	(void)state;
	struct registry_conf conf = {0};
	struct err err = ERR_NONE;
	assert_int_equal(registry_conf_add(&conf, "# all\n\n insecure\ta:1 # why\nmirror docker.io b/c\r\nmirror docker.io d", &err), 0);
	assert_true(registry_conf_is_insecure(&conf, "a:1"));
	assert_false(registry_conf_is_insecure(&conf, "a"));
	assert_int_equal(conf.mirror_count, 2);
	assert_string_equal(conf.mirrors[0].place, "b/c");
	assert_int_equal(registry_conf_add(&conf, "insecure b\ninsecure", &err), -EINVAL);
	assert_non_null(strstr(err.text, "line 2"));
	assert_int_equal(registry_conf_add(&conf, "mirror a b c", &err), -EINVAL);
	assert_int_equal(registry_conf_add(&conf, "secure x", &err), -EINVAL);
	registry_conf_free(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lines)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
