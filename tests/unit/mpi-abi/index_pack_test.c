/* index_pack, elf_pack: an index as bytes and back; cut at every length it is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/image_index.h"
#include "tests/unit/mpi-abi/fake.h"

static struct image_index *made(void)
{
	struct err err = ERR_NONE;
	struct image_index *index = NULL;
	int fd;
	fake_libc("image", 1);
	fake_library("image", "libmpi.so.12", FAKE_MPICH, FAKE_LIBC);
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpi.so.12" FAKE_LIBC " -Wl,-rpath,/opt/x");
	fake_run("mkdir -p image/usr/lib64/ucx; cp image/usr/lib64/libmpi.so.12 image/usr/lib64/ucx/libuct_x.so;"
		 "echo cache >image/etc/ld.so.cache");
	struct squash *image = fake_image(&fd);
	if (image_index_new(image, &index, &err) < 0)
		fail_msg("%s", err.text);
	squash_free(&image);
	close(fd);
	return index;
}

static void same_text(const char *a, const char *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a)
		assert_string_equal(a, b);
}

static void same_elf(const struct elf *a, const struct elf *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->machine, b->machine);
	same_text(a->interpreter, b->interpreter);
	same_text(a->soname, b->soname);
	same_text(a->rpath, b->rpath);
	same_text(a->runpath, b->runpath);
	assert_int_equal(a->needed_count, b->needed_count);
	assert_int_equal(a->need_count, b->need_count);
	assert_int_equal(a->definition_count, b->definition_count);
	assert_int_equal(a->symbol_count, b->symbol_count);
	for (size_t i = 0; i < a->needed_count; i++)
		assert_string_equal(a->needed[i], b->needed[i]);
	for (size_t i = 0; i < a->definition_count; i++)
		assert_string_equal(a->definitions[i], b->definitions[i]);
	for (size_t i = 0; i < a->symbol_count; i++) {
		assert_string_equal(a->symbols[i].name, b->symbols[i].name);
		assert_int_equal(a->symbols[i].size, b->symbols[i].size);
		assert_int_equal(a->symbols[i].defined, b->symbols[i].defined);
	}
}

static void there_and_back(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct image_index *index = made(), *other = NULL;
	AUTO_BUF struct buf bytes = {0};
	image_index_pack(index, &bytes);
	assert_false(bytes.failed);
	struct cursor in = cursor_of(bytes.data, bytes.len);
	assert_int_equal(image_index_parse(&in, &other, &err), 0);
	assert_int_equal(index->file_count, other->file_count);
	assert_int_equal(index->binary_count, 3);
	assert_int_equal(other->binary_count, 3);
	for (size_t i = 0; i < index->file_count; i++) {
		assert_string_equal(index->binaries[i].path, other->binaries[i].path);
		assert_int_equal(index->binaries[i].family, other->binaries[i].family);
		same_elf(&index->binaries[i].elf, &other->binaries[i].elf);
	}
	const struct image_binary *app = image_index_lookup(other, "/usr/bin/../bin/app");
	assert_non_null(app);
	assert_string_equal(app->elf.runpath ? app->elf.runpath : app->elf.rpath, "/opt/x");
	const struct image_binary *libc = image_index_lookup(other, "/lib64/libc.so.6");
	assert_non_null(libc);
	assert_true(libc->has_symbols);
	assert_int_equal(libc->elf.definition_count, 2);
	assert_int_equal(other->module_count, 1);
	assert_string_equal(other->cache, "cache\n");
	assert_int_equal(other->cache_len, 6);
	image_index_free(&index);
	image_index_free(&other);
}

static void cut_off(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct image_index *index = made(), *other = NULL;
	AUTO_BUF struct buf bytes = {0};
	image_index_pack(index, &bytes);
	for (size_t len = 0; len < bytes.len; len++) {
		struct cursor in = cursor_of(bytes.data, len);
		assert_int_equal(image_index_parse(&in, &other, &err), -EPROTO);
	}
	image_index_free(&index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(cut_off),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
