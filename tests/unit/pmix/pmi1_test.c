/*
 * pmi1_test.c - lines in, lines and events out.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pmix/pmi1.h"

struct fixture {
	struct pmi1_space space;
	struct pmi1_client client;
	struct pmi1_event event;  /* of the last line */
	struct err err;
	char reply[4096];
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	fixture->space = (struct pmi1_space){.name = "job", .rank_count = 64,
					     .kvs = kvs_new(1 << 20)};
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	pmi1_client_free(&fixture->client, &fixture->space);
	kvs_free(&fixture->space.kvs);
	free(fixture);
	return 0;
}

/* Feeds bytes and steps to their end. Returns the last rc that was not 1. */
static int feed(struct fixture *fixture, const char *bytes, size_t len)
{
	AUTO_BUF struct buf out = {0};
	struct pmi1_event event;
	int rc;
	assert_int_equal(pmi1_feed(&fixture->client, bytes, len, &fixture->err), 0);
	while ((rc = pmi1_step(&fixture->client, &fixture->space, &out, &event,
			       &fixture->err)) > 0)
		fixture->event = event;
	assert_true(out.len < sizeof fixture->reply);
	if (out.len > 0)
		memcpy(fixture->reply, out.data, out.len);
	fixture->reply[out.len] = '\0';
	return rc;
}

static void expect(struct fixture *fixture, const char *line, const char *reply)
{
	assert_int_equal(feed(fixture, line, strlen(line)), 0);
	assert_string_equal(fixture->reply, reply);
}

static void mpich_starts(void **state)
{
	struct fixture *f = *state;
	expect(f, "cmd=init pmi_version=1 pmi_subversion=1\n",
	       "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n");
	assert_int_equal(f->event.type, PMI1_EVENT_INIT);
	expect(f, "cmd=get_maxes\n", "cmd=maxes rc=0 kvsname_max=256 keylen_max=64 vallen_max=1024\n");
	expect(f, "cmd=get_appnum\n", "cmd=appnum rc=0 appnum=0\n");
	expect(f, "cmd=get_universe_size\n", "cmd=universe_size rc=0 size=64\n");
	expect(f, "cmd=get_my_kvsname\n", "cmd=my_kvsname rc=0 kvsname=job\n");
	expect(f, "cmd=finalize\n", "cmd=finalize_ack rc=0\n");
	assert_int_equal(f->event.type, PMI1_EVENT_FINALIZE);
}

static void pmi2_is_told_the_version(void **state)
{
	struct fixture *f = *state;
	expect(f, "cmd=init pmi_version=2 pmi_subversion=0\n",
	       "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=-1\n");
	assert_int_equal(f->event.type, PMI1_EVENT_NONE);
}

static void put_and_get(void **state)
{
	struct fixture *f = *state;
	expect(f, "cmd=put kvsname=job key=k value=a b=c key=x\n", "cmd=put_result rc=0\n");
	expect(f, "cmd=get kvsname=job key=k\n", "cmd=get_result rc=0 value=a b=c key=x\n");
	expect(f, "cmd=put key=escaped value=a\\ b\n", "cmd=put_result rc=0\n");
	expect(f, "cmd=get key=escaped\n", "cmd=get_result rc=0 value=a\\ b\n");
	expect(f, "cmd=put kvsname=job key=k value=\n", "cmd=put_result rc=0\n");
	expect(f, "cmd=get kvsname=job key=k\n", "cmd=get_result rc=0 value=\n");
	expect(f, "cmd=get kvsname=job key=none\n",
	       "cmd=get_result rc=-1 msg=no_such_key value=unknown\n");
	expect(f, "cmd=get kvsname=other key=k\n",
	       "cmd=get_result rc=-1 msg=no_such_key value=unknown\n");
	expect(f, "cmd=put kvsname=other key=k value=x\n",
	       "cmd=put_result rc=-1 msg=no_such_kvsname\n");
	expect(f, "cmd=put kvsname=job value=x\n",
	       "cmd=put_result rc=-1 msg=key_missing_or_too_long\n");
	expect(f, "cmd=put kvsname=job key=k\n",
	       "cmd=put_result rc=-1 msg=value_missing_or_too_long\n");
}

