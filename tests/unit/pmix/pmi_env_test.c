/*
 * pmi_env_test.c - what MPICH and Open MPI must find in their environment.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "pmix/pmi_env.h"

static const uint32_t first[] = {0, 3}, count[] = {3, 2};
static const struct pmi_job job = {
	.node_count = 2, .rank_count = 5, .node_first_rank = first, .node_rank_count = count,
	.node = 1, .rank_fd = 9,
};

static bool has(const struct buf *env, const char *var)
{
	for (size_t at = 0; at < env->len; at += strlen(env->data + at) + 1)
		if (strcmp(env->data + at, var) == 0)
			return true;
	return false;
}

static void common(void **state)
{
	AUTO_BUF struct buf env = {0}, without = {0};
	(void)state;
	pmi_env_add_common(&env, &job, true);
	assert_true(has(&env, "PMI_FD=9"));
	assert_true(has(&env, "PMI_SIZE=5"));
	assert_true(has(&env, "MPI_LOCALNRANKS=2"));
	assert_true(has(&env, "MPIR_CVAR_PMI_VERSION=1"));
	assert_true(has(&env, "JSM_JSRUN_PORT=1"));
	pmi_env_add_common(&without, &job, false);
	assert_true(has(&without, "PMI_FD=9"));
	assert_false(has(&without, "JSM_JSRUN_PORT=1"));
}

static void rank(void **state)
{
	AUTO_BUF struct buf env = {0}, without = {0};
	(void)state;
	pmi_env_add_rank(&env, &job, 4, true);
	assert_true(has(&env, "PMI_RANK=4"));
	assert_true(has(&env, "MPI_LOCALRANKID=1"));
	assert_true(has(&env, "PMIX_RANK=4"));
	pmi_env_add_rank(&without, &job, 4, false);
	assert_false(has(&without, "PMIX_RANK=4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(common),
		cmocka_unit_test(rank),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
