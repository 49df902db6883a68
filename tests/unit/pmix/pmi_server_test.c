/*
 * pmi_server_test.c - real MPI programs, PMIx clients and raw PMI-1 clients
 * over virtual nodes (virtual_job.h).
 *
 * This program is its own client: with "client NAME" as arguments it plays a
 * rank (pmi_clients.c).  Open MPI and MPICH programs are compiled when their
 * mpicc is there, and skipped when not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/pmix/virtual_job.c"
#include "tests/unit/pmix/pmi_clients.c"

/* LeakSanitizer's hook: libpmix does not free all that it takes. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libpmix.so\nleak:libevent\nleak:libhwloc\nleak:vasprintf\n";
}

static char self[4096];

/* One hello for each MPI, compiled once; "" when it cannot be. */
static char hello_mpich[] = "/tmp/cmpirun-hello-mpich.XXXXXX";
static char hello_openmpi[] = "/tmp/cmpirun-hello-openmpi.XXXXXX";

static void compile(const char *mpicc, char *path)
{
	char command[8192];
	close(mkstemp(path));
	snprintf(command, sizeof command,
		 "command -v %s >/dev/null && %s -O1 -o %s " TEST_SOURCE_DIR
		 "/images/mpi_hello.c -ldl >/dev/null 2>&1", mpicc, mpicc, path);
	if (system(command) == 0)
		return;
	unlink(path);
	path[0] = '\0';
}

static int setup(void **state)
{
	(void)state;
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
	self[len > 0 ? len : 0] = '\0';
	compile("mpicc.mpich", hello_mpich);
	compile("mpicc.openmpi", hello_openmpi);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(hello_mpich);
	unlink(hello_openmpi);
	return 0;
}

static struct virtual_result *run(const struct virtual_job *job)
{
	struct virtual_result *result = virtual_job_run(job, 90);
	if (result->cannot) {
		print_message("no namespaces here: skipped\n");
		virtual_result_free(result);
		skip();
	}
	if (result->timed_out || result->failed)
		print_message("%s\n%s%s", result->why, result->output, result->log);
	return result;
}

static struct virtual_result *run_client(uint32_t nodes, uint32_t ranks_per_node, const char *name)
{
	const char *const argv[] = {self, "client", name, NULL};
	const struct virtual_job job = {
		.nodes = nodes, .ranks_per_node = ranks_per_node, .fanout = 2, .argv = argv};
	return run(&job);
}

static void assert_good(const struct virtual_result *result)
{
	if (result->status != 0)
		print_message("%s%s", result->output, result->log);
	assert_false(result->timed_out);
	assert_false(result->failed);
	assert_int_equal(result->status, 0);
	assert_int_equal(result->abort_count, 0);
}

/* --- MPI programs ------------------------------------------------------------ */

static void check_hello(const char *program, uint32_t nodes, uint32_t ranks_per_node,
			uint32_t fanout)
{
	if (program[0] == '\0') {
		print_message("this MPI is not installed: skipped\n");
		skip();
	}
	const char *const argv[] = {program, "--bytes", "100000", NULL};
	const struct virtual_job job = {
		.nodes = nodes, .ranks_per_node = ranks_per_node, .fanout = fanout, .argv = argv};
	struct virtual_result *result = run(&job);
	uint32_t size = nodes * ranks_per_node;
	assert_good(result);
	for (uint32_t rank = 0; rank < size; rank++) {
		char begin[64], end[64];
		snprintf(begin, sizeof begin, "rank %u of %u on virtual%u: ", rank, size,
			 rank / ranks_per_node);
		snprintf(end, sizeof end, " sum %u\n", size * (size - 1) / 2);
		const char *line = strstr(result->output, begin);
		if (line == NULL)
			print_message("%s", result->output);
		assert_non_null(line);
		const char *line_end = strchr(line, '\n');
		assert_non_null(line_end);
		assert_memory_equal(line_end + 1 - strlen(end), end, strlen(end));
	}
	assert_int_equal(result->connected, size);
	assert_int_equal(result->finalized, size);
	virtual_result_free(result);
}

