/*
 * pmix_keys.c - the arrays of keys and values for libpmix (pmix_keys.h).
 *
 * Open MPI hangs without PMIX_JOB_SIZE and needs the two maps and the data of
 * its own process; the others save it from guessing or asking.  Node names are
 * spelled here as in the map: libpmix compares them as text.  Only the ranks
 * of this node get an array of their own: what others need to know of a
 * remote rank (its node) is in the maps, and 262,144 arrays cost a gigabyte.
 */
#include "pmix/pmix_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"

/* --- arrays that own their values ---------------------------------------- */

static pmix_value_t *add(struct pmix_keys *keys, const char *key, pmix_data_type_t type)
{
	if (!keys->failed && keys->count == keys->size) {
		size_t size = keys->size ? 2 * keys->size : 8;
		pmix_info_t *infos = realloc(keys->infos, size * sizeof *infos);
		keys->failed = infos == NULL;
		if (infos != NULL) {
			keys->infos = infos;
			keys->size = size;
		}
	}
	if (keys->failed)
		return NULL;
	pmix_info_t *info = &keys->infos[keys->count++];
	memset(info, 0, sizeof *info);
	snprintf(info->key, sizeof info->key, "%s", key);
	info->value.type = type;
	return &info->value;
}

static void add_string(struct pmix_keys *keys, const char *key, const char *text)
{
	pmix_value_t *value = add(keys, key, PMIX_STRING);
	if (value == NULL)
		return;
	value->data.string = strdup(text);
	keys->failed = value->data.string == NULL;
}

static void add_u32(struct pmix_keys *keys, const char *key, uint32_t number)
{
	pmix_value_t *value = add(keys, key, PMIX_UINT32);
	if (value != NULL)
		value->data.uint32 = number;
}

static void add_u16(struct pmix_keys *keys, const char *key, uint16_t number)
{
	pmix_value_t *value = add(keys, key, PMIX_UINT16);
	if (value != NULL)
		value->data.uint16 = number;
}

static void add_rank(struct pmix_keys *keys, const char *key, uint32_t rank)
{
	pmix_value_t *value = add(keys, key, PMIX_PROC_RANK);
	if (value != NULL)
		value->data.rank = rank;
}

static void add_bool(struct pmix_keys *keys, const char *key, bool flag)
{
	pmix_value_t *value = add(keys, key, PMIX_BOOL);
	if (value != NULL)
		value->data.flag = flag;
}

/* What PMIx_generate_*() gave: text, or a head, a NUL and binary behind it,
 * whose length only libpmix knows. */
static void add_map(struct pmix_keys *keys, const struct pmix_api *api, const char *key, char *map)
{
	pmix_value_t *value = add(keys, key, PMIX_REGEX);
	if (value != NULL && api->value_load(value, map, PMIX_REGEX) != PMIX_SUCCESS)
		keys->failed = true;
	free(map);
}

/* The keys of `take_inner` become one value. */
static void add_array(struct pmix_keys *keys, const char *key, struct pmix_keys *take_inner)
{
	pmix_value_t *value = add(keys, key, PMIX_DATA_ARRAY);
	pmix_data_array_t *array = calloc(1, sizeof *array);
	if (value == NULL || array == NULL || take_inner->failed) {
		keys->failed = true;
		if (value != NULL)
			value->type = PMIX_UNDEF;
		free(array);
		pmix_keys_free(take_inner);
		return;
	}
	*array = (pmix_data_array_t){
		.type = PMIX_INFO, .size = take_inner->count, .array = take_inner->infos};
	value->data.darray = array;
	*take_inner = (struct pmix_keys){0};
}

static void free_infos(pmix_info_t *infos, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		pmix_value_t *value = &infos[i].value;
		if (value->type == PMIX_STRING)
			free(value->data.string);
		if (value->type == PMIX_REGEX)
			free(value->data.bo.bytes);
		if (value->type != PMIX_DATA_ARRAY)
			continue;
		free_infos(value->data.darray->array, value->data.darray->size);
		free(value->data.darray);
	}
	free(infos);
}

