/*
 * init_msg.c - packing and parsing of cmpi-init's messages (init_msg.h).  Pure.
 *
 * Both ends are ours, but what runs between them has been through an exec and a namespace, and a bug there must be an
 * error here: every length is checked, every enumeration compared with its ends, and a message
 * must end where its fields do.
 */
#include "runtime/init_msg.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define JOB_MAGIC 0x626f6a63u  /* "cjob" */
enum { JOB_STRINGS_MAX = 1 << 20, SIGNO_MAX = 64 };

static void spawn_pack(const struct init_spawn *spawn, struct buf *out)
{
	buf_add_u32(out, spawn->rank);
	buf_add_u32(out, spawn->local_rank);
	buf_add_u32(out, (uint32_t)spawn->pmi_fd);
	buf_add_blob(out, spawn->cpus, spawn->cpu_bytes);
	buf_add_u32(out, (uint32_t)spawn->environment_count);
	for (size_t i = 0; i < spawn->environment_count; i++)
		buf_add(out, spawn->environment[i], strlen(spawn->environment[i]) + 1);
}

static void error_pack(int32_t rank, int32_t exit_code, const struct err *err, struct buf *out)
{
	buf_add_u32(out, (uint32_t)rank);
	buf_add_u32(out, (uint32_t)exit_code);
	buf_add_u32(out, (uint32_t)err->number);
	buf_add_str(out, err->text);
}

static void exited_pack(const struct init_exited *exited, struct buf *out)
{
	buf_add_u32(out, exited->rank);
	buf_add_u32(out, (uint32_t)exited->status);
	buf_add_u64(out, exited->max_rss_kb);
	buf_add_u64(out, exited->user_us);
	buf_add_u64(out, exited->system_us);
}

void init_msg_pack(const struct init_msg *msg, struct buf *out)
{
	buf_add_u8(out, (uint8_t)msg->type);
	switch (msg->type) {
	case INIT_MSG_MEMORY:
		buf_add_u64(out, msg->memory.size);
		break;
	case INIT_MSG_ATTACH:
		buf_add_u8(out, (uint8_t)msg->attach.backend);
		buf_add_u8(out, msg->attach.has_arrival);
		buf_add_u8(out, msg->attach.has_profile);
		buf_add_u8(out, msg->attach.is_checked);
		buf_add(out, msg->attach.root_hash, sizeof msg->attach.root_hash);
		break;
	case INIT_MSG_SPAWN:
		spawn_pack(&msg->spawn, out);
		break;
	case INIT_MSG_SIGNAL:
		buf_add_u32(out, (uint32_t)msg->signal.signo);
		break;
	case INIT_MSG_SESSION:
		buf_add_str(out, msg->session.name);
		break;
	case INIT_MSG_ATTACHED:
		buf_add_u64(out, msg->attached.unshare_ns);
		buf_add_u64(out, msg->attached.mount_ns);
		buf_add_u64(out, msg->attached.pivot_ns);
		buf_add_u8(out, (uint8_t)msg->attached.backend);
		break;
	case INIT_MSG_SPAWNED:
		buf_add_u32(out, msg->spawned.rank);
		buf_add_u32(out, (uint32_t)msg->spawned.pid);
		break;
	case INIT_MSG_EXITED:
		exited_pack(&msg->exited, out);
		break;
	case INIT_MSG_SERVER_DIED:
		buf_add_u32(out, (uint32_t)msg->server_died.status);
		break;
	case INIT_MSG_ERROR:
		error_pack(msg->error.rank, msg->error.exit_code, &msg->error.err, out);
		break;
	case INIT_MSG_JOB:
	case INIT_MSG_ENVIRONMENT:
	case INIT_MSG_KILL:
	case INIT_MSG_QUIT:
	case INIT_MSG_IMAGE_FILE:
	case INIT_MSG_GONE:
		break;
	}
}

static enum init_backend backend_parse(struct cursor *cursor)
{
	uint8_t value = cursor_u8(cursor);
	if (value > INIT_BACKEND_KERNEL)
		cursor->bad = true;
	return (enum init_backend)value;
}

static bool flag_parse(struct cursor *cursor)
{
	uint8_t value = cursor_u8(cursor);
	if (value > 1)
		cursor->bad = true;
	return value == 1;
}

