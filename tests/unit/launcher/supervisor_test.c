/*
 * supervisor_test.c - cmpirun beside real child processes: this program again, as a launcher whose
 * daemon speaks over the real connection.
 *
 *	supervisor_test WORD...		as the launcher: words of a small language, done in order
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "launcher/supervisor.h"
#include "launcher/tree.h"

/* ---- the launcher and its daemon ---- */

struct daemon_end {
	struct loop *loop;
	struct tree *tree;
	bool waits_for_signal;
};

static void send_word(struct daemon_end *end, uint16_t type, uint32_t word)
{
	AUTO_BUF struct buf payload = {0};
	buf_add_u32(&payload, word);
	tree_send(end->tree, SUPERVISOR_SELF, type, payload.data, payload.len, NULL);
}

static void on_ready(void *context)
{
	struct daemon_end *end = context;
	if (!end->waits_for_signal)
		loop_stop(end->loop, 0);
	else
		kill(getppid(), SIGINT);
}

static void on_frame(void *context, const struct frame *frame)
{
	struct daemon_end *end = context;
	struct cursor in = cursor_of(frame->payload, frame->len);
	if (frame->type == SUPERVISOR_FRAME_INTERRUPT && cursor_u32(&in) == SIGINT)
		loop_stop(end->loop, 0);
}

static void on_lost(void *context, uint32_t node, const struct err *why)
{
	struct daemon_end *end = context;
	(void)node;
	(void)why;
	loop_stop(end->loop, 1);
}

static const struct tree_ops ops = {.ready = on_ready, .frame = on_frame, .lost = on_lost};

static void end_connect(struct daemon_end *end)
{
	struct err err;
	AUTO_PLAN struct plan plan = {0};
	struct card cards[SUPERVISOR_NODES] = {0};
	if (plan_import(&plan, &err) < 0 || loop_new(&end->loop, &err) < 0 ||
	    tree_new(end->loop, &ops, end, NULL, &end->tree, &err) < 0)
		_exit(99);
	cards[SUPERVISOR_SELF] = plan.supervisor;
	if (tree_start(end->tree, SUPERVISOR_DAEMON, SUPERVISOR_NODES, cards, plan.supervisor_key,
		       &err) < 0 || loop_run(end->loop, &err) < 0)
		_exit(98);
}

static int launcher_main(char **words)
{
	struct daemon_end end = {0};
	signal(SIGTERM, SIG_DFL);
	for (; *words != NULL; words++) {
		const char *word = *words, *value = strchr(word, '=') ? strchr(word, '=') + 1 : "";
		AUTO_BUF struct buf text = {0};
		end.waits_for_signal = strcmp(word, "interrupt") == 0;
		if (strcmp(word, "connect") == 0 || end.waits_for_signal)
			end_connect(&end);
		else if (strncmp(word, "say=", 4) == 0)
			buf_add_str(&text, value);
		else if (strncmp(word, "status=", 7) == 0)
			send_word(&end, SUPERVISOR_FRAME_STATUS, (uint32_t)atoi(value));
		else if (strcmp(word, "stubborn") == 0)
			signal(SIGTERM, SIG_IGN);
		else if (strncmp(word, "sleep=", 6) == 0)
			sleep((unsigned)atoi(value));
		else if (strncmp(word, "kill=", 5) == 0)
			kill(getpid(), atoi(value));
		else if (strncmp(word, "exit=", 5) == 0)
			_exit(atoi(value));
		if (text.len > 0)
			tree_send(end.tree, SUPERVISOR_SELF, SUPERVISOR_FRAME_SAY, text.data, text.len,
				  NULL);
	}
	return 0;
}

/* ---- cmpirun's end ---- */

static int make_plan(struct plan *plan)
{
	plan->job = strdup("job");
	plan->image = strdup("/image");
	plan->work_dir = strdup("/");
	plan->argv = calloc(2, sizeof *plan->argv);
	plan->environment = calloc(1, sizeof *plan->environment);
	plan->node_ranks = calloc(1, sizeof *plan->node_ranks);
	plan->argv[0] = strdup("true");
	plan->node_ranks[0] = plan->ranks = 1;
	return hostlist_add_name(&plan->nodes, "first", 5, NULL);
}

