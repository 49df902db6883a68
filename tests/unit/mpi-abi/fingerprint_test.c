/* fingerprint: made of files, compared with what is there later, packed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/fingerprint.h"
#include "mpi-abi/host.h"
#include "tests/unit/mpi-abi/fake.h"

/* Two libraries: with a build-id and without. */
static struct fingerprints fresh(void)
{
	struct err err = ERR_NONE;
	struct fingerprints prints = {0};
	struct host *host = NULL;
	char path[200];
	fake_libc("host", 0);
	fake_library("host", "liba.so", "int a(void){return 0;}", "-Wl,--build-id=0x00112233");
	fake_library("host", "libb.so", "int b(void){return 0;}", "-Wl,--build-id=none");
	assert_int_equal(host_open(NULL, NULL, &host, &err), 0);
	for (const char *name = "ab"; *name; name++) {
		snprintf(path, sizeof path, "%s/host/usr/lib64/lib%c.so", fake_dir, *name);
		assert_int_equal(fingerprints_add(&prints, host, path, &err), 0);
	}
	assert_int_equal(fingerprints_add(&prints, host, "/nowhere/lib.so", &err), -ENOENT);
	host_free(&host);
	return prints;
}

static void made(void **state)
{
	(void)state;
	struct fingerprints prints = fresh();
	assert_int_equal(prints.count, 2);
	assert_false(prints.items[0].is_hash);
	assert_int_equal(prints.items[0].id_len, 4);
	assert_memory_equal(prints.items[0].id, "\0\x11\x22\x33", 4);
	assert_true(prints.items[1].is_hash);
	assert_int_equal(prints.items[1].id_len, 16);
	assert_int_equal(fingerprints_compare(&prints, NULL), 0);
	fingerprints_free(&prints);
}

/* After `change` the comparison must say that. */
static void deviates(const char *change, const char *text)
{
	struct err err = ERR_NONE;
	struct fingerprints prints = fresh();
	fake_run("%s", change);
	assert_int_equal(fingerprints_compare(&prints, &err), -EXDEV);
	if (!strstr(err.text, text))
		fail_msg("'%s' is not in: %s", text, err.text);
	fingerprints_free(&prints);
}

static void compared(void **state)
{
	(void)state;
	deviates("rm host/usr/lib64/liba.so", "liba.so: No such file");
	deviates("printf x >>host/usr/lib64/liba.so", "build-id 00112233, and the plan was made with");
	deviates("printf x | dd of=host/usr/lib64/libb.so bs=1 seek=300 conv=notrunc status=none", "libb.so is another");
	deviates("cp host/usr/lib64/libb.so host/usr/lib64/liba.so", "liba.so is another");
	deviates("rm host/usr/lib64/*; : >host/usr/lib64/libb.so", "(and 1 more)");
	/* The same library, installed again. */
	struct fingerprints prints = fresh();
	fake_run("cp host/usr/lib64/liba.so x; rm host/usr/lib64/liba.so; mv x host/usr/lib64/liba.so");
	assert_int_equal(fingerprints_compare(&prints, NULL), 0);
	fingerprints_free(&prints);
}

static void packed(void **state)
{
	(void)state;
	struct fingerprints prints = fresh();
	AUTO_BUF struct buf bytes = {0}, before = {0}, after = {0};
	fingerprints_pack(&prints, &bytes);
	for (size_t len = 0; len <= bytes.len; len++) {
		struct fingerprints parsed = {0};
		struct cursor in = cursor_of(bytes.data, len);
		int rc = fingerprints_parse(&in, &parsed, NULL);
		assert_int_equal(rc, len == bytes.len ? 0 : -EPROTO);
		if (rc == 0) {
			assert_int_equal(fingerprints_compare(&parsed, NULL), 0);
			fingerprints_format(&prints, &before);
			fingerprints_format(&parsed, &after);
		}
		fingerprints_free(&parsed);
	}
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
	fingerprints_free(&prints);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made), cmocka_unit_test(compared), cmocka_unit_test(packed),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