void pmix_keys_free(struct pmix_keys *keys)
{
	free_infos(keys->infos, keys->count);
	*keys = (struct pmix_keys){0};
}

/* --- the server ---------------------------------------------------------- */

/* The number of this node for libpmix: its place in the map, which leaves out
 * nodes without ranks. */
static uint32_t map_index(const struct pmi_job *job)
{
	uint32_t index = 0;
	for (uint32_t i = 0; i < job->node; i++)
		index += job->node_rank_count[i] > 0;
	return index;
}

void pmix_keys_add_server(struct pmix_keys *keys, const struct pmi_job *job, const char *tmpdir,
			  pmix_topology_t *topology)
{
	add_string(keys, PMIX_SERVER_TMPDIR, tmpdir);
	add_string(keys, PMIX_SYSTEM_TMPDIR, tmpdir);
	add_string(keys, PMIX_HOSTNAME, job->node_names[job->node]);
	add_u32(keys, PMIX_NODEID, map_index(job));
	add_string(keys, PMIX_SERVER_NSPACE, "cmpid");
	add_rank(keys, PMIX_SERVER_RANK, job->node);
	add_bool(keys, PMIX_HOSTNAME_KEEP_FQDN, true);
	if (topology == NULL)
		return;
	pmix_value_t *value = add(keys, PMIX_TOPOLOGY2, PMIX_TOPO);
	if (value != NULL)
		value->data.topo = topology;
}

/* --- the job ------------------------------------------------------------- */

static void add_ranks(struct buf *text, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		buf_printf(text, "%s%u", i ? "," : "", first + i);
}

/* The names of all nodes that have ranks, and their ranks, in libpmix's short forms. */
static int add_maps(struct pmix_keys *keys, const struct pmi_job *job, const struct pmix_api *api,
		    struct err *err)
{
	AUTO_BUF struct buf nodes = {0}, ranks = {0};
	for (uint32_t i = 0; i < job->node_count; i++) {
		if (job->node_rank_count[i] == 0)
			continue;
		buf_printf(&nodes, "%s%s", nodes.len ? "," : "", job->node_names[i]);
		buf_printf(&ranks, "%s", ranks.len ? ";" : "");
		add_ranks(&ranks, job->node_first_rank[i], job->node_rank_count[i]);
	}
	buf_add_u8(&nodes, 0);
	buf_add_u8(&ranks, 0);
	if (nodes.failed || ranks.failed)
		return err_errno(err, ENOMEM, "PMIx maps");
	char *map = NULL;
	pmix_status_t status = api->generate_regex(nodes.data, &map);
	if (status != PMIX_SUCCESS)
		return pmix_api_err(api, err, "PMIx_generate_regex", status);
	add_map(keys, api, PMIX_NODE_MAP, map);
	map = NULL;
	status = api->generate_ppn(ranks.data, &map);
	if (status != PMIX_SUCCESS)
		return pmix_api_err(api, err, "PMIx_generate_ppn", status);
	add_map(keys, api, PMIX_PROC_MAP, map);
	AUTO_FREE char *mapping = pmi_job_mapping_new(job);
	keys->failed |= mapping == NULL;
	if (mapping != NULL)
		add_string(keys, PMIX_ANL_MAP, mapping);
	return 0;
}

static void add_node(struct pmix_keys *keys, const struct pmi_job *job)
{
	AUTO_BUF struct buf peers = {0};
	uint32_t count = pmi_job_local_count(job);
	add_ranks(&peers, pmi_job_local_first(job), count);
	buf_add_u8(&peers, 0);
	keys->failed |= peers.failed;
	add_u32(keys, PMIX_LOCAL_SIZE, count);
	add_u32(keys, PMIX_NODE_SIZE, count);
	add_rank(keys, PMIX_LOCALLDR, pmi_job_local_first(job));
	if (!peers.failed)
		add_string(keys, PMIX_LOCAL_PEERS, peers.data);
}

