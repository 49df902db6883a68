/* topology_test.c - hwloc's answer against the kernel's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>

#include "runtime/topology.h"

static void check_against_affinity(void)
{
	AUTO_TOPOLOGY struct topology *topology = NULL;
	struct err err;
	cpu_set_t allowed;
	assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
	assert_int_equal(topology_load(&topology, &err), 0);
	const struct binding_node *node = topology_node(topology);
	assert_int_equal(node->pu_count, CPU_COUNT(&allowed));
	assert_true(node->core_count >= 1 && node->core_count <= node->pu_count);
	assert_true(node->numa_count >= 1 && node->numa_count <= node->core_count);
	for (size_t i = 0; i < node->pu_count; i++) {
		assert_true(CPU_ISSET(node->pus[i].cpu, &allowed));
		assert_true(node->pus[i].core < node->core_count && node->pus[i].numa < node->numa_count);
		assert_true(i == 0 || node->pus[i].core - node->pus[i - 1].core <= 1);
	}
	assert_non_null(topology_handle(topology));
}

static void test_this_node(void **state)
{
	(void)state;
	check_against_affinity();
}

static void test_bound_process(void **state)
{
	(void)state;
	cpu_set_t before, one;
	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	CPU_ZERO(&one);
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0 && CPU_COUNT(&one) == 0; cpu--)
		if (CPU_ISSET(cpu, &before))
			CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	check_against_affinity();
	assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

/* Nobody is bound by it, and a PMIx server can take it. */
static void test_none(void **state)
{
	AUTO_TOPOLOGY struct topology *topology = NULL;
	struct cpu_mask mask;
	struct err err;
	(void)state;
	assert_int_equal(topology_none(&topology, &err), 0);
	assert_int_equal(topology_node(topology)->pu_count, 0);
	assert_int_equal(binding_mask(topology_node(topology), BINDING_CORE, 0, 1, &mask), 0);
	assert_non_null(topology_handle(topology));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_this_node), cmocka_unit_test(test_bound_process),
		cmocka_unit_test(test_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