static void mpich_on_one_node(void **state)
{
	(void)state;
	check_hello(hello_mpich, 1, 4, 2);
}

static void mpich_on_three_nodes(void **state)
{
	(void)state;
	check_hello(hello_mpich, 3, 2, 1);
}

static void openmpi_on_one_node(void **state)
{
	(void)state;
	check_hello(hello_openmpi, 1, 4, 2);
}

static void openmpi_on_two_nodes(void **state)
{
	(void)state;
	check_hello(hello_openmpi, 2, 2, 2);
}

static void openmpi_on_three_nodes(void **state)
{
	(void)state;
	check_hello(hello_openmpi, 3, 3, 1);
}

static void check_abort(const char *program)
{
	if (program[0] == '\0')
		skip();
	const char *const argv[] = {program, "--abort", "7@1", NULL};
	const struct virtual_job job = {
		.nodes = 2, .ranks_per_node = 2, .fanout = 2, .argv = argv};
	struct virtual_result *result = run(&job);
	assert_false(result->timed_out);
	assert_true(result->abort_count > 0);
	assert_int_equal(result->abort_rank, 1);
	assert_int_equal(result->abort_status, 7);
	virtual_result_free(result);
}

static void mpich_aborts(void **state)
{
	(void)state;
	check_abort(hello_mpich);
}

static void openmpi_aborts(void **state)
{
	(void)state;
	check_abort(hello_openmpi);
}

/* --- PMIx clients -------------------------------------------------------------- */

static void pmix_on(uint32_t nodes, uint32_t ranks_per_node, const char *name)
{
	if (!clients_have_pmix()) {
		print_message("no libpmix: skipped\n");
		skip();
	}
	struct virtual_result *result = run_client(nodes, ranks_per_node, name);
	assert_good(result);
	assert_int_equal(result->connected, nodes * ranks_per_node);
	assert_int_equal(result->finalized, nodes * ranks_per_node);
	virtual_result_free(result);
}

static void pmix_fence_collects(void **state)
{
	(void)state;
	pmix_on(3, 2, "pmix-collect");
}

static void pmix_direct_modex(void **state)
{
	(void)state;
	pmix_on(5, 2, "pmix-modex");
}

static void pmix_subsets(void **state)
{
	(void)state;
	pmix_on(6, 2, "pmix-subset");
}

static void pmix_connects(void **state)
{
	(void)state;
	pmix_on(2, 2, "pmix-connect");
}

static void pmix_refuses_spawn(void **state)
{
	(void)state;
	pmix_on(1, 1, "pmix-spawn");
}

static void pmix_logs(void **state)
{
	(void)state;
	if (!clients_have_pmix())
		skip();
	struct virtual_result *result = run_client(2, 1, "pmix-log");
	assert_good(result);
	assert_non_null(strstr(result->log, "1: a word from rank 1"));
	virtual_result_free(result);
}

static void pmix_aborts(void **state)
{
	(void)state;
	if (!clients_have_pmix())
		skip();
	struct virtual_result *result = run_client(2, 2, "pmix-abort");
	assert_false(result->timed_out);
	assert_int_equal(result->abort_rank, 2);
	assert_int_equal(result->abort_status, 9);
	assert_string_equal(result->abort_text, "no more");
	virtual_result_free(result);
}

/* The usual case: ranks in a user namespace in which the daemon is not. */
static void pmix_in_a_user_namespace(void **state)
{
	(void)state;
	if (!clients_have_pmix())
		skip();
	const char *const argv[] = {self, "client", "pmix-collect", NULL};
	const struct virtual_job job = {
		.nodes = 2, .ranks_per_node = 2, .fanout = 2, .rank_uid = 4242, .argv = argv};
	struct virtual_result *result = run(&job);
	assert_good(result);
	assert_int_equal(result->finalized, 4);
	virtual_result_free(result);
}