/* Binding, as text that libpmix's own hwloc understands, and what it means. */
static void add_cpus(struct pmix_keys *keys, const struct pmix_api *api, const char *cpus)
{
	AUTO_FREE char *text = NULL, *locality = NULL;
	pmix_cpuset_t cpuset = {0};
	if (asprintf(&text, "hwloc:%s", cpus) < 0) {
		text = NULL;
		keys->failed = true;
		return;
	}
	add_string(keys, PMIX_CPUSET, text);
	if (api->parse_cpuset_string == NULL || api->generate_locality_string == NULL ||
	    api->parse_cpuset_string(text, &cpuset) != PMIX_SUCCESS)
		return;
	if (api->generate_locality_string(&cpuset, &locality) == PMIX_SUCCESS && locality != NULL)
		add_string(keys, PMIX_LOCALITY_STRING, locality);
	if (api->cpuset_destruct != NULL)
		api->cpuset_destruct(&cpuset);
}

static void add_local_rank(struct pmix_keys *keys, const struct pmi_job *job,
			   const struct pmix_api *api, uint32_t local, uint32_t node)
{
	AUTO_PMIX_KEYS struct pmix_keys inner = {0};
	uint32_t rank = pmi_job_local_first(job) + local;
	add_rank(&inner, PMIX_RANK, rank);
	add_u32(&inner, PMIX_APPNUM, 0);
	add_rank(&inner, PMIX_APP_RANK, rank);
	add_rank(&inner, PMIX_GLOBAL_RANK, rank);
	add_u16(&inner, PMIX_LOCAL_RANK, (uint16_t)local);
	add_u16(&inner, PMIX_NODE_RANK, (uint16_t)local);
	add_string(&inner, PMIX_HOSTNAME, job->node_names[job->node]);
	add_u32(&inner, PMIX_NODEID, node);
	if (job->local_cpus != NULL && job->local_cpus[local] != NULL)
		add_cpus(&inner, api, job->local_cpus[local]);
	add_array(keys, PMIX_PROC_INFO_ARRAY, &inner);
}

static void add_app(struct pmix_keys *keys, const struct pmi_job *job)
{
	AUTO_PMIX_KEYS struct pmix_keys inner = {0};
	add_u32(&inner, PMIX_APPNUM, 0);
	add_u32(&inner, PMIX_APP_SIZE, job->rank_count);
	add_rank(&inner, PMIX_APPLDR, 0);
	if (job->workdir != NULL)
		add_string(&inner, PMIX_WDIR, job->workdir);
	if (job->program != NULL)
		add_string(&inner, PMIX_APP_ARGV, job->program);
	add_array(keys, PMIX_APP_INFO_ARRAY, &inner);
}

int pmix_keys_add_job(struct pmix_keys *keys, const struct pmi_job *job,
		      const struct pmix_api *api, struct err *err)
{
	uint32_t with_ranks = 0;
	for (uint32_t i = 0; i < job->node_count; i++)
		with_ranks += job->node_rank_count[i] > 0;
	add_string(keys, PMIX_JOBID, job->name);
	add_u32(keys, PMIX_UNIV_SIZE, job->rank_count);
	add_u32(keys, PMIX_JOB_SIZE, job->rank_count);
	add_u32(keys, PMIX_MAX_PROCS, job->rank_count);
	add_u32(keys, PMIX_JOB_NUM_APPS, 1);
	add_u32(keys, PMIX_NUM_NODES, with_ranks);
	add_string(keys, PMIX_TMPDIR, job->session_dir);
	add_string(keys, PMIX_NSDIR, job->session_dir);
	add_string(keys, PMIX_PROCDIR, job->session_dir);
	int rc = add_maps(keys, job, api, err);
	if (rc < 0)
		return rc;
	add_node(keys, job);
	add_app(keys, job);
	uint32_t node = map_index(job);
	for (uint32_t i = 0; i < pmi_job_local_count(job); i++)
		add_local_rank(keys, job, api, i, node);
	return keys->failed ? err_errno(err, ENOMEM, "PMIx keys") : 0;
}
