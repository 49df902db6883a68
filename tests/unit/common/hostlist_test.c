/*
 * hostlist_test.c - Slurm's notation: expanded, folded, refused, bounded.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/hostlist.h"

static void join(const struct hostlist *list, struct buf *out)
{
	for (size_t i = 0; i < list->count; i++)
		buf_printf(out, "%s%s", i ? " " : "", list->names[i]);
	buf_add_u8(out, 0);
}

static void format(const struct hostlist *list, struct buf *out)
{
	hostlist_format(list, out);
	buf_add_u8(out, 0);
}

/* text, the names, and the form that the names fold into */
static const struct {
	const char *text, *names, *folded;
} good[] = {
	{"a", "a", "a"},
	{"login,nid[0001-0004,7]", "login nid0001 nid0002 nid0003 nid0004 nid7",
	 "login,nid[0001-0004],nid7"},
	{"n[08-11]", "n08 n09 n10 n11", "n[08-11]"},
	{"n[8-11]", "n8 n9 n10 n11", "n[8-9],n[10-11]"},
	{"n[1-1]", "n1", "n1"},
	{"r[0-1]c[0-1]", "r0c0 r0c1 r1c0 r1c1", "r0c[0-1],r1c[0-1]"},
	{"r[1,3]-x", "r1-x r3-x", "r1-x,r3-x"},
	{"a1,a2,a4,b5", "a1 a2 a4 b5", "a[1-2],a4,b5"},
	{"a1,a1", "a1 a1", "a1,a1"},
	{"a2,a1", "a2 a1", "a2,a1"},
	{"[1-2]", "1 2", "[1-2]"},
	{"a.b-c_d.example.org", "a.b-c_d.example.org", "a.b-c_d.example.org"},
	{"n[999999998-999999999]", "n999999998 n999999999", "n[999999998-999999999]"},
	{"n12345678901,n12345678902", "n12345678901 n12345678902", "n12345678901,n12345678902"},
	{"a[1]b[2]c[3]d[4]", "a1b2c3d4", "a1b2c3d4"},
};

static void lists_expand_and_fold(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		AUTO_HOSTLIST struct hostlist list = {0}, again = {0};
		AUTO_BUF struct buf names = {0}, folded = {0}, names_again = {0};
		assert_int_equal(hostlist_add(&list, good[i].text, NULL), 0);
		join(&list, &names);
		assert_string_equal(names.data, good[i].names);
		format(&list, &folded);
		assert_string_equal(folded.data, good[i].folded);
		assert_int_equal(hostlist_add(&again, folded.data, NULL), 0);
		join(&again, &names_again);
		assert_string_equal(names_again.data, good[i].names);
	}
}

static const struct {
	const char *text, *why;
} bad[] = {
	{"", "host list: an empty name"},
	{"a,", "host list: an empty name"},
	{"a,,b", "host list: an empty name"},
	{"a b", "host list: a character that no host name has at \" b\""},
	{"a;rm", "host list: a character that no host name has at \";rm\""},
	{"a]", "host list: a character that no host name has at \"]\""},
	{"n[1-2", "host list: no closing bracket at \"[1-2\""},
	{"n[]", "host list: not a range of numbers at \"\""},
	{"n[a]", "host list: not a range of numbers at \"a\""},
	{"n[1-]", "host list: not a range of numbers at \"1-\""},
	{"n[1,]", "host list: not a range of numbers at \"\""},
	{"n[2-1]", "host list: not a range of numbers at \"2-1\""},
	{"n[1-2-3]", "host list: not a range of numbers at \"1-2-3\""},
	{"n[1234567890]", "host list: not a range of numbers at \"1234567890\""},
	{"n[[1]]", "host list: not a range of numbers at \"[1\""},
	{"a[1]b[1]c[1]d[1]e[1]", "host list: too many brackets at \"[1]\""},
};

static void mistakes_are_shown_with_their_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		AUTO_HOSTLIST struct hostlist list = {0};
		struct err err = ERR_NONE;
		assert_int_equal(hostlist_add(&list, bad[i].text, &err), -EINVAL);
		assert_string_equal(err.text, bad[i].why);
	}
}

static void what_came_before_a_mistake_stays(void **state)
{
	AUTO_HOSTLIST struct hostlist list = {0};
	(void)state;
	assert_int_equal(hostlist_add(&list, "a,n[1-2],b!", NULL), -EINVAL);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.names[2], "n2");
}

static void lists_are_bounded(void **state)
{
	static const char *const texts[] = {"n[0-1000000]", "a[0-999]b[0-999]c[0-1]",
					    "a,n[0-999999]", "[0-999999999]"};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		AUTO_HOSTLIST struct hostlist list = {0};
		struct err err = ERR_NONE;
		assert_int_equal(hostlist_add(&list, texts[i], &err), -E2BIG);
		assert_string_equal(err.text, "more than 1000000 host names");
		assert_true(list.count <= HOSTLIST_MAX);
	}
}

static void names_are_bounded(void **state)
{
	char name[HOSTLIST_NAME_MAX + 8];
	AUTO_HOSTLIST struct hostlist list = {0};
	(void)state;
	memset(name, 'n', sizeof name);
	strcpy(name + HOSTLIST_NAME_MAX - 1, "");
	assert_int_equal(hostlist_add(&list, name, NULL), 0);
	assert_int_equal(strlen(list.names[0]), HOSTLIST_NAME_MAX - 1);
	strcpy(name + HOSTLIST_NAME_MAX - 1, "n");
	assert_int_equal(hostlist_add(&list, name, NULL), -EINVAL);
	strcpy(name + HOSTLIST_NAME_MAX - 2, "[10]");
	assert_int_equal(hostlist_add(&list, name, NULL), -EINVAL);
	strcpy(name + HOSTLIST_NAME_MAX - 2, "[1]");
	assert_int_equal(hostlist_add(&list, name, NULL), 0);
	assert_int_equal(list.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_expand_and_fold),
		cmocka_unit_test(mistakes_are_shown_with_their_place),
		cmocka_unit_test(what_came_before_a_mistake_stays),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(names_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
