/*
 * pmix_keys_test.c - what libpmix is told about a job.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#ifndef CMPIRUN_HAVE_PMIX
int main(void)
{
	return 0;
}
#else
#include <stdlib.h>
#include <string.h>

#include "pmix/pmix_keys.h"

static const char *const names[] = {"nid1", "nid2.site", "nid3"};
static const uint32_t count[] = {2, 0, 3}, first[] = {0, 2, 2};
static const char *const cpus[] = {"0", NULL, "0-3"};
static const struct pmi_job job = {
	.name = "job", .node_count = 3, .rank_count = 5, .node_names = names,
	.node_first_rank = first, .node_rank_count = count, .node = 2, .fanout = 2,
	.session_dir = "/tmp/s", .program = "./app", .workdir = "/w", .local_cpus = cpus,
};

/* libpmix's functions, of which only the shape matters here. */
static pmix_status_t fake_regex(const char *input, char **output)
{
	*output = strdup(input);
	return PMIX_SUCCESS;
}

static pmix_status_t fake_value_load(pmix_value_t *value, const void *data, pmix_data_type_t type)
{
	assert_int_equal(type, PMIX_REGEX);
	value->data.bo.bytes = strdup(data);
	value->data.bo.size = strlen(data) + 1;
	return PMIX_SUCCESS;
}

static pmix_status_t failing_regex(const char *input, char **output)
{
	(void)input, (void)output;
	return PMIX_ERR_BAD_PARAM;
}

static const char *fake_error_string(pmix_status_t status)
{
	(void)status;
	return "WORDS";
}

static const struct pmix_api api = {
	.generate_regex = fake_regex, .generate_ppn = fake_regex, .value_load = fake_value_load,
	.error_string = fake_error_string,
};

static const pmix_value_t *find(const pmix_info_t *infos, size_t info_count, const char *key)
{
	for (size_t i = 0; i < info_count; i++)
		if (strcmp(infos[i].key, key) == 0)
			return &infos[i].value;
	return NULL;
}

static void job_keys(void **state)
{
	AUTO_PMIX_KEYS struct pmix_keys keys = {0};
	(void)state;
	assert_int_equal(pmix_keys_add_job(&keys, &job, &api, NULL), 0);
	assert_int_equal(find(keys.infos, keys.count, PMIX_JOB_SIZE)->data.uint32, 5);
	assert_int_equal(find(keys.infos, keys.count, PMIX_UNIV_SIZE)->data.uint32, 5);
	assert_int_equal(find(keys.infos, keys.count, PMIX_LOCAL_SIZE)->data.uint32, 3);
	assert_int_equal(find(keys.infos, keys.count, PMIX_NUM_NODES)->data.uint32, 2);
	assert_string_equal(find(keys.infos, keys.count, PMIX_LOCAL_PEERS)->data.string, "2,3,4");
	assert_string_equal(find(keys.infos, keys.count, PMIX_NODE_MAP)->data.bo.bytes,
			    "nid1,nid3");
	assert_string_equal(find(keys.infos, keys.count, PMIX_PROC_MAP)->data.bo.bytes,
			    "0,1;2,3,4");
	assert_string_equal(find(keys.infos, keys.count, PMIX_ANL_MAP)->data.string,
			    "(vector,(0,1,2),(2,1,3))");
}

static void local_ranks_have_their_own_array(void **state)
{
	AUTO_PMIX_KEYS struct pmix_keys keys = {0};
	uint32_t rank = 2;
	(void)state;
	assert_int_equal(pmix_keys_add_job(&keys, &job, &api, NULL), 0);
	for (size_t i = 0; i < keys.count; i++) {
		if (strcmp(keys.infos[i].key, PMIX_PROC_INFO_ARRAY) != 0)
			continue;
		const pmix_data_array_t *array = keys.infos[i].value.data.darray;
		const pmix_info_t *infos = array->array;
		/* libpmix demands the rank first. */
		assert_string_equal(infos[0].key, PMIX_RANK);
		assert_int_equal(infos[0].value.data.rank, rank);
		assert_int_equal(find(infos, array->size, PMIX_LOCAL_RANK)->data.uint16, rank - 2);
		assert_string_equal(find(infos, array->size, PMIX_HOSTNAME)->data.string, "nid3");
		/* Its place in the map, where the node without ranks is not. */
		assert_int_equal(find(infos, array->size, PMIX_NODEID)->data.uint32, 1);
		const pmix_value_t *cpuset = find(infos, array->size, PMIX_CPUSET);
		if (rank == 3)
			assert_null(cpuset);
		else
			assert_string_equal(cpuset->data.string, rank == 2 ? "hwloc:0" : "hwloc:0-3");
		rank++;
	}
	assert_int_equal(rank, 5);
}

static void server_keys(void **state)
{
	AUTO_PMIX_KEYS struct pmix_keys keys = {0}, with = {0};
	pmix_topology_t topology = {0};
	(void)state;
	pmix_keys_add_server(&keys, &job, "/tmp/s/pmix", NULL);
	assert_false(keys.failed);
	assert_string_equal(find(keys.infos, keys.count, PMIX_SERVER_TMPDIR)->data.string,
			    "/tmp/s/pmix");
	assert_string_equal(find(keys.infos, keys.count, PMIX_HOSTNAME)->data.string, "nid3");
	assert_null(find(keys.infos, keys.count, PMIX_TOPOLOGY2));
	pmix_keys_add_server(&with, &job, "/tmp/s/pmix", &topology);
	assert_ptr_equal(find(with.infos, with.count, PMIX_TOPOLOGY2)->data.topo, &topology);
}

static void a_failing_library_is_told(void **state)
{
	AUTO_PMIX_KEYS struct pmix_keys keys = {0};
	struct pmix_api failing = api;
	struct err err;
	(void)state;
	failing.generate_ppn = failing_regex;
	assert_int_equal(pmix_keys_add_job(&keys, &job, &failing, &err), -EIO);
	assert_non_null(strstr(err.text, "PMIx_generate_ppn: WORDS"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(job_keys),
		cmocka_unit_test(local_ranks_have_their_own_array),
		cmocka_unit_test(server_keys),
		cmocka_unit_test(a_failing_library_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
