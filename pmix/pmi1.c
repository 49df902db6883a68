/*
 * pmi1.c - the PMI-1 server engine (pmi1.h).  Pure.
 *
 * A line is found in the client's bytes, its command in a table, its words by
 * name.  A word ends at a space, but `value=`, which clients write last, goes to the end
 * of the line: newer clients escape spaces with '\', older ones do not, and
 * both get back what was put.  For the same reason replies put `value=` last.
 *
 * What is not offered (spawn, publishing) is answered with rc=-1 and a `msg`
 * without spaces, which clients show.  A client that asks for PMI-2 is told
 * rc=-1 and version 1.1.  Everything else that is not in the table is no
 * PMI-1: the reply's name cannot be known, so the connection is given up.
 */
#include "pmix/pmi1.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>


enum { NAME_MAX_OFFERED = 256 };

struct word {
	const char *text;  /* NULL: not there */
	size_t len;
};

/* The value of `name=` in the line. */
static struct word find_word(const char *line, const char *name)
{
	size_t name_len = strlen(name);
	for (const char *at = line; *at != '\0';) {
		at += strspn(at, " ");
		size_t len = strcspn(at, " ");
		bool rest = strncmp(at, "value=", 6) == 0;
		if (rest)
			len = strlen(at);
		if (len > name_len && at[name_len] == '=' && memcmp(at, name, name_len) == 0)
			return (struct word){at + name_len + 1, len - name_len - 1};
		if (rest)
			break;
		at += len;
	}
	return (struct word){0};
}

static bool word_is(struct word word, const char *text)
{
	return word.text != NULL && strlen(text) == word.len &&
	       memcmp(word.text, text, word.len) == 0;
}

/* Into a fixed array; -1 when there is none or it is too long. */
static int word_copy(struct word word, char *text, size_t size)
{
	if (word.text == NULL || word.len >= size)
		return -1;
	memcpy(text, word.text, word.len);
	text[word.len] = '\0';
	return 0;
}

static int word_number(struct word word, int missing)
{
	char digits[16], *end;
	if (word_copy(word, digits, sizeof digits) < 0)
		return missing;
	long number = strtol(digits, &end, 10);
	return *end != '\0' || end == digits || number < INT_MIN || number > INT_MAX
		       ? missing
		       : (int)number;
}

struct request {
	struct pmi1_client *client;
	struct pmi1_space *space;
	const char *line;
	struct buf *out;
	struct pmi1_event *event;
};

static void on_init(const struct request *request)
{
	int version = word_number(find_word(request->line, "pmi_version"), 1);
	buf_printf(request->out, "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=%d\n",
		   version == 1 ? 0 : -1);
	if (version != 1 || request->client->initialized)
		return;
	request->client->initialized = true;
	request->event->type = PMI1_EVENT_INIT;
}

static void on_get_maxes(const struct request *request)
{
	buf_printf(request->out, "cmd=maxes rc=0 kvsname_max=%d keylen_max=%d vallen_max=%d\n",
		   NAME_MAX_OFFERED, KVS_KEY_MAX + 1, KVS_VALUE_MAX + 1);
}

static void on_get_appnum(const struct request *request)
{
	buf_printf(request->out, "cmd=appnum rc=0 appnum=0\n");
}

static void on_get_universe_size(const struct request *request)
{
	buf_printf(request->out, "cmd=universe_size rc=0 size=%u\n", request->space->rank_count);
}

static void on_get_my_kvsname(const struct request *request)
{
	buf_printf(request->out, "cmd=my_kvsname rc=0 kvsname=%s\n", request->space->name);
}

/* A client may leave the name out (version 1.2), but not name another space. */
static bool is_our_space(const struct request *request)
{
	struct word name = find_word(request->line, "kvsname");
	return name.text == NULL || word_is(name, request->space->name);
}

static const char *put(const struct request *request)
{
	char key[KVS_KEY_MAX + 1], value[KVS_VALUE_MAX + 1];
	struct word text = find_word(request->line, "value");
	struct err why = ERR_NONE;
	if (!is_our_space(request))
		return "no_such_kvsname";
	if (word_copy(find_word(request->line, "key"), key, sizeof key) < 0 || key[0] == '\0')
		return "key_missing_or_too_long";
	if (word_copy(text, value, sizeof value) < 0)
		return "value_missing_or_too_long";
	return kvs_put(request->space->kvs, key, value, &why) < 0 ? "key_value_space_is_full" : NULL;
}

static void on_put(const struct request *request)
{
	const char *problem = put(request);
	if (problem == NULL)
		buf_printf(request->out, "cmd=put_result rc=0\n");
	else
		buf_printf(request->out, "cmd=put_result rc=-1 msg=%s\n", problem);
}

static void on_get(const struct request *request)
{
	char key[KVS_KEY_MAX + 1];
	const char *value = NULL;
	if (is_our_space(request) &&
	    word_copy(find_word(request->line, "key"), key, sizeof key) == 0)
		value = kvs_get(request->space->kvs, key);
	if (value != NULL)
		buf_printf(request->out, "cmd=get_result rc=0 value=%s\n", value);
	else
		buf_printf(request->out, "cmd=get_result rc=-1 msg=no_such_key value=unknown\n");
}

static void on_barrier_in(const struct request *request)
{
	request->client->in_barrier = true;
	request->space->in_barrier++;
	request->event->type = PMI1_EVENT_BARRIER;
}

static void on_finalize(const struct request *request)
{
	request->client->finalized = true;
	request->event->type = PMI1_EVENT_FINALIZE;
	buf_printf(request->out, "cmd=finalize_ack rc=0\n");
}

