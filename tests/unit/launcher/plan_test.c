/*
 * plan_test.c - ranks placed, plans packed, and carried by the environment.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "launcher/hosts.h"
#include "launcher/plan.h"

/* -- placing ------------------------------------------------------------ */

struct placing {
	enum hosts_source source;
	const char *hosts;  /* as of --host: "a:2,b" */
	struct options options;
	const char *expected;  /* "a=2 b=1", "!" behind it: oversubscribed; or the error's text */
};

static const char *placed(const struct placing *placing)
{
	static char text[ERR_TEXT_MAX];
	AUTO_HOSTS struct hosts hosts = {0};
	AUTO_PLAN struct plan plan = {0};
	struct err err;
	bool oversubscribed = false;
	uint32_t sum = 0;
	assert_int_equal(hosts_parse_list(placing->hosts, &hosts, NULL), 0);
	hosts.source = placing->source;
	if (placing->source == HOSTS_LOCAL)
		hosts.slots_are_known = false;
	if (plan_place_ranks(&plan, &placing->options, &hosts, &oversubscribed, &err) < 0)
		return strcpy(text, err.text);
	text[0] = '\0';
	for (uint32_t i = 0; i < plan.nodes.count; i++) {
		assert_int_equal(plan_first_rank(&plan, i), sum);
		sprintf(text + strlen(text), "%s%s=%u", i ? " " : "", plan.nodes.names[i],
			plan.node_ranks[i]);
		sum += plan.node_ranks[i];
	}
	assert_int_equal(plan.ranks, sum);
	return strcat(text, oversubscribed ? "!" : "");
}

