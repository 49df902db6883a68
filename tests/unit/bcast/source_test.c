/*
 * The source: each byte once; what is no file, and what changes under our hands, is said.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bcast/source.h"
#include "tests/unit/common/make_sif.h"

enum { SIZE = 10000 };

struct fixture {
	char dir[64], file[96], pipe[96];
	char bytes[SIZE];
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	strcpy(fixture->dir, "/tmp/source_test.XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->file, sizeof fixture->file, "%s/file", fixture->dir);
	snprintf(fixture->pipe, sizeof fixture->pipe, "%s/pipe", fixture->dir);
	for (size_t i = 0; i < SIZE; i++)
		fixture->bytes[i] = (char)(i * 7 + i / 256);
	FILE *file = fopen(fixture->file, "w");
	assert_int_equal(fwrite(fixture->bytes, 1, SIZE, file), SIZE);
	fclose(file);
	assert_int_equal(mkfifo(fixture->pipe, 0600), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	unlink(fixture->file);
	unlink(fixture->pipe);
	rmdir(fixture->dir);
	free(fixture);
	return 0;
}

static void test_reads_all(void **state)
{
	struct fixture *fixture = *state;
	struct source source;
	struct err err = ERR_NONE;
	char got[SIZE];
	assert_int_equal(source_open(fixture->file, &source, &err), 0);
	assert_int_equal(source.size, SIZE);
	assert_int_equal(source_read(&source, 7000, got + 7000, 3000, &err), 0);
	assert_int_equal(source_read(&source, 0, got, 7000, &err), 0);
	assert_int_equal(source_read(&source, SIZE, got, 0, &err), 0);
	assert_int_equal(source.read_bytes, SIZE);
	assert_memory_equal(got, fixture->bytes, SIZE);
	assert_int_equal(source_check_unchanged(&source, &err), 0);
	source_close(&source);
}

static void test_no_file(void **state)
{
	struct fixture *fixture = *state;
	struct source source;
	struct err err = ERR_NONE;
	assert_int_equal(source_open("/nonexistent/a.sqsh", &source, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/a.sqsh"));
	assert_int_equal(source.fd, -1);
	assert_int_equal(source_open(fixture->dir, &source, &err), -EISDIR);
	assert_int_equal(source_open(fixture->pipe, &source, &err), -EINVAL);
	assert_int_equal(source.fd, -1);
}

static void test_truncated(void **state)
{
	struct fixture *fixture = *state;
	struct source source;
	struct err err = ERR_NONE;
	char got[SIZE];
	assert_int_equal(source_open(fixture->file, &source, &err), 0);
	assert_int_equal(source_read(&source, 0, got, 5000, &err), 0);
	assert_int_equal(truncate(fixture->file, 6000), 0);
	assert_int_equal(source_read(&source, 5000, got, 5000, &err), -ENODATA);
	assert_non_null(strstr(err.text, "truncated"));
	source_close(&source);
}

/* Of a SIF file the partition counts, as if it were the file. */
static void test_part(void **state)
{
	struct fixture *fixture = *state;
	struct source source;
	struct err err = ERR_NONE;
	enum { AT = 5000, LEN = 2000 };
	unsigned char head[SIF_HEAD];
	char got[LEN];
	assert_int_equal(source_open(fixture->file, &source, &err), 0);
	assert_int_equal(source_find_image(&source, &err), 0);  /* no SIF file */
	assert_int_equal(source.size, SIZE);
	source_close(&source);
	sif_make(head, AT, LEN);
	int fd = open(fixture->file, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, head, sizeof head), sizeof head);
	assert_int_equal(source_open(fixture->file, &source, &err), 0);
	assert_int_equal(source_find_image(&source, &err), 0);
	assert_int_equal(source.size, LEN);
	assert_int_equal(source_read(&source, 0, got, LEN, &err), 0);
	assert_memory_equal(got, fixture->bytes + AT, LEN);
	assert_int_equal(source.read_bytes, LEN);
	assert_int_equal(source_check_unchanged(&source, &err), 0);
	assert_int_equal(ftruncate(fd, SIZE - 1), 0);
	assert_int_equal(source_check_unchanged(&source, &err), -ESTALE);
	assert_int_equal(ftruncate(fd, AT + 10), 0);
	assert_int_equal(source_read(&source, 0, got, LEN, &err), -ENODATA);
	source_close(&source);
	assert_int_equal(source_open(fixture->file, &source, &err), 0);
	assert_int_equal(source_find_image(&source, &err), -EBADMSG);  /* it is cut off now */
	assert_int_equal(source.fd, -1);
	close(fd);
}

static void test_touched(void **state)
{
	struct fixture *fixture = *state;
	struct source source;
	struct err err = ERR_NONE;
	assert_int_equal(source_open(fixture->file, &source, &err), 0);
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = 5}};
	assert_int_equal(utimensat(AT_FDCWD, fixture->file, times, 0), 0);
	assert_int_equal(source_check_unchanged(&source, &err), -ESTALE);
	source_close(&source);
}

static void test_readers(void **state)
{
	(void)state;
	enum { LUSTRE = 0x0bd00bd0, NFS = 0x6969 };
	static const struct {
		struct source_place place;
		int nodes;
		uint64_t size;
		int readers;
		bool advice;
	} rows[] = {
		{{NFS, 0}, 1000, 10ull << 30, 1, false},
		{{0, 0}, 1000, 10ull << 30, 1, false},
		{{LUSTRE, 8}, 1000, 10ull << 30, 8, false},
		{{LUSTRE, 0}, 1000, 10ull << 30, 8, false},
		{{LUSTRE, 4}, 1000, 10ull << 30, 4, false},
		{{LUSTRE, 1}, 1000, 10ull << 30, 1, true},
		{{LUSTRE, 1}, 1000, 10ull << 20, 1, false},
		{{LUSTRE, INT_MAX}, 8, 10ull << 30, 2, false},
		{{LUSTRE, 8}, 2, 10ull << 30, 1, false},
		{{LUSTRE, 8}, 1000, 600ull << 20, 2, false},
		{{LUSTRE, 8}, 1000, 0, 1, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *advice;
		assert_int_equal(source_readers(&rows[i].place, rows[i].nodes, rows[i].size, &advice),
				 rows[i].readers);
		assert_int_equal(advice != NULL, rows[i].advice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reads_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_truncated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_touched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_part, set_up, tear_down),
		cmocka_unit_test(test_readers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