static void bound_ranks_have_a_locality(void **state)
{
	(void)state;
	if (!clients_have_pmix())
		skip();
	const char *const argv[] = {self, "client", "pmix-cpus", NULL};
	const struct virtual_job job = {
		.nodes = 2, .ranks_per_node = 2, .fanout = 2, .with_cpus = true, .argv = argv};
	struct virtual_result *result = run(&job);
	assert_good(result);
	virtual_result_free(result);
}

/* The root of the tree has no ranks: it only forwards. */
static void an_empty_node_forwards(void **state)
{
	(void)state;
	const char *const names[] = {"pmi1-fence", "pmix-collect"};
	for (size_t i = 0; i < 1 + (size_t)clients_have_pmix(); i++) {
		const char *const argv[] = {self, "client", names[i], NULL};
		const struct virtual_job job = {.nodes = 4, .ranks_per_node = 2, .fanout = 2,
						.first_node_is_empty = true, .argv = argv};
		struct virtual_result *result = run(&job);
		assert_good(result);
		assert_int_equal(result->finalized, 6);
		virtual_result_free(result);
	}
}

/* --- raw PMI-1 ------------------------------------------------------------------ */

static void pmi1_puts_and_gets(void **state)
{
	(void)state;
	struct virtual_result *result = run_client(5, 3, "pmi1-exchange");
	assert_good(result);
	assert_int_equal(result->connected, 15);
	assert_int_equal(result->fenced, 15);
	assert_int_equal(result->finalized, 15);
	virtual_result_free(result);
}

static void pmi1_garbage_ends_the_job(void **state)
{
	(void)state;
	struct virtual_result *result = run_client(2, 2, "pmi1-garbage");
	assert_false(result->timed_out);
	assert_int_equal(result->abort_rank, 3);
	assert_non_null(strstr(result->abort_text, "no request of PMI-1"));
	virtual_result_free(result);
}

static void pmi1_survives_early_close(void **state)
{
	(void)state;
	struct virtual_result *result = run_client(2, 2, "pmi1-close");
	assert_good(result);
	assert_int_equal(result->finalized, 0);
	virtual_result_free(result);
}

/* Rank 1 is killed while the others wait for it: the reaper ends the job. */
static void pmi1_death_in_a_fence(void **state)
{
	(void)state;
	struct virtual_result *result = run_client(2, 2, "pmi1-death");
	assert_false(result->timed_out);
	assert_false(result->failed);
	assert_int_equal(result->status, 137);
	virtual_result_free(result);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "client") == 0)
		return client_main(argv[2]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pmi1_puts_and_gets),
		cmocka_unit_test(pmi1_garbage_ends_the_job),
		cmocka_unit_test(pmi1_survives_early_close),
		cmocka_unit_test(pmi1_death_in_a_fence),
		cmocka_unit_test(pmix_fence_collects),
		cmocka_unit_test(pmix_direct_modex),
		cmocka_unit_test(pmix_subsets),
		cmocka_unit_test(pmix_connects),
		cmocka_unit_test(pmix_refuses_spawn),
		cmocka_unit_test(pmix_logs),
		cmocka_unit_test(pmix_aborts),
		cmocka_unit_test(pmix_in_a_user_namespace),
		cmocka_unit_test(bound_ranks_have_a_locality),
		cmocka_unit_test(an_empty_node_forwards),
		cmocka_unit_test(mpich_on_one_node),
		cmocka_unit_test(mpich_on_three_nodes),
		cmocka_unit_test(mpich_aborts),
		cmocka_unit_test(openmpi_on_one_node),
		cmocka_unit_test(openmpi_on_two_nodes),
		cmocka_unit_test(openmpi_on_three_nodes),
		cmocka_unit_test(openmpi_aborts),
	};
	cmocka_set_test_filter(getenv("CMOCKA_TEST_FILTER"));
	return cmocka_run_group_tests(tests, setup, teardown);
}
