/* search_path: elements, $ORIGIN, what is left out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/search_path.h"

static void is(const char **list, const char *from, const char *wanted)
{
	char dir[32] = "";
	bool more = search_path_next(list, from, dir, sizeof dir);
	assert_int_equal(more, wanted != NULL);
	if (wanted)
		assert_string_equal(dir, wanted);
}

static void elements(void **state)
{
	(void)state;
	const char *list = "/a:relative::$ORIGIN/../lib:/opt/$LIB:${ORIGIN}:/b;/c:"
			   "/a-name-that-is-longer-than-the-place-for-it";
	const char *from = "/usr/bin/app";
	is(&list, from, "/a");
	is(&list, from, "/usr/bin/../lib");
	is(&list, from, "/usr/bin");
	is(&list, from, "/b");
	is(&list, from, "/c");
	is(&list, from, NULL);
	is(&list, from, NULL);
	list = "$ORIGIN/x:/y";
	is(&list, NULL, "/y");
	list = NULL;
	is(&list, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(elements)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