static void ranks_are_placed(void **state)
{
	static const struct placing cases[] = {
		/* every slot of an allocation, but one rank on this node alone */
		{HOSTS_SLURM, "a:2,b:3", {0}, "a=2 b=3"},
		{HOSTS_OPTION, "a,b", {0}, "a=1 b=1"},
		{HOSTS_LOCAL, "a:8", {0}, "a=1"},
		/* blocks, in the order of the nodes; nodes without ranks are left out */
		{HOSTS_SLURM, "a:2,b:3,c:4", {.ranks = 4}, "a=2 b=2"},
		{HOSTS_SLURM, "a:2,b:3,c:4", {.ranks = 9}, "a=2 b=3 c=4"},
		{HOSTS_SLURM, "a:2,b:3", {.ranks = 1}, "a=1"},
		/* at most per_node a node */
		{HOSTS_SLURM, "a:8,b:8", {.per_node = 2}, "a=2 b=2"},
		{HOSTS_SLURM, "a:8,b:8", {.per_node = 2, .ranks = 3}, "a=2 b=1"},
		{HOSTS_OPTION, "a,b", {.per_node = 4}, "a=4 b=4"},
		{HOSTS_OPTION, "a,b,c", {.per_node = 4, .ranks = 5}, "a=4 b=1"},
		{HOSTS_LOCAL, "a:8", {.per_node = 4}, "a=4"},
		/* this node may hold more than it has cores, with a note */
		{HOSTS_LOCAL, "a:2", {.ranks = 2}, "a=2"},
		{HOSTS_LOCAL, "a:2", {.ranks = 3}, "a=3!"},
		{HOSTS_LOCAL, "a:2", {.per_node = 64}, "a=64!"},
		/* asked for: what does not fit goes round evenly */
		{HOSTS_SLURM, "a:2,b:2", {.ranks = 7, .oversubscribe = true}, "a=4 b=3!"},
		{HOSTS_SLURM, "a:1,b:3", {.ranks = 6, .oversubscribe = true}, "a=2 b=4!"},
		{HOSTS_SLURM, "a:2,b:2", {.per_node = 3, .oversubscribe = true}, "a=3 b=3!"},
		/* refused, with the numbers */
		{HOSTS_SLURM, "a:2,b:2", {.ranks = 5},
		 "5 ranks asked for, but Slurm gives 4 slots on 2 nodes; take fewer, or more nodes, or "
		 "--oversubscribe"},
		{HOSTS_OPTION, "a", {.ranks = 2},
		 "2 ranks asked for, but --host gives 1 slots on 1 node; take fewer, or more nodes, or "
		 "--oversubscribe"},
		{HOSTS_FILE, "a:4,b:4", {.ranks = 5, .per_node = 2},
		 "5 ranks asked for, but --hostfile gives 4 slots on 2 nodes with this --ppn; take "
		 "fewer, or more nodes, or --oversubscribe"},
		{HOSTS_LOCAL, "a:8", {.ranks = 4, .per_node = 2},
		 "4 ranks asked for, but this node gives 2 slots on 1 node with this --ppn; take "
		 "fewer, or more nodes, or --oversubscribe"},
		{HOSTS_LOCAL, "a:8", {.ranks = (1 << 24) + 1}, "more than 16777216 ranks"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(placed(&cases[i]), cases[i].expected);
}

/* -- packing ------------------------------------------------------------ */

static char **strings_of(const char *const *strings, size_t count)
{
	char **copy = calloc(count + 1, sizeof *copy);
	for (size_t i = 0; i < count; i++)
		copy[i] = strdup(strings[i]);
	return copy;
}

/* A plan that uses everything; its environment has one variable of `bytes`. */
static void fill_plan(struct plan *plan, size_t bytes)
{
	char *big = malloc(bytes + 3);
	memset(big, 'x', bytes + 2);
	memcpy(big, "B=", 2);
	big[bytes + 2] = '\0';
	*plan = (struct plan){
		.job = strdup("cmpirun.1000.7"),
		.node_ranks = calloc(3, sizeof(uint32_t)),
		.ranks = 6,
		.image = strdup("/scratch/a.sqsh"),
		.image_size = 1ull << 40,
		.image_mtime_ns = -5,
		.argv = strings_of((const char *[]){"./app", "", "two words"}, 3),
		.environment = strings_of((const char *[]){"A=1", big}, 2),
		.work_dir = strdup("/home/u"),
		.work_dir_required = true,
		.root_hash = strdup("00ff"),
		.work_dir_else = strdup("/image"),
		.mount = MOUNT_CHOICE_FUSE,
		.bind = BIND_CHOICE_NUMA,
		.mpi_level = ABI_LEVEL_FABRIC,
		.timing = TIMING_JSON,
		.level = LOG_LEVEL_DEBUG,
		.label = true,
		.timeout_s = 60,
		.started_ns = 123456789012345,
		.supervisor = {.node = "login", .port = 7, .cores = 2, .address_count = 1},
		.supervisor_key = {1, 2, 3},
	};
	free(big);
	hostlist_add(&plan->nodes, "n[1-3]", NULL);
	memcpy(plan->node_ranks, ((uint32_t[]){3, 2, 1}), 3 * sizeof(uint32_t));
	mount_plan_add_bind(&plan->mounts, "/data", "/mnt/data", MOUNT_READ_ONLY, NULL);
	mount_plan_add_tmpfs(&plan->mounts, "/tmp", 4096, 01777, NULL);
	mount_plan_add_file(&plan->mounts, "/etc/x", "a\0b", 3, 0644, NULL);
	mount_plan_sort(&plan->mounts);
	plan->host_files.items = calloc(1, sizeof *plan->host_files.items);
	plan->host_files.count = 1;
	plan->host_files.items[0] =
		(struct fingerprint){.path = strdup("/lib/libmpi.so"), .size = 9, .id_len = 2, .id = {1, 2}};
}

static void assert_same_strings(char *const *a, char *const *b)
{
	for (; *a != NULL && *b != NULL; a++, b++)
		assert_string_equal(*a, *b);
	assert_ptr_equal(*a, *b);
}

static void assert_same_plan(const struct plan *a, const struct plan *b)
{
	assert_string_equal(a->job, b->job);
	assert_int_equal(a->nodes.count, b->nodes.count);
	for (size_t i = 0; i < a->nodes.count; i++)
		assert_string_equal(a->nodes.names[i], b->nodes.names[i]);
	assert_memory_equal(a->node_ranks, b->node_ranks, a->nodes.count * sizeof(uint32_t));
	assert_int_equal(a->ranks, b->ranks);
	assert_string_equal(a->image, b->image);
	assert_true(a->image_size == b->image_size && a->image_mtime_ns == b->image_mtime_ns);
	assert_same_strings(a->argv, b->argv);
	assert_same_strings(a->environment, b->environment);
	assert_string_equal(a->work_dir, b->work_dir);
	assert_string_equal(a->root_hash, b->root_hash);
	assert_string_equal(a->work_dir_else, b->work_dir_else);
	assert_int_equal(a->work_dir_required, b->work_dir_required);
	assert_int_equal(a->mount, b->mount);
	assert_int_equal(a->bind, b->bind);
	assert_int_equal(a->mpi_level, b->mpi_level);
	assert_int_equal(a->timing, b->timing);
	assert_int_equal(a->level, b->level);
	assert_int_equal(a->label, b->label);
	assert_int_equal(a->interactive, b->interactive);
	assert_int_equal(a->timeout_s, b->timeout_s);
	assert_true(a->started_ns == b->started_ns);
	assert_int_equal(a->supervisor.port, b->supervisor.port);
	assert_string_equal(a->supervisor.node, b->supervisor.node);
	assert_memory_equal(a->supervisor_key, b->supervisor_key, sizeof a->supervisor_key);
	assert_int_equal(b->host_files.count, 1);
	assert_string_equal(b->host_files.items[0].path, "/lib/libmpi.so");
	assert_int_equal(b->host_files.items[0].size, 9);
	assert_memory_equal(b->host_files.items[0].id, "\1\2", 2);
	assert_int_equal(a->mounts.count, b->mounts.count);
	for (size_t i = 0; i < a->mounts.count; i++) {
		assert_int_equal(a->mounts.ops[i].kind, b->mounts.ops[i].kind);
		assert_string_equal(a->mounts.ops[i].target, b->mounts.ops[i].target);
		assert_int_equal(a->mounts.ops[i].content_len, b->mounts.ops[i].content_len);
	}
}

static void what_is_packed_is_parsed(void **state)
{
	AUTO_BUF struct buf packed = {0};
	AUTO_PLAN struct plan plan = {0}, parsed = {0};
	(void)state;
	fill_plan(&plan, 10);
	plan_pack(&plan, &packed);
	assert_int_equal(plan_parse(packed.data, packed.len, &parsed, NULL), 0);
	assert_same_plan(&plan, &parsed);
	assert_int_equal(parsed.mounts.count, 3);
}

static void every_truncation_is_refused(void **state)
{
	AUTO_BUF struct buf packed = {0};
	AUTO_PLAN struct plan plan = {0};
	(void)state;
	fill_plan(&plan, 10);
	plan_pack(&plan, &packed);
	for (size_t len = 0; len < packed.len; len++) {
		struct plan parsed = {0};
		char *exact = malloc(len + 1);  /* so that a sanitizer sees a read behind it */
		memcpy(exact + 1, packed.data, len);
		assert_int_equal(plan_parse(exact + 1, len, &parsed, NULL), -EPROTO);
		assert_null(parsed.job);
		free(exact);
	}
	buf_add_u8(&packed, 0);
	struct plan parsed = {0};
	assert_int_equal(plan_parse(packed.data, packed.len, &parsed, NULL), -EPROTO);
}

/* The first four bytes of each field, made as large as they can be: refused, or taken
 * as a value, but never a crash or a huge allocation. */
static void damage_is_harmless(void **state)
{
	AUTO_BUF struct buf packed = {0};
	AUTO_PLAN struct plan plan = {0};
	(void)state;
	fill_plan(&plan, 10);
	plan_pack(&plan, &packed);
	for (size_t at = 0; at + 4 <= packed.len; at++) {
		struct plan parsed = {0};
		char saved[4];
		memcpy(saved, packed.data + at, 4);
		memset(packed.data + at, 0xff, 4);
		plan_parse(packed.data, packed.len, &parsed, NULL);
		plan_free(&parsed);
		memcpy(packed.data + at, saved, 4);
	}
}

static void another_version_is_named(void **state)
{
	struct plan parsed = {0};
	struct err err;
	(void)state;
	assert_int_equal(plan_parse("\377\0\0\0", 4, &parsed, &err), -EPROTO);
	assert_string_equal(err.text, "the plan is of another version of cmpirun; is the same one "
				      "installed on all nodes?");
}

static void a_plan_without_nodes_or_program_is_refused(void **state)
{
	AUTO_BUF struct buf no_nodes = {0}, no_program = {0};
	AUTO_PLAN struct plan plan = {0};
	struct plan parsed = {0};
	(void)state;
	fill_plan(&plan, 10);
	plan.nodes.count = 0;
	plan_pack(&plan, &no_nodes);
	plan.nodes.count = 3;
	assert_int_equal(plan_parse(no_nodes.data, no_nodes.len, &parsed, NULL), -EPROTO);
	char *program = take_ptr(&plan.argv[0]);
	plan_pack(&plan, &no_program);
	plan.argv[0] = program;
	assert_int_equal(plan_parse(no_program.data, no_program.len, &parsed, NULL), -EPROTO);
}

/* -- through the environment -------------------------------------------- */

static void travels(size_t bytes)
{
	AUTO_PLAN struct plan plan = {0}, imported = {0};
	fill_plan(&plan, bytes);
	assert_int_equal(plan_export(&plan, NULL), 0);
	assert_int_equal(plan_import(&imported, NULL), 0);
	assert_same_plan(&plan, &imported);
	assert_null(getenv("CMPIRUN_PLAN"));
	assert_null(getenv("CMPIRUN_PLAN_1"));
}

static void plans_of_any_size_travel(void **state)
{
	static const size_t sizes[] = {10, 89 * 1024, 90 * 1024, 91 * 1024, 400 * 1024, 1200 * 1024};
	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		travels(sizes[i]);
}

static void large_plans_are_cut_for_execve(void **state)
{
	AUTO_PLAN struct plan plan = {0}, imported = {0};
	(void)state;
	fill_plan(&plan, 400 * 1024);
	assert_int_equal(plan_export(&plan, NULL), 0);
	static const char *const names[] = {"CMPIRUN_PLAN", "CMPIRUN_PLAN_1", "CMPIRUN_PLAN_2",
					    "CMPIRUN_PLAN_3", "CMPIRUN_PLAN_4"};
	for (size_t i = 0; i < 5; i++) {
		assert_non_null(getenv(names[i]));
		assert_true(strlen(getenv(names[i])) + strlen(names[i]) + 2 < 128 * 1024);
	}
	assert_null(getenv("CMPIRUN_PLAN_5"));
	assert_int_equal(plan_import(&imported, NULL), 0);
}

static void a_smaller_plan_takes_a_larger_one_s_place(void **state)
{
	AUTO_PLAN struct plan plan = {0};
	(void)state;
	fill_plan(&plan, 400 * 1024);
	assert_int_equal(plan_export(&plan, NULL), 0);
	travels(10);
	for (int i = 1; i < 5; i++) {
		char name[32];
		snprintf(name, sizeof name, "CMPIRUN_PLAN_%d", i);
		assert_null(getenv(name));
	}
}

static void what_cannot_be_inherited_is_refused(void **state)
{
	AUTO_PLAN struct plan plan = {0};
	struct err err;
	(void)state;
	fill_plan(&plan, 1300 * 1024);
	assert_int_equal(plan_export(&plan, &err), -E2BIG);
	assert_string_equal(err.text, "the plan (environment, arguments, mounts) has 1733 KiB, more "
				      "than a process can inherit; make the environment smaller");
	assert_null(getenv("CMPIRUN_PLAN"));
}

static void import_refuses_nothing_and_nonsense(void **state)
{
	struct plan plan = {0};
	struct err err;
	(void)state;
	assert_int_equal(plan_import(&plan, &err), -ENOENT);
	assert_string_equal(err.text, "no plan: cmpid is started by cmpirun, not by hand");
	static const char *const texts[] = {"!", "AQAAAA==", "AQAAAA", "AgAAAA=="};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		setenv("CMPIRUN_PLAN", texts[i], 1);
		assert_int_equal(plan_import(&plan, &err), -EPROTO);
		assert_null(getenv("CMPIRUN_PLAN"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_are_placed),
		cmocka_unit_test(what_is_packed_is_parsed),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(damage_is_harmless),
		cmocka_unit_test(another_version_is_named),
		cmocka_unit_test(a_plan_without_nodes_or_program_is_refused),
		cmocka_unit_test(plans_of_any_size_travel),
		cmocka_unit_test(large_plans_are_cut_for_execve),
		cmocka_unit_test(a_smaller_plan_takes_a_larger_one_s_place),
		cmocka_unit_test(what_cannot_be_inherited_is_refused),
		cmocka_unit_test(import_refuses_nothing_and_nonsense),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