/* A string that ends in NUL inside the message. */
static const char *terminated(struct cursor *cursor)
{
	size_t left = cursor_left(cursor);
	const char *end = left > 0 ? memchr(cursor->at, '\0', left) : NULL;
	if (end == NULL) {
		cursor->bad = true;
		return NULL;
	}
	return cursor_take(cursor, (size_t)(end - cursor->at) + 1);
}

static void spawn_parse(struct cursor *cursor, struct init_msg *msg)
{
	struct init_spawn *spawn = &msg->spawn;
	spawn->rank = cursor_u32(cursor);
	spawn->local_rank = cursor_u32(cursor);
	spawn->pmi_fd = (int32_t)cursor_u32(cursor);
	spawn->cpus = (const uint8_t *)cursor_blob(cursor, &spawn->cpu_bytes);
	uint32_t count = cursor_u32(cursor);
	if (spawn->cpu_bytes > INIT_CPU_BYTES_MAX || count > INIT_ENV_MAX)
		cursor->bad = true;
	/* A small number that is free in the child: above all that it could collide with. */
	if (spawn->pmi_fd != INIT_PMI_NONE && (spawn->pmi_fd < 3 || spawn->pmi_fd > 1023))
		cursor->bad = true;
	for (uint32_t i = 0; i < count && !cursor->bad; i++)
		msg->environment_room[i] = terminated(cursor);
	spawn->environment = msg->environment_room;
	spawn->environment_count = count;
}

static void error_parse(struct cursor *cursor, struct init_msg *msg)
{
	msg->error.rank = (int32_t)cursor_u32(cursor);
	msg->error.exit_code = (int32_t)cursor_u32(cursor);
	msg->error.err.number = (int32_t)cursor_u32(cursor);
	cursor_str(cursor, msg->error.err.text, sizeof msg->error.err.text);
	if (msg->error.err.number <= 0 || msg->error.exit_code <= 0 || msg->error.exit_code > 255)
		cursor->bad = true;
}

static void exited_parse(struct cursor *cursor, struct init_exited *exited)
{
	exited->rank = cursor_u32(cursor);
	exited->status = (int32_t)cursor_u32(cursor);
	exited->max_rss_kb = cursor_u64(cursor);
	exited->user_us = cursor_u64(cursor);
	exited->system_us = cursor_u64(cursor);
}

static void hash_parse(struct cursor *cursor, uint8_t hash[INIT_HASH_SIZE])
{
	const char *bytes = cursor_take(cursor, INIT_HASH_SIZE);
	if (bytes != NULL)
		memcpy(hash, bytes, INIT_HASH_SIZE);
}

static void fields_parse(struct cursor *cursor, struct init_msg *msg)
{
	switch (msg->type) {
	case INIT_MSG_MEMORY:
		msg->memory.size = cursor_u64(cursor);
		break;
	case INIT_MSG_ATTACH:
		msg->attach.backend = backend_parse(cursor);
		msg->attach.has_arrival = flag_parse(cursor);
		msg->attach.has_profile = flag_parse(cursor);
		msg->attach.is_checked = flag_parse(cursor);
		hash_parse(cursor, msg->attach.root_hash);
		break;
	case INIT_MSG_SPAWN:
		spawn_parse(cursor, msg);
		break;
	case INIT_MSG_SESSION:
		cursor_str(cursor, msg->session.name, sizeof msg->session.name);
		cursor->bad = cursor->bad || strchr(msg->session.name, '/') != NULL ||
			      msg->session.name[0] == '.' || msg->session.name[0] == '\0';
		break;
	case INIT_MSG_SIGNAL:
		msg->signal.signo = (int32_t)cursor_u32(cursor);
		if (msg->signal.signo <= 0 || msg->signal.signo > SIGNO_MAX)
			cursor->bad = true;
		break;
	case INIT_MSG_ATTACHED:
		msg->attached.unshare_ns = cursor_u64(cursor);
		msg->attached.mount_ns = cursor_u64(cursor);
		msg->attached.pivot_ns = cursor_u64(cursor);
		msg->attached.backend = backend_parse(cursor);
		break;
	case INIT_MSG_SPAWNED:
		msg->spawned.rank = cursor_u32(cursor);
		msg->spawned.pid = (int32_t)cursor_u32(cursor);
		break;
	case INIT_MSG_EXITED:
		exited_parse(cursor, &msg->exited);
		break;
	case INIT_MSG_SERVER_DIED:
		msg->server_died.status = (int32_t)cursor_u32(cursor);
		break;
	case INIT_MSG_ERROR:
		error_parse(cursor, msg);
		break;
	case INIT_MSG_JOB:
	case INIT_MSG_ENVIRONMENT:
	case INIT_MSG_KILL:
	case INIT_MSG_QUIT:
	case INIT_MSG_IMAGE_FILE:
	case INIT_MSG_GONE:
		break;
	default:
		cursor->bad = true;
	}
}