/* The status of cmpirun whose launcher does this; what it printed is in said[]. */
static char said[4096];

static int status_of(char *const *words)
{
	char self[4096], *argv[16] = {self};
	AUTO_PLAN struct plan plan = {0};
	struct supervisor *supervisor = NULL;
	struct err err = ERR_NONE;
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
	assert_true(len > 0);
	self[len] = '\0';
	for (size_t i = 0; words[i] != NULL; i++)
		argv[i + 1] = words[i];
	assert_int_equal(make_plan(&plan), 0);
	assert_int_equal(supervisor_new(&plan, &supervisor, &err), 0);
	assert_int_equal(plan_export(&plan, &err), 0);
	FILE *errors = tmpfile();
	int saved = dup(2);
	dup2(fileno(errors), 2);
	int status = supervisor_run(supervisor, argv, &err);
	dup2(saved, 2);
	close(saved);
	rewind(errors);
	said[fread(said, 1, sizeof said - 1, errors)] = '\0';
	fclose(errors);
	supervisor_free(&supervisor);
	return status;
}

#define STATUS_OF(...) status_of((char *const[]){__VA_ARGS__, NULL})

static void without_a_daemon_the_launcher_tells(void **state)
{
	(void)state;
	assert_int_equal(STATUS_OF("exit=0"), 0);
	assert_int_equal(STATUS_OF("exit=5"), 5);
	assert_int_equal(STATUS_OF("kill=9"), 137);
	assert_string_equal(said, "");
}

static void the_daemons_word_counts(void **state)
{
	(void)state;
	assert_int_equal(STATUS_OF("connect", "status=3", "exit=255"), 3);
	assert_int_equal(STATUS_OF("connect", "say=node x was lost", "status=122", "exit=0"), 122);
	assert_non_null(strstr(said, "node x was lost"));
	assert_int_equal(STATUS_OF("connect", "status=0", "exit=0"), 0);
}

static void a_daemon_that_vanishes_is_a_lost_node(void **state)
{
	(void)state;
	assert_int_equal(STATUS_OF("connect", "exit=0"), 122);
	assert_non_null(strstr(said, "node first was lost"));
}

static void an_interrupt_reaches_the_daemon(void **state)
{
	(void)state;
	assert_int_equal(STATUS_OF("interrupt", "status=130", "exit=0"), 130);
}

static void a_launcher_without_a_daemon_gets_the_signal(void **state)
{
	(void)state;
	/* Its process is alone: nobody else tells it. */
	pid_t pid = getpid(), killer = fork();
	if (killer == 0) {
		usleep(200000);
		kill(pid, SIGTERM);
		_exit(0);
	}
	assert_int_equal(STATUS_OF("sleep=60"), 143);
}

static void a_launcher_that_stays_is_ended(void **state)
{
	(void)state;
	uint64_t start = clock_now_ns();
	assert_int_equal(STATUS_OF("connect", "status=7", "stubborn", "sleep=60"), 7);
	assert_true(clock_now_ns() - start < 30 * NS_PER_S);
}

static void no_launcher(void **state)
{
	struct err err = ERR_NONE;
	AUTO_PLAN struct plan plan = {0};
	struct supervisor *supervisor = NULL;
	(void)state;
	assert_int_equal(make_plan(&plan), 0);
	assert_int_equal(supervisor_new(&plan, &supervisor, &err), 0);
	assert_int_equal(supervisor_run(supervisor, (char *const[]){"/nowhere/mpiexec", NULL}, &err), 122);
	supervisor_free(&supervisor);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_daemon_the_launcher_tells),
		cmocka_unit_test(the_daemons_word_counts),
		cmocka_unit_test(a_daemon_that_vanishes_is_a_lost_node),
		cmocka_unit_test(an_interrupt_reaches_the_daemon),
		cmocka_unit_test(a_launcher_without_a_daemon_gets_the_signal),
		cmocka_unit_test(a_launcher_that_stays_is_ended),
		cmocka_unit_test(no_launcher),
	};
	if (argc > 1)
		return launcher_main(argv + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