/* Foreign text goes to a terminal: printable characters only. */
static void on_abort(const struct request *request)
{
	struct pmi1_event *event = request->event;
	struct word text = find_word(request->line, "message");
	if (text.text == NULL)
		text = find_word(request->line, "error_msg");
	event->type = PMI1_EVENT_ABORT;
	event->status = word_number(find_word(request->line, "exitcode"), 1);
	for (size_t i = 0; i < text.len && i < sizeof event->text - 1; i++)
		event->text[i] = isprint((unsigned char)text.text[i]) ? text.text[i] : '?';
}

static void on_publish_name(const struct request *request)
{
	buf_printf(request->out, "cmd=publish_result rc=-1 msg=not_offered_by_cmpirun\n");
}

static void on_unpublish_name(const struct request *request)
{
	buf_printf(request->out, "cmd=unpublish_result rc=-1 msg=not_offered_by_cmpirun\n");
}

static void on_lookup_name(const struct request *request)
{
	buf_printf(request->out, "cmd=lookup_result rc=-1 msg=not_offered_by_cmpirun\n");
}

static const struct command {
	const char *name;
	void (*handle)(const struct request *request);
	bool in_barrier;  /* may come while the client waits for a barrier's end */
} commands[] = {
	{"init", on_init, false},
	{"get_maxes", on_get_maxes, false},
	{"get_appnum", on_get_appnum, false},
	{"get_universe_size", on_get_universe_size, false},
	{"get_my_kvsname", on_get_my_kvsname, false},
	{"put", on_put, false},
	{"get", on_get, false},
	{"barrier_in", on_barrier_in, false},
	{"finalize", on_finalize, false},
	{"abort", on_abort, true},
	{"publish_name", on_publish_name, false},
	{"unpublish_name", on_unpublish_name, false},
	{"lookup_name", on_lookup_name, false},
};

static int handle_command(const struct request *request, struct err *err)
{
	struct word name = find_word(request->line, "cmd");
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (!word_is(name, commands[i].name))
			continue;
		if (request->client->in_barrier && !commands[i].in_barrier)
			return err_set(err, EPROTO, "'%s' before the barrier's end is no PMI-1",
				       commands[i].name);
		commands[i].handle(request);
		return 1;
	}
	char shown[64];
	size_t len = strnlen(request->line, sizeof shown - 1);
	for (size_t i = 0; i < len; i++)
		shown[i] = isprint((unsigned char)request->line[i]) ? request->line[i] : '?';
	shown[len] = '\0';
	return err_set(err, EPROTO, "'%s' is no request of PMI-1", shown);
}

/* A spawn request is lines up to endcmd, once for each program of a group. */
static void handle_spawn_line(const struct request *request)
{
	struct pmi1_client *client = request->client;
	struct word total = find_word(request->line, "totspawns");
	struct word seen = find_word(request->line, "spawnssofar");
	if (total.text == request->line + strlen("totspawns="))
		client->spawn_total = (uint32_t)word_number(total, 1);
	if (seen.text == request->line + strlen("spawnssofar="))
		client->spawn_seen = (uint32_t)word_number(seen, 1);
	if (strcmp(request->line, "endcmd") != 0)
		return;
	client->in_spawn = false;
	if (client->spawn_seen >= client->spawn_total)
		buf_printf(request->out, "cmd=spawn_result rc=-1 msg=not_offered_by_cmpirun\n");
}

static int handle_line(const struct request *request, struct err *err)
{
	struct pmi1_client *client = request->client;
	if (client->in_spawn) {
		handle_spawn_line(request);
		return 1;
	}
	if (strcmp(request->line, "mcmd=spawn") != 0)
		return handle_command(request, err);
	client->in_spawn = true;
	client->spawn_total = client->spawn_seen = 1;
	return 1;
}

int pmi1_feed(struct pmi1_client *client, const char *bytes, size_t len, struct err *err)
{
	buf_add(&client->in, bytes, len);
	if (client->in.failed)
		return err_errno(err, ENOMEM, "PMI-1");
	return 0;
}

int pmi1_step(struct pmi1_client *client, struct pmi1_space *space, struct buf *out,
	      struct pmi1_event *event, struct err *err)
{
	*event = (struct pmi1_event){.type = PMI1_EVENT_NONE};
	if (client->in.len == 0)
		return 0;
	const char *end = memchr(client->in.data, '\n', client->in.len);
	size_t len = end ? (size_t)(end - client->in.data) : client->in.len;
	if (len > PMI1_LINE_MAX)
		return err_set(err, EPROTO, "a line of more than %d bytes is no PMI-1",
			       PMI1_LINE_MAX);
	if (end == NULL)
		return 0;
	char line[PMI1_LINE_MAX + 1];
	memcpy(line, client->in.data, len);
	line[len] = '\0';
	buf_consume(&client->in, len + 1);
	if (client->in.len == 0)
		buf_free(&client->in);
	if (strlen(line) != len)
		return err_set(err, EPROTO, "a line with a NUL byte is no PMI-1");
	struct request request = {client, space, line, out, event};
	return handle_line(&request, err);
}

static void leave_barrier(struct pmi1_client *client, struct pmi1_space *space)
{
	if (client->in_barrier)
		space->in_barrier--;
	client->in_barrier = false;
}

void pmi1_barrier_done(struct pmi1_client *client, struct pmi1_space *space, bool failed,
		       struct buf *out)
{
	leave_barrier(client, space);
	buf_printf(out, "cmd=barrier_out rc=%d\n", failed ? -1 : 0);
}

void pmi1_client_free(struct pmi1_client *client, struct pmi1_space *space)
{
	leave_barrier(client, space);
	buf_free(&client->in);
	*client = (struct pmi1_client){0};
}
