/*
 * decide: a fake image against a fake host, once for each verdict.
 *
 * gates.c, choice.c and effects.c have tests of their own names beside this one;
 * this one has the decision as a value: fields, printing, freeing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/decide.h"
#include "mpi-abi/ldcache.h"
#include "tests/unit/mpi-abi/fake.h"
#include "tests/unit/mpi-abi/judge.h"

static void a_swap_as_a_value(void **state)
{
	(void)state;
	AUTO_BUF struct buf text = {0};
	fake_libc("image", 0);
	fake_libc("host", 0);
	fake_library("image", "libmpi.so.12", FAKE_MPICH, FAKE_LIBC);
	fake_library("host", "libmpi.so.12", FAKE_MPICH, FAKE_HOST_LIBC);
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpi.so.12" FAKE_LIBC);
	struct abi_decision *decision = judge(NULL);
	assert_int_equal(decision->verdict, ABI_SWAP);
	assert_int_equal(decision->reason, ABI_REASON_NONE);
	assert_null(decision->why);
	assert_string_equal(decision->family, "MPICH");
	assert_string_equal(decision->host_path, "/usr/lib64/libmpi.so.12");
	assert_string_equal(decision->image_version, "libmpi.so.12");
	assert_int_equal(decision->consumer_count, 1);
	abi_decision_print(decision, true, &text);
	buf_add_u8(&text, 0);
	assert_non_null(strstr(text.data, "bind file /usr/lib64/libmpi.so.12 /usr/lib64/libmpi.so.12\n"));
	assert_non_null(strstr(text.data, "bind file /usr/lib64/libmpi.so.12 /.cmpirun/mpi/lib/libmpi.so.12 new\n"));
	assert_non_null(strstr(text.data, "drop UCX_*\n"));
	assert_non_null(strstr(text.data, "file /etc/ld.so.cache "));
	abi_decision_free(&decision);
	assert_null(decision);
}

static void a_refusal_as_a_value(void **state)
{
	(void)state;
	AUTO_BUF struct buf text = {0};
	fake_libc("image", 0);
	struct abi_decision *decision = judge(NULL);
	assert_int_equal(decision->verdict, ABI_REFUSE);
	assert_int_equal(decision->bind_count + decision->file_count + decision->set_count, 0);
	abi_decision_print(decision, true, &text);
	buf_add_u8(&text, 0);
	assert_string_equal(text.data, "refused (no-mpi): nothing in the image uses a shared MPI library; "
				       "--mpi container runs it without a swap\n");
	abi_decision_free(&decision);
}

static void reasons_have_names(void **state)
{
	(void)state;
	for (int i = ABI_REASON_NONE; i <= ABI_REASON_PMI; i++)
		assert_string_not_equal(abi_reason_name((enum abi_reason)i), "?");
	assert_string_equal(abi_reason_name((enum abi_reason)1000), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_swap_as_a_value), cmocka_unit_test(a_refusal_as_a_value),
		cmocka_unit_test(reasons_have_names),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
