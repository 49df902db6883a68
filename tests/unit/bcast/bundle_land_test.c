/*
 * Scanned here, read by a source, landed there: the same tree; and what comes from elsewhere stays below its
 * directory, even when that has links in it.
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

#include "bcast/bundle_land.h"
#include "bcast/bundle_scan.h"
#include "bcast/source.h"
#include "common/remove_tree.h"

static char home[] = "/tmp/bundle_land_test.XXXXXX";

static void make_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	for (size_t i = 0; i < size; i++)
		fputc((int)(i * 7 + i / 251), file);
	assert_int_equal(fclose(file), 0);
}

static size_t size_of(const char *path)
{
	struct stat st;
	return stat(path, &st) < 0 ? SIZE_MAX : (size_t)st.st_size;
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(home) == NULL || chdir(home) < 0 || mkdir("tree", 0755) < 0 || mkdir("tree/d", 0755) < 0 ||
	    mkdir("tree/closed", 0500) < 0 || mkdir("out", 0755) < 0)
		return -1;
	make_file("tree/d/large", (1 << 20) + 3);
	make_file("tree/small", 1000);
	make_file("tree/none", 0);
	make_file("one", 10);
	return symlink("../small", "tree/d/link") | link("tree/small", "tree/twin") |
	       chmod("tree/d/large", 04751);
}

static int tear_down(void **state)
{
	(void)state;
	return chdir("/") | remove_tree(AT_FDCWD, home);
}

static void copy(struct bundle *bundle, struct bundle_land *land)
{
	struct source source;
	struct err err = ERR_NONE;
	assert_int_equal(bundle_land_open(bundle, "out", land, &err), 0);
	source_open_bundle(bundle, &source);
	/* In pieces that begin and end anywhere. */
	for (uint64_t at = 0; at < bundle->size; at += 70001)
		assert_int_equal(source_read(&source, at, land->landing.base + at,
					     bundle->size - at < 70001 ? bundle->size - at : 70001, &err), 0);
	source_close(&source);
}

static void test_round(void **state)
{
	(void)state;
	char *const paths[] = {"tree/", "one"};
	struct bundle bundle;
	struct bundle_land land;
	struct stat st, twin;
	size_t skipped;
	char text[64] = "";
	struct err err = ERR_NONE;
	assert_int_equal(bundle_scan(paths, 2, &bundle, &skipped, &err), 0);
	assert_int_equal(skipped, 0);
	copy(&bundle, &land);
	assert_int_equal(bundle_land_unpack(&land, &err), 0);
	assert_int_equal(bundle_land_reread(&land, &err), 0);
	assert_int_equal(size_of("out/tree"), SIZE_MAX);
	assert_int_equal(bundle_land_commit(&land, &err), 0);
	bundle_land_close(&land);
	assert_int_equal(size_of("out/tree/none"), 0);
	assert_int_equal(size_of("out/one"), 10);
	assert_int_equal(stat("out/tree/d/large", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751);  /* no set-user-ID */
	assert_int_equal(stat("out/tree/closed", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0500);
	assert_true(readlink("out/tree/d/link", text, sizeof text - 1) > 0);
	assert_string_equal(text, "../small");
	assert_int_equal(stat("out/tree/twin", &twin) | stat("out/tree/small", &st), 0);
	assert_int_equal(st.st_ino, twin.st_ino);
	assert_int_equal(system("diff -r tree out/tree && cmp one out/one"), 0);
	/* A tree replaces nothing. */
	assert_int_equal(bundle_land_open(&bundle, "out", &land, &err), -EEXIST);
	bundle_land_close(&land);
	bundle_free(&bundle);
	assert_int_equal(system("rm -rf out/*; test -z \"$(ls -A out)\""), 0);
}

static void test_changed(void **state)
{
	(void)state;
	char *const paths[] = {"tree", "one"};
	struct bundle bundle;
	struct source source;
	size_t skipped;
	char bytes[64];
	struct err err = ERR_NONE;
	assert_int_equal(bundle_scan(paths, 2, &bundle, &skipped, &err), 0);
	make_file("one", 12);
	source_open_bundle(&bundle, &source);
	assert_int_equal(source_read(&source, bundle.size - 10, bytes, 10, &err), -ESTALE);
	assert_int_equal(truncate("one", 3), 0);
	assert_int_equal(source_read(&source, bundle.size - 10, bytes, 10, &err), -ENODATA);
	source_close(&source);
	bundle_free(&bundle);
	char *const same[] = {"one", "./one"}, *const none[] = {"nothing"}, *const device[] = {"/dev/null"};
	assert_int_equal(bundle_scan(same, 2, &bundle, &skipped, &err), -EEXIST);
	bundle_free(&bundle);
	assert_int_equal(bundle_scan(none, 1, &bundle, &skipped, &err), -ENOENT);
	bundle_free(&bundle);
	assert_int_equal(bundle_scan(device, 1, &bundle, &skipped, &err), -EINVAL);
	bundle_free(&bundle);
}

/* Somebody puts a link where a directory was made. */
static void test_stays_below(void **state)
{
	(void)state;
	char *const paths[] = {"tree"};
	struct bundle bundle;
	struct bundle_land land;
	struct err err = ERR_NONE;
	size_t skipped;
	make_file("tree/closed/small", 5);
	assert_int_equal(mkdir("elsewhere", 0755), 0);
	assert_int_equal(bundle_scan(paths, 1, &bundle, &skipped, &err), 0);
	copy(&bundle, &land);
	assert_int_equal(unlinkat(land.destinations[0].fd, "closed", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("../../elsewhere", land.destinations[0].fd, "closed"), 0);
	assert_int_equal(bundle_land_unpack(&land, &err), -ELOOP);
	bundle_land_close(&land);
	bundle_free(&bundle);
	assert_int_equal(rmdir("elsewhere"), 0);  /* nothing came into it */
	assert_int_equal(system("test -z \"$(ls -A out)\""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_stays_below),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