static void lengths_are_bounded(void **state)
{
	struct fixture *f = *state;
	char line[PMI1_LINE_MAX + 10];
	snprintf(line, sizeof line, "cmd=put key=%064d value=x\n", 0);
	expect(f, line, "cmd=put_result rc=-1 msg=key_missing_or_too_long\n");
	snprintf(line, sizeof line, "cmd=put key=k value=%01024d\n", 0);
	expect(f, line, "cmd=put_result rc=-1 msg=value_missing_or_too_long\n");
	snprintf(line, sizeof line, "cmd=put key=k value=%01023d\n", 0);
	expect(f, line, "cmd=put_result rc=0\n");
	memset(line, 'x', sizeof line);
	assert_int_equal(feed(f, line, PMI1_LINE_MAX), 0);
	assert_int_equal(feed(f, line, 1), -EPROTO);
}

static void bytes_come_in_any_pieces(void **state)
{
	struct fixture *f = *state;
	static const char two[] = "cmd=get_appnum\ncmd=get_maxes\ncmd=get_ap";
	for (size_t i = 0; i < strlen("cmd=get_appnum"); i++)
		assert_int_equal(feed(f, two + i, 1), 0);
	assert_string_equal(f->reply, "");
	expect(f, two + strlen("cmd=get_appnum"),
	       "cmd=appnum rc=0 appnum=0\n"
	       "cmd=maxes rc=0 kvsname_max=256 keylen_max=64 vallen_max=1024\n");
	expect(f, "pnum\n", "cmd=appnum rc=0 appnum=0\n");
}

static void barrier(void **state)
{
	struct fixture *f = *state;
	AUTO_BUF struct buf out = {0};
	expect(f, "cmd=barrier_in\n", "");
	assert_int_equal(f->event.type, PMI1_EVENT_BARRIER);
	assert_int_equal(f->space.in_barrier, 1);
	pmi1_barrier_done(&f->client, &f->space, false, &out);
	assert_memory_equal(out.data, "cmd=barrier_out rc=0\n", out.len);
	assert_int_equal(f->space.in_barrier, 0);
	expect(f, "cmd=barrier_in\n", "");
	expect(f, "cmd=abort exitcode=3\n", "");
	assert_int_equal(f->event.type, PMI1_EVENT_ABORT);
	assert_int_equal(feed(f, "cmd=barrier_in\n", 15), -EPROTO);
	pmi1_client_free(&f->client, &f->space);
	assert_int_equal(f->space.in_barrier, 0);
}

static void aborts(void **state)
{
	struct fixture *f = *state;
	expect(f, "cmd=abort exitcode=77\n", "");
	assert_int_equal(f->event.type, PMI1_EVENT_ABORT);
	assert_int_equal(f->event.status, 77);
	assert_string_equal(f->event.text, "");
	expect(f, "cmd=abort exitcode=-3 message=\033[31mred\n", "");
	assert_int_equal(f->event.status, -3);
	assert_string_equal(f->event.text, "?[31mred");
	expect(f, "cmd=abort exitcode=99999999999\n", "");
	assert_int_equal(f->event.status, 1);
}

static void what_is_not_offered_says_so(void **state)
{
	struct fixture *f = *state;
	expect(f, "cmd=publish_name service=s port=p\n",
	       "cmd=publish_result rc=-1 msg=not_offered_by_cmpirun\n");
	expect(f, "cmd=lookup_name service=s\n",
	       "cmd=lookup_result rc=-1 msg=not_offered_by_cmpirun\n");
	expect(f, "cmd=unpublish_name service=s\n",
	       "cmd=unpublish_result rc=-1 msg=not_offered_by_cmpirun\n");
	expect(f, "mcmd=spawn\nnprocs=1\nexecname=a\ntotspawns=2\nspawnssofar=1\narg1=cmd=init\nendcmd\n", "");
	expect(f, "mcmd=spawn\nnprocs=1\nexecname=b\ntotspawns=2\nspawnssofar=2\nendcmd\n",
	       "cmd=spawn_result rc=-1 msg=not_offered_by_cmpirun\n");
	expect(f, "cmd=get_appnum\n", "cmd=appnum rc=0 appnum=0\n");
}

static void garbage_is_refused(void **state)
{
	static const char *const lines[] = {"\n", "cmd=\n", "GET / HTTP/1.1\n", "cmd=nonsense\n",
					    "xcmd=init\n", "value=cmd=init\n"};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		assert_int_equal(feed(f, lines[i], strlen(lines[i])), -EPROTO);
	assert_int_equal(feed(f, "cmd=init\0pmi_version=1\n", 23), -EPROTO);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mpich_starts),
		TEST(pmi2_is_told_the_version),
		TEST(put_and_get),
		TEST(lengths_are_bounded),
		TEST(bytes_come_in_any_pieces),
		TEST(barrier),
		TEST(aborts),
		TEST(what_is_not_offered_says_so),
		TEST(garbage_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
