/*
 * daemon_report.c - node 0's connection to a cmpirun that stayed (supervisor.h).
 *
 * What the job has to say goes there as soon as it is open, else to our own stderr, as ever: a
 * launcher may lose the one, a firewall forbid the other.  When cmpirun is gone, so is the one
 * for whom the job runs: it is ended.
 */
#include "launcher/daemon_impl.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "launcher/linker_words.h"
#include "launcher/supervisor.h"

#define CONNECT_NS (30 * NS_PER_S)
#define OPENING_NS (500 * NS_PER_MS)  /* for a job that is over before the connection is there */
#define FAREWELL_NS (2 * NS_PER_S)  /* after that nobody hears the status */

static void report_send(struct daemon *daemon, enum supervisor_frame type, const struct buf *payload)
{
	tree_send(daemon->report, SUPERVISOR_SELF, (uint16_t)type, payload->data, payload->len, NULL);
}

static void send_status(struct daemon *daemon)
{
	AUTO_BUF struct buf payload = {0};
	buf_add_u32(&payload, (uint32_t)daemon->final_status);
	report_send(daemon, SUPERVISOR_FRAME_STATUS, &payload);
}

static void on_ready(void *context)
{
	struct daemon *daemon = context;
	daemon->report_is_open = true;
	if (daemon->final_status >= 0)
		send_status(daemon);
	else
		loop_remove_timer(daemon->loop, &daemon->report_timer);
}

static void on_frame(void *context, const struct frame *frame)
{
	struct daemon *daemon = context;
	struct cursor in = cursor_of(frame->payload, frame->len);
	int signo = (int)(cursor_u32(&in) & 0x7f);
	if (frame->type == SUPERVISOR_FRAME_INTERRUPT && !in.bad)
		daemon_interrupt(daemon, signo, &daemon->told_interrupts);
}

static void on_lost(void *context, uint32_t node, const struct err *why)
{
	struct daemon *daemon = context;
	(void)node;
	daemon->report_is_open = false;
	if (daemon->final_status >= 0) {
		loop_stop(daemon->loop, daemon->final_status);
		return;
	}
	daemon_fail(daemon, EXITCODE_NODE, "cmpirun has ended (%s): the job ends, too", why->text);
}

static void on_last_lost(void *context)
{
	struct daemon *daemon = context;
	daemon->report_timer = 0;
	loop_stop(daemon->loop, daemon->final_status);
}

/* There is no way to cmpirun: no use in trying on. */
static void on_no_connection(void *context)
{
	struct daemon *daemon = context;
	daemon->report_timer = 0;
	log_debug("cmpirun cannot be reached from node 0");
	tree_free(&daemon->report);
}

static const struct tree_ops report_ops = {.ready = on_ready, .frame = on_frame, .lost = on_lost};

int daemon_start_report(struct daemon *daemon, struct err *err)
{
	const struct plan *plan = &daemon->plan;
	const struct card cards[SUPERVISOR_NODES] = {[SUPERVISOR_SELF] = plan->supervisor,
						     [SUPERVISOR_DAEMON] = daemon->card};
	if (plan->supervisor.port == 0)
		return 0;
	int rc = tree_new(daemon->loop, &report_ops, daemon, NULL, &daemon->report, err);
	if (rc == 0)
		rc = tree_start(daemon->report, SUPERVISOR_DAEMON, SUPERVISOR_NODES, cards,
				plan->supervisor_key, err);
	if (rc == 0)
		rc = loop_add_timer(daemon->loop, CONNECT_NS, on_no_connection, daemon,
				    &daemon->report_timer, err);
	return rc;
}

static void say_line(struct daemon *daemon, const char *text)
{
	AUTO_BUF struct buf payload = {0};
	if (!daemon->report_is_open) {
		log_error("%s", text);
		return;
	}
	buf_add_str(&payload, text);
	report_send(daemon, SUPERVISOR_FRAME_SAY, &payload);
}

void daemon_say(struct daemon *daemon, const char *text)
{
	char line[ERR_TEXT_MAX];
	for (const char *at = text; *at != '\0';) {
		size_t len = strcspn(at, "\n");
		snprintf(line, sizeof line, "%.*s", (int)len, at);
		say_line(daemon, line);
		at += len + (at[len] == '\n');
	}
}

void daemon_add_linker_words(struct daemon *daemon, uint32_t rank, int exit_code, char *text, size_t size)
{
	enum { EXIT_OF_LINKER = 127 };
	AUTO_BUF struct buf words = {0}, line = {0};
	size_t len = strlen(text);
	output_last_words(daemon->output, rank, &words);
	if (linker_words_explain(&daemon->plan, words.data, words.len, &line) && !line.failed)
		snprintf(text + len, size - len, "%s%.*s", len ? "\n" : "", (int)line.len, line.data);
	else if (len == 0 && exit_code == EXIT_OF_LINKER && daemon->plan.mpi_level != ABI_LEVEL_OWN)
		snprintf(text, size, "if the dynamic linker has ended it: cmpi abi explain --line 'WHAT IT SAID' %s tells "
			 "what --mpi has to do with that", daemon->plan.image);
}

void daemon_stop(struct daemon *daemon, int status)
{
	if (daemon->report == NULL) {
		loop_stop(daemon->loop, status);
		return;
	}
	/* The end of the connection says that the status has been read; were we to go now, what is on its way
	 * to us would reset the connection and could take the status with it (tcp(7)). */
	daemon->final_status = status;
	loop_remove_timer(daemon->loop, &daemon->report_timer);
	if (daemon->report_is_open)
		send_status(daemon);
	if (loop_add_timer(daemon->loop, daemon->report_is_open ? FAREWELL_NS : OPENING_NS, on_last_lost,
			   daemon, &daemon->report_timer, NULL) < 0)
		loop_stop(daemon->loop, status);
}
