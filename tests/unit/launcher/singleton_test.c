/* singleton: what of a process's maps shows that its MPI has started. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "launcher/singleton.h"

#define LINE "7f00-7f01 r-xp 00000000 00:2d 77   "

static bool shows(const char *maps)
{
	char library[SINGLETON_NAME_MAX] = "";
	bool alone = singleton_shows(maps, strlen(maps), library);
	if (alone)
		assert_true(strncmp(library, "libmpi", 6) == 0);
	return alone;
}

static void evidence(void **state)
{
	(void)state;
	assert_true(shows(LINE "/usr/lib/libmpi.so.40.30.4\n" LINE "/usr/lib/openmpi/mca_pml_ob1.so\n"));
	assert_true(shows(LINE "/usr/lib/libmpi.so.40.40.7\n" LINE "/dev/shm/sm_segment.vm.1001.82b0000.0\n"));
	assert_true(shows(LINE "/usr/lib/ucx/libuct_ib.so.0\n" LINE "/.cmpirun/mpi/lib/libmpich.so.12"));
}

static void none(void **state)
{
	(void)state;
	assert_false(shows(""));
	assert_false(shows(LINE "\n\n/\n" LINE "[heap]\n"));
	assert_false(shows(LINE "/usr/lib/libmpi.so.40.30.4\n" LINE "/usr/lib/libucs.so.0\n"));  /* linked, not started */
	assert_false(shows(LINE "/usr/lib/ucx/libuct_ib.so.0\n"));  /* UCX without an MPI */
	assert_false(shows(LINE "/usr/lib/libmpir.so.23\n" LINE "/usr/lib/ucx/libuct_ib.so.0\n"));
}

static void this_process(void **state)
{
	(void)state;
	char library[SINGLETON_NAME_MAX];
	assert_false(singleton_is(getpid(), library));
	assert_false(singleton_is(2000000000, library));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evidence), cmocka_unit_test(none), cmocka_unit_test(this_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
