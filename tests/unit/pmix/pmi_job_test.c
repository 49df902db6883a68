/*
 * pmi_job_test.c - layouts: which are refused, who is where, MPICH's mapping.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "pmix/pmi_job.h"

enum { NODES = 6 };
static const char *const names[NODES] = {"a", "b", "c", "d", "e", "f"};
static const uint32_t count[NODES] = {2, 2, 0, 3, 1, 1};
static const uint32_t first[NODES] = {0, 2, 4, 4, 7, 8};

static struct pmi_job good(void)
{
	return (struct pmi_job){
		.name = "job-1.a_b", .node_count = NODES, .rank_count = 9, .node_names = names,
		.node_first_rank = first, .node_rank_count = count, .node = 3, .fanout = 2,
		.session_dir = "/tmp/x", .rank_fd = 3,
	};
}

static void good_layouts_pass(void **state)
{
	struct pmi_job job = good();
	(void)state;
	assert_int_equal(pmi_job_check(&job, NULL), 0);
	assert_int_equal(pmi_job_local_count(&job), 3);
	assert_int_equal(pmi_job_local_first(&job), 4);
}

static void bad_layouts_are_refused(void **state)
{
	static const uint32_t gap[NODES] = {0, 2, 4, 5, 7, 8};
	static const char *const nameless[NODES] = {"a", "b", "", "d", "e", "f"};
	static const char *const two[NODES] = {"a", "b,c", "c", "d", "e", "f"};
	struct err err;
	struct pmi_job jobs[] = {good(), good(), good(), good(), good(), good(),
				 good(), good(), good(), good(), good()};
	(void)state;
	jobs[0].name = "with space";
	jobs[1].name = "";
	jobs[2].node = NODES;
	jobs[3].fanout = 0;
	jobs[4].rank_count = 0;
	jobs[5].rank_count = 8;
	jobs[6].session_dir = "tmp";
	jobs[7].node_first_rank = gap;
	jobs[8].node_names = nameless;
	jobs[9].node_names = two;
	jobs[10].name = NULL;
	for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++)
		assert_int_equal(pmi_job_check(&jobs[i], &err), -EINVAL);
}

static void every_rank_has_its_node(void **state)
{
	static const uint32_t expected[] = {0, 0, 1, 1, 3, 3, 3, 4, 5};
	struct pmi_job job = good();
	(void)state;
	for (uint32_t rank = 0; rank < 9; rank++)
		assert_int_equal(pmi_job_node_of(&job, rank), expected[rank]);
	assert_int_equal(pmi_job_node_of(&job, 9), NODES);
	assert_int_equal(pmi_job_node_of(&job, UINT32_MAX), NODES);
}

static void mapping_folds_runs(void **state)
{
	struct pmi_job job = good();
	(void)state;
	char *text = pmi_job_mapping_new(&job);
	assert_string_equal(text, "(vector,(0,2,2),(3,1,3),(4,2,1))");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_layouts_pass),
		cmocka_unit_test(bad_layouts_are_refused),
		cmocka_unit_test(every_rank_has_its_node),
		cmocka_unit_test(mapping_folds_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