int init_msg_parse(const void *bytes, size_t len, struct init_msg *msg, struct err *err)
{
	struct cursor cursor = cursor_of(bytes, len);
	msg->type = (enum init_msg_type)cursor_u8(&cursor);
	fields_parse(&cursor, msg);
	if (cursor.bad || cursor_left(&cursor) > 0)
		return err_set(err, EPROTO, "message of type %d and %zu bytes between cmpid and cmpi-init "
			       "is garbled", msg->type, len);
	return 0;
}

size_t init_msg_fd_count(const struct init_msg *msg)
{
	switch (msg->type) {
	case INIT_MSG_ATTACH:
		return 2u + msg->attach.has_arrival + msg->attach.has_profile;
	case INIT_MSG_JOB:
	case INIT_MSG_ENVIRONMENT:
	case INIT_MSG_SESSION:
	case INIT_MSG_IMAGE_FILE:
		return 1;
	case INIT_MSG_SPAWN:
		return msg->spawn.pmi_fd == INIT_PMI_NONE ? 3 : 4;
	default:
		return 0;
	}
}

static void strings_pack(char *const *strings, struct buf *out)
{
	uint32_t count = 0;
	while (strings != NULL && strings[count] != NULL)
		count++;
	buf_add_u32(out, count);
	for (uint32_t i = 0; i < count; i++)
		buf_add(out, strings[i], strlen(strings[i]) + 1);
}

void init_job_pack(const struct init_job *job, struct buf *out)
{
	buf_add_u32(out, JOB_MAGIC);
	buf_add_u8(out, job->cwd_required);
	buf_add_u8(out, job->interactive);
	buf_add_str(out, job->cwd);
	buf_add_str(out, job->cwd_else);
	strings_pack(job->argv, out);
	strings_pack(job->environment, out);
}

static void strings_free(char ***where)
{
	char **strings = take_ptr(where);
	for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
		free(strings[i]);
	free(strings);
}

static char **strings_parse(struct cursor *cursor)
{
	uint32_t count = cursor_u32(cursor);
	/* Each takes a byte at least, so a wrong count cannot ask for much memory. */
	if (count > JOB_STRINGS_MAX || count > cursor_left(cursor)) {
		cursor->bad = true;
		return NULL;
	}
	AUTO_CALL(strings_free) char **strings = calloc(count + 1, sizeof *strings);
	for (uint32_t i = 0; i < count && strings != NULL; i++) {
		const char *text = terminated(cursor);
		strings[i] = text ? strdup(text) : NULL;
		if (strings[i] == NULL)
			cursor->bad = true;
		if (cursor->bad)
			return NULL;
	}
	if (strings == NULL)
		cursor->bad = true;
	return take_ptr(&strings);
}

int init_job_parse(const void *bytes, size_t len, struct init_job *job, struct err *err)
{
	*job = (struct init_job){0};
	struct cursor cursor = cursor_of(bytes, len);
	bool known = cursor_u32(&cursor) == JOB_MAGIC;
	job->cwd_required = cursor_u8(&cursor) != 0;
	job->interactive = cursor_u8(&cursor) != 0;
	job->cwd = cursor_str_new(&cursor);
	job->cwd_else = cursor_str_new(&cursor);
	job->argv = strings_parse(&cursor);
	job->environment = strings_parse(&cursor);
	if (known && !cursor.bad && cursor_left(&cursor) == 0 && job->argv[0] != NULL)
		return 0;
	init_job_free(job);
	return err_set(err, EPROTO, "the job's description is garbled");
}

void init_job_free(struct init_job *job)
{
	strings_free(&job->argv);
	strings_free(&job->environment);
	free(job->cwd);
	free(job->cwd_else);
	*job = (struct init_job){0};
}
