/*
 * topology.c - hwloc's view of the node, flattened for binding.c (topology.h).
 *
 * hwloc gives objects in topological order: PUs of one core, cores of one NUMA node stand side by
 * side.  So logical numbers are counted while walking the PUs, by comparing with the one before.
 * Disallowed PUs are left out by hwloc itself (no HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED), but it
 * knows cpusets only, not a mask by sched_setaffinity(2): the latter is asked for and intersected
 * here.
 */
#include "runtime/topology.h"

#include <stdlib.h>

#include "common/cleanup.h"
#include "runtime/hwloc_api.h"

struct topology {
	struct hwloc_api api;
	hwloc_topology_t handle;
	struct binding_pu *pus;
	struct binding_node node;
};

void topology_free(struct topology **where)
{
	struct topology *topology = take_ptr(where);
	if (topology == NULL)
		return;
	if (topology->handle != NULL)
		topology->api.topology_destroy(topology->handle);
	free(topology->pus);
	free(topology);
}

/* hwloc loads every plug-in that it finds, and with them X11, OpenCL and XML libraries: five of the eight
 * milliseconds of a discovery.  There is no call for that, only the environment; what a user has set there stays. */
static void plugins_off(void)
{
	setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 0);
}

int topology_none(struct topology **out, struct err *err)
{
	AUTO_TOPOLOGY struct topology *topology = calloc(1, sizeof *topology);
	if (topology == NULL)
		return err_errno(err, ENOMEM, "topology");
	int rc = hwloc_api_open(&topology->api, err);
	if (rc < 0)
		return rc;
	plugins_off();
	if (topology->api.topology_init(&topology->handle) < 0 ||
	    topology->api.topology_set_synthetic(topology->handle, "pu:1") < 0 ||
	    topology->api.topology_load(topology->handle) < 0)
		return err_set(err, EIO, "hwloc cannot make a topology of one CPU");
	*out = take_ptr(&topology);
	return 0;
}

static int handle_load(struct topology *topology, struct err *err)
{
	const struct hwloc_api *api = &topology->api;
	int rc = hwloc_api_open(&topology->api, err);
	if (rc < 0)
		return rc;
	plugins_off();
	if (api->topology_init(&topology->handle) < 0)
		return err_set(err, ENOMEM, "hwloc: no memory for the topology");
	/* Instruction caches, devices and groups are of no use to anybody here. */
	api->topology_set_icache_types_filter(topology->handle, HWLOC_TYPE_FILTER_KEEP_NONE);
	api->topology_set_io_types_filter(topology->handle, HWLOC_TYPE_FILTER_KEEP_NONE);
	/* The kernel's view is complete; asking each CPU by cpuid means to visit it. */
	api->topology_set_components(topology->handle, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
	if (api->topology_load(topology->handle) < 0)
		return err_set(err, EIO, "hwloc cannot read this node's topology (is /sys mounted?)");
	return 0;
}

/* An unbound process has more or the same bits than the topology: no restriction. */
static hwloc_cpuset_t allowed_new(const struct hwloc_api *api, hwloc_topology_t handle)
{
	hwloc_cpuset_t allowed = api->bitmap_dup(api->topology_get_allowed_cpuset(handle));
	hwloc_cpuset_t own = api->bitmap_alloc();
	if (allowed != NULL && own != NULL &&
	    api->get_cpubind(handle, own, HWLOC_CPUBIND_THREAD) == 0 && !api->bitmap_iszero(own))
		api->bitmap_and(allowed, allowed, own);
	api->bitmap_free(own);
	return allowed;
}

/* A PU without cores above it (some virtual machines) is its own. */
static hwloc_obj_t core_of(hwloc_obj_t pu)
{
	hwloc_obj_t object = pu;
	while (object != NULL && object->type != HWLOC_OBJ_CORE)
		object = object->parent;
	return object != NULL ? object : pu;
}

static void pus_collect(struct topology *topology, hwloc_const_cpuset_t allowed)
{
	struct binding_node *node = &topology->node;
	const struct hwloc_api *api = &topology->api;
	hwloc_obj_t pu, core_before = NULL;
	int numa_before = -1, depth = api->get_type_depth(topology->handle, HWLOC_OBJ_PU);
	for (unsigned i = 0; (pu = api->get_obj_by_depth(topology->handle, depth, i)) != NULL; i++) {
		if (!api->bitmap_isset(allowed, pu->os_index))
			continue;
		hwloc_obj_t core = core_of(pu);
		int numa = pu->nodeset ? api->bitmap_first(pu->nodeset) : 0;
		node->core_count += core != core_before;
		node->numa_count += node->pu_count == 0 || numa != numa_before;
		topology->pus[node->pu_count++] = (struct binding_pu){
			.cpu = pu->os_index, .core = node->core_count - 1, .numa = node->numa_count - 1};
		core_before = core;
		numa_before = numa;
	}
	node->pus = topology->pus;
}

static unsigned pu_count(const struct topology *topology)
{
	int depth = topology->api.get_type_depth(topology->handle, HWLOC_OBJ_PU);
	unsigned count = 0;
	while (topology->api.get_obj_by_depth(topology->handle, depth, count) != NULL)
		count++;
	return count;
}

int topology_load(struct topology **out, struct err *err)
{
	AUTO_TOPOLOGY struct topology *topology = calloc(1, sizeof *topology);
	if (topology == NULL)
		return err_errno(err, ENOMEM, "topology");
	int rc = handle_load(topology, err);
	if (rc < 0)
		return rc;
	unsigned count = pu_count(topology);
	topology->pus = calloc(count > 0 ? count : 1, sizeof *topology->pus);
	hwloc_cpuset_t allowed = allowed_new(&topology->api, topology->handle);
	if (topology->pus == NULL || allowed == NULL) {
		topology->api.bitmap_free(allowed);
		return err_errno(err, ENOMEM, "topology");
	}
	pus_collect(topology, allowed);
	topology->api.bitmap_free(allowed);
	*out = take_ptr(&topology);
	return 0;
}

const struct binding_node *topology_node(const struct topology *topology)
{
	return &topology->node;
}

void *topology_handle(const struct topology *topology)
{
	return topology->handle;
}
