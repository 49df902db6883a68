/*
 * pmix_host_test.c - libpmix's server starts in this process, leaves the
 * environment alone, and says what ranks need. (What it serves is tested by
 * pmi_server_test.c.)
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pmix/pmix_host.h"

/* LeakSanitizer's hook: libpmix does not free all that it takes. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libpmix.so\nleak:libevent\nleak:libhwloc\nleak:vasprintf\n";
}

extern char **environ;

static const uint32_t count[] = {3, 2}, first[] = {0, 3};
static const char *const names[] = {"this", "that"};

static void on_request(void *context, const struct pmix_request *request)
{
	(void)context, (void)request;
}

static const char *find(const struct buf *env, const char *name)
{
	for (size_t at = 0; at < env->len; at += strlen(env->data + at) + 1)
		if (strncmp(env->data + at, name, strlen(name)) == 0 &&
		    env->data[at + strlen(name)] == '=')
			return env->data + at + strlen(name) + 1;
	return NULL;
}

static void environment_of(struct buf *text)
{
	for (size_t i = 0; environ[i] != NULL; i++)
		if (strncmp(environ[i], "PMIX_", 5) == 0)
			buf_add(text, environ[i], strlen(environ[i]) + 1);
}

static void starts_and_tells(void **state)
{
	char dir[] = "/tmp/cmpirun-pmix-host.XXXXXX", command[64];
	struct loop *loop;
	struct pmix_host *host = NULL;
	struct err err;
	AUTO_BUF struct buf env = {0}, before = {0}, after = {0};
	(void)state;
	assert_non_null(mkdtemp(dir));
	const struct pmi_job job = {
		.name = "job", .node_count = 2, .rank_count = 5, .node_names = names,
		.node_first_rank = first, .node_rank_count = count, .node = 0, .fanout = 2,
		.uid = geteuid(), .gid = getegid(), .session_dir = dir,
	};
	/* Those of a workload manager's own PMIx server: they would mislead ours. */
	setenv("PMIX_SERVER_TMPDIR", "/nowhere", 1);
	setenv("PMIX_LAUNCHER_RNDZ_URI", "nonsense;tcp4://127.0.0.1:1", 1);
	setenv("PMIX_MCA_psec", "munge", 1);
	environment_of(&before);
	assert_int_equal(loop_new(&loop, NULL), 0);
	int rc = pmix_host_start(loop, &job, NULL, on_request, NULL, &host, &err);
	if (rc == -ENOSYS)
		skip();
	assert_int_equal(rc, 0);
	environment_of(&after);
	assert_int_equal(after.len, before.len);
	assert_int_equal(pmix_host_env(host, &env, NULL), 0);
	assert_string_equal(find(&env, "PMIX_NAMESPACE"), "job");
	assert_string_equal(find(&env, "PMIX_SECURITY_MODE"), "native");
	assert_string_equal(find(&env, "PMIX_HOSTNAME"), "this");
	assert_null(find(&env, "PMIX_RANK"));
	assert_null(find(&env, "PMIX_MCA_psec"));
	for (uint32_t rank = 0; rank < 3; rank++)
		assert_int_equal(pmix_host_add_rank(host, rank, NULL), 0);
	pmix_host_free(&host);
	pmix_host_free(&host);
	loop_free(&loop);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_and_tells),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
