/* image_index: what is indexed of an image, and what is not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mpi-abi/image_index.h"
#include "tests/unit/mpi-abi/fake.h"

static const struct image_binary *binary(const struct image_index *index, const char *path)
{
	for (size_t i = 0; i < index->binary_count; i++)
		if (strcmp(index->binaries[i].path, path) == 0)
			return &index->binaries[i];
	return NULL;
}

static void an_index(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct image_index *index = NULL;
	int fd;
	fake_libc("image", 0);
	fake_library("image", "libmpi.so.12", FAKE_MPICH, FAKE_LIBC);
	fake_library("image", "libmpir.so.23", "int mpir_gcd(void){return 0;}", "");
	fake_program("image", "app", FAKE_MAIN, "image/usr/lib64/libmpi.so.12" FAKE_LIBC);
	fake_program("image", "plain", "int main(void){return 0;}", FAKE_LIBC);
	fake_run("mkdir -p image/usr/lib64/ucx image/py; cp image/usr/bin/app image/py/MPI.so;"
		 "cp image/usr/bin/app image/py/hidden.py; head -c 300 image/usr/bin/app >image/py/cut;"
		 "printf '\\177ELFgarbage, but long enough to be taken for a file of that kind and read'"
		 ">image/py/garbage; cp image/usr/lib64/libmpir.so.23 image/usr/lib64/ucx/libuct_x.so;"
		 "ln -s ../usr/bin/app image/py/link; echo '#!/usr/bin/app' >image/usr/bin/script");
	struct squash *image = fake_image(&fd);
	assert_int_equal(image_index_new(image, &index, &err), 0);
	assert_int_equal(binary(index, "/usr/lib64/libmpi.so.12")->family, MPI_FAMILY_MPICH);
	assert_int_equal(binary(index, "/usr/lib64/libmpi.so.12")->role, MPI_ROLE_C);
	assert_int_equal(binary(index, "/usr/bin/app")->role, MPI_ROLE_NONE);
	assert_non_null(binary(index, "/py/MPI.so"));
	assert_null(binary(index, "/usr/lib64/libmpir.so.23"));
	assert_null(binary(index, "/usr/bin/plain"));
	assert_null(binary(index, "/py/hidden.py"));
	assert_null(binary(index, "/py/link"));
	assert_int_equal(index->module_count, 1);
	assert_string_equal(index->modules[0].path, "/usr/lib64/ucx");
	assert_string_equal(index->modules[0].owner, "libucs.so");
	image_index_free(&index);
	squash_free(&image);
	close(fd);
}

static void static_programs(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	char *path = NULL;
	int fd;
	fake_libc("image", 0);
	struct squash *image = fake_image(&fd);
	assert_int_equal(image_static_mpi(image, &path, &err), 0);
	assert_null(path);
	squash_free(&image);
	close(fd);
	fake_program("image", "inside", "int PMPI_Init(void){return 0;} int main(void){return PMPI_Init();}",
		     "-static");
	image = fake_image(&fd);
	assert_int_equal(image_static_mpi(image, &path, &err), 0);
	assert_string_equal(path, "/usr/bin/inside");
	free(path);
	squash_free(&image);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_index), cmocka_unit_test(static_programs),
	};
	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
