/* squash_unpack: room is kept, broken data is an error; contents are squash_test's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "squash/squash_unpack.h"

static void broken_data(void **state)
{
	(void)state;
	static const enum squash_compressor all[] = {SQUASH_GZIP, SQUASH_LZO, SQUASH_XZ, SQUASH_LZ4,
						     SQUASH_ZSTD, SQUASH_LZMA};
	static const char garbage[64] = "\xff\x37this was never packed by anybody";
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct err err = ERR_NONE;
		struct squash_unpack unpack;
		char out[128];
		size_t len = 77;
		assert_int_equal(squash_unpack_init(&unpack, all[i], &err), 0);
		assert_int_equal(squash_unpack_block(&unpack, garbage, sizeof garbage, out, sizeof out,
						     &len, &err), -EIO);
		assert_non_null(strstr(err.text, "broken"));
		squash_unpack_free(&unpack);
	}
}

static void too_little_room(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct squash_unpack gzip, zstd;
	char in[1000] = {1}, packed[2000], out[1001];
	uLongf packed_len = sizeof packed;
	size_t len = 0;
	assert_int_equal(compress((Bytef *)packed, &packed_len, (Bytef *)in, sizeof in), Z_OK);
	assert_int_equal(squash_unpack_init(&gzip, SQUASH_GZIP, &err), 0);
	assert_int_equal(squash_unpack_block(&gzip, packed, packed_len, out, 999, &len, &err), -EIO);
	out[1000] = 'k';
	assert_int_equal(squash_unpack_block(&gzip, packed, packed_len, out, 1000, &len, &err), 0);
	assert_int_equal(len, 1000);
	assert_memory_equal(out, in, 1000);
	assert_int_equal(out[1000], 'k');
	squash_unpack_free(&gzip);

	size_t zstd_len = ZSTD_compress(packed, sizeof packed, in, sizeof in, 3);
	assert_int_equal(squash_unpack_init(&zstd, SQUASH_ZSTD, &err), 0);
	assert_int_equal(squash_unpack_block(&zstd, packed, zstd_len, out, 999, &len, &err), -EIO);
	assert_int_equal(squash_unpack_block(&zstd, packed, zstd_len, out, 1000, &len, &err), 0);
	assert_int_equal(len, 1000);
	squash_unpack_free(&zstd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_data), cmocka_unit_test(too_little_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
