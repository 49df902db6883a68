/*
 * plan.c - placing ranks, packing and unpacking the plan (plan.h).
 *
 * Pure but for the environment of plan_export and plan_import.  The packed form
 * is the common little-endian one (common/buf.h), with a version in front: the
 * daemons of a job are of one installation, and say so when they are not.
 */
#include "launcher/plan.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "launcher/hosts.h"

#define PLAN_VERSION 4u

enum { CHUNK_SIZE = 120 * 1024, CHUNKS_MAX = 14 };

/* -- placing ------------------------------------------------------------ */

static uint32_t least(uint64_t a, uint64_t b)
{
	return (uint32_t)(a < b ? a : b);
}

/* How many ranks node i may have when slots count.  Where nobody named slots, --ppn
 * does; this node's are its cores. */
static uint32_t room_of(const struct options *options, const struct hosts *hosts, size_t i)
{
	bool counts = hosts->slots_are_known || hosts->source == HOSTS_LOCAL;
	uint32_t slots = counts || options->per_node == 0 ? hosts->slots[i]
							  : (uint32_t)options->per_node;
	return options->per_node > 0 ? least(slots, (uint64_t)options->per_node) : slots;
}

static uint64_t wanted_ranks(const struct options *options, const struct hosts *hosts,
			     uint64_t room)
{
	if (options->ranks > 0)
		return (uint64_t)options->ranks;
	if (options->per_node > 0)
		return (uint64_t)options->per_node * hosts->names.count;
	return hosts->source == HOSTS_LOCAL ? 1 : room;
}

static int too_many(const struct hosts *hosts, uint64_t ranks, uint64_t room,
		    const struct options *options, struct err *err)
{
	return err_set(err, EINVAL,
		       "%llu ranks asked for, but %s gives %llu slots on %zu node%s%s; take fewer, or "
		       "more nodes, or --oversubscribe",
		       (unsigned long long)ranks, hosts_source_name(hosts->source),
		       (unsigned long long)room, hosts->names.count,
		       hosts->names.count == 1 ? "" : "s",
		       options->per_node > 0 ? " with this --ppn" : "");
}

/* Blocks in node order up to the room; what is left over goes round evenly, at
 * most `cap` a node (0: no limit). */
static uint64_t fill(struct plan *plan, const struct options *options, const struct hosts *hosts,
		     uint64_t ranks)
{
	size_t count = hosts->names.count;
	uint64_t left = ranks, cap = (uint64_t)options->per_node;
	for (size_t i = 0; i < count; i++) {
		plan->node_ranks[i] = least(left, room_of(options, hosts, i));
		left -= plan->node_ranks[i];
	}
	for (size_t i = 0; i < count && left > 0; i++) {
		uint64_t share = (left + (count - i) - 1) / (count - i);
		if (cap > 0 && plan->node_ranks[i] + share > cap)
			share = cap > plan->node_ranks[i] ? cap - plan->node_ranks[i] : 0;
		plan->node_ranks[i] += (uint32_t)share;
		left -= share;
	}
	return left;
}

static int take_nodes(struct plan *plan, const struct hosts *hosts, struct err *err)
{
	size_t kept = 0;
	for (size_t i = 0; i < hosts->names.count; i++) {
		const char *name = hosts->names.names[i];
		if (plan->node_ranks[i] == 0)
			continue;
		plan->node_ranks[kept++] = plan->node_ranks[i];
		int rc = hostlist_add_name(&plan->nodes, name, strlen(name), err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int plan_place_ranks(struct plan *plan, const struct options *options, const struct hosts *hosts,
		     bool *oversubscribed, struct err *err)
{
	uint64_t room = 0;
	for (size_t i = 0; i < hosts->names.count; i++)
		room += room_of(options, hosts, i);
	uint64_t ranks = wanted_ranks(options, hosts, room);
	bool soft = hosts->source == HOSTS_LOCAL || options->oversubscribe;
	*oversubscribed = ranks > room;
	if (ranks > room && !soft)
		return too_many(hosts, ranks, room, options, err);
	if (ranks > PLAN_RANKS_MAX)
		return err_set(err, EINVAL, "more than %d ranks", PLAN_RANKS_MAX);
	plan->node_ranks = calloc(hosts->names.count, sizeof *plan->node_ranks);
	if (plan->node_ranks == NULL)
		return err_errno(err, ENOMEM, "plan");
	if (fill(plan, options, hosts, ranks) > 0)
		return too_many(hosts, ranks, (uint64_t)options->per_node * hosts->names.count, options,
				err);
	plan->ranks = (uint32_t)ranks;
	return take_nodes(plan, hosts, err);
}

uint32_t plan_first_rank(const struct plan *plan, uint32_t node)
{
	uint32_t first = 0;
	for (uint32_t i = 0; i < node; i++)
		first += plan->node_ranks[i];
	return first;
}

/* -- packing ------------------------------------------------------------ */

static void pack_strings(struct buf *out, char *const *strings)
{
	uint32_t count = 0;
	while (strings[count] != NULL)
		count++;
	buf_add_u32(out, count);
	for (uint32_t i = 0; i < count; i++)
		buf_add_str(out, strings[i]);
}

static char **parse_strings(struct cursor *in)
{
	uint32_t count = cursor_u32(in);
	if (in->bad || count > cursor_left(in) / sizeof(uint32_t)) {
		in->bad = true;
		return NULL;
	}
	char **strings = calloc((size_t)count + 1, sizeof *strings);
	in->bad = in->bad || strings == NULL;
	for (uint32_t i = 0; i < count && !in->bad; i++)
		strings[i] = cursor_str_new(in);
	return strings;
}

static void free_strings(char **strings)
{
	for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
		free(strings[i]);
	free(strings);
}

/* The small numbers, in the order of the wire: one table for both directions. */
#define PLAN_WORDS(X, plan)                                                                        \
	X((plan)->mount)                                                                           \
	X((plan)->early)                                                                           \
	X((plan)->readers)                                                                         \
	X((plan)->bind)                                                                            \
	X((plan)->mpi_level)                                                                       \
	X((plan)->timing)                                                                          \
	X((plan)->level)                                                                           \
	X((plan)->label)                                                                           \
	X((plan)->interactive)                                                                     \
	X((plan)->work_dir_required)                                                               \
	X((plan)->keep_s)                                                                          \
	X((plan)->timeout_s)

static void pack_supervisor(const struct plan *plan, struct buf *out)
{
	AUTO_BUF struct buf card = {0};
	if (plan->supervisor.port != 0)
		card_pack(&plan->supervisor, &card);
	buf_add_blob(out, card.data, card.len);
	buf_add_blob(out, plan->supervisor_key, sizeof plan->supervisor_key);
	out->failed = out->failed || card.failed;
}

void plan_pack(const struct plan *plan, struct buf *out)
{
	buf_add_u32(out, PLAN_VERSION);
	buf_add_str(out, plan->job);
	buf_add_u32(out, (uint32_t)plan->nodes.count);
	for (size_t i = 0; i < plan->nodes.count; i++) {
		buf_add_str(out, plan->nodes.names[i]);
		buf_add_u32(out, plan->node_ranks[i]);
	}
	buf_add_str(out, plan->image);
	buf_add_u64(out, plan->image_size);
	buf_add_u64(out, (uint64_t)plan->image_mtime_ns);
	buf_add_str(out, plan->root_hash);
	buf_add_str(out, plan->profile);
	pack_strings(out, plan->argv);
	pack_strings(out, plan->environment);
	buf_add_str(out, plan->work_dir);
	buf_add_str(out, plan->work_dir_else);
	AUTO_BUF struct buf mounts = {0};
	mount_plan_pack(&plan->mounts, &mounts);
	buf_add_blob(out, mounts.data, mounts.len);
	out->failed = out->failed || mounts.failed;
	fingerprints_pack(&plan->host_files, out);
#define PACK_WORD(field) buf_add_u32(out, (uint32_t)(field));
	PLAN_WORDS(PACK_WORD, plan)
	buf_add_u64(out, plan->started_ns);
	pack_supervisor(plan, out);
}

static void parse_nodes(struct cursor *in, struct plan *plan)
{
	uint32_t count = cursor_u32(in);
	if (in->bad || count == 0 || count > cursor_left(in) / 8) {
		in->bad = true;
		return;
	}
	plan->node_ranks = calloc(count, sizeof *plan->node_ranks);
	in->bad = plan->node_ranks == NULL;
	uint64_t ranks = 0;
	for (uint32_t i = 0; i < count && !in->bad; i++) {
		char name[HOSTLIST_NAME_MAX];
		cursor_str(in, name, sizeof name);
		plan->node_ranks[i] = cursor_u32(in);
		ranks += plan->node_ranks[i];
		if (in->bad || hostlist_add_name(&plan->nodes, name, strlen(name), NULL) < 0)
			in->bad = true;
	}
	in->bad = in->bad || ranks > PLAN_RANKS_MAX;
	plan->ranks = (uint32_t)ranks;
}

static void parse_mounts(struct cursor *in, struct plan *plan)
{
	size_t len;
	const char *bytes = cursor_blob(in, &len);
	if (bytes == NULL || mount_plan_parse(bytes, len, &plan->mounts, NULL) < 0)
		in->bad = true;
}

static void parse_supervisor(struct cursor *in, struct plan *plan)
{
	size_t card_len, key_len;
	const char *card = cursor_blob(in, &card_len);
	const char *key = cursor_blob(in, &key_len);
	if (card == NULL || key == NULL || key_len != sizeof plan->supervisor_key ||
	    (card_len > 0 && card_parse(card, card_len, &plan->supervisor, NULL) < 0)) {
		in->bad = true;
		return;
	}
	memcpy(plan->supervisor_key, key, key_len);
}

static bool words_are_known(const struct plan *plan)
{
	return plan->mount <= MOUNT_CHOICE_KERNEL && plan->early <= EARLY_OFF && plan->bind <= BIND_CHOICE_NONE &&
	       plan->mpi_level < ABI_LEVEL_COUNT &&
	       plan->timing <= TIMING_JSON && plan->level <= LOG_LEVEL_DEBUG;
}

int plan_parse(const void *bytes, size_t len, struct plan *plan, struct err *err)
{
	struct cursor in = cursor_of(bytes, len);
	if (cursor_u32(&in) != PLAN_VERSION)
		return err_set(err, EPROTO, "the plan is of another version of cmpirun; "
					    "is the same one installed on all nodes?");
	plan->job = cursor_str_new(&in);
	parse_nodes(&in, plan);
	plan->image = cursor_str_new(&in);
	plan->image_size = cursor_u64(&in);
	plan->image_mtime_ns = (int64_t)cursor_u64(&in);
	plan->root_hash = cursor_str_new(&in);
	plan->profile = cursor_str_new(&in);
	plan->argv = parse_strings(&in);
	plan->environment = parse_strings(&in);
	plan->work_dir = cursor_str_new(&in);
	plan->work_dir_else = cursor_str_new(&in);
	parse_mounts(&in, plan);
	fingerprints_parse(&in, &plan->host_files, NULL);
#define PARSE_WORD(field) (field) = cursor_u32(&in);
	PLAN_WORDS(PARSE_WORD, plan)
	plan->started_ns = cursor_u64(&in);
	parse_supervisor(&in, plan);
	if (!in.bad && cursor_left(&in) == 0 && plan->argv[0] != NULL && words_are_known(plan))
		return 0;
	plan_free(plan);
	return err_set(err, EPROTO, "the plan is malformed");
}

void plan_free(struct plan *plan)
{
	free(plan->job);
	hostlist_free(&plan->nodes);
	free(plan->node_ranks);
	free(plan->image);
	free(plan->root_hash);
	free(plan->profile);
	free_strings(plan->argv);
	free_strings(plan->environment);
	free(plan->work_dir);
	free(plan->work_dir_else);
	mount_plan_free(&plan->mounts);
	fingerprints_free(&plan->host_files);
	*plan = (struct plan){0};
}

/* -- through the environment ------------------------------------------- */

static void chunk_name(char name[32], size_t chunk)
{
	snprintf(name, 32, chunk ? "CMPIRUN_PLAN_%zu" : "CMPIRUN_PLAN", chunk);
}

int plan_export(const struct plan *plan, struct err *err)
{
	AUTO_BUF struct buf packed = {0};
	plan_pack(plan, &packed);
	size_t size = packed.failed ? 0 : sodium_base64_ENCODED_LEN(packed.len, sodium_base64_VARIANT_ORIGINAL);
	AUTO_FREE char *text = size ? malloc(size) : NULL;
	if (text == NULL)
		return err_errno(err, ENOMEM, "plan");
	if (size > (size_t)CHUNK_SIZE * CHUNKS_MAX)
		return err_set(err, E2BIG, "the plan (environment, arguments, mounts) has %zu KiB, more "
					   "than a process can inherit; make the environment smaller",
			       size / 1024);
	sodium_bin2base64(text, size, (unsigned char *)packed.data, packed.len,
			  sodium_base64_VARIANT_ORIGINAL);
	size_t len = strlen(text), chunk = 0;
	for (size_t at = 0; at < len; at += CHUNK_SIZE, chunk++) {
		char name[32], saved = '\0';
		bool cut = len - at > CHUNK_SIZE;
		chunk_name(name, chunk);
		if (cut) {
			saved = text[at + CHUNK_SIZE];
			text[at + CHUNK_SIZE] = '\0';
		}
		if (setenv(name, text + at, 1) < 0)
			return err_errno(err, errno, "plan");
		if (cut)
			text[at + CHUNK_SIZE] = saved;
	}
	for (; chunk < CHUNKS_MAX; chunk++) {
		char name[32];
		chunk_name(name, chunk);
		unsetenv(name);  /* of an earlier, larger plan */
	}
	return 0;
}

int plan_import(struct plan *plan, struct err *err)
{
	AUTO_BUF struct buf text = {0}, packed = {0};
	for (size_t chunk = 0; chunk < CHUNKS_MAX; chunk++) {
		char name[32];
		chunk_name(name, chunk);
		const char *value = getenv(name);
		if (value == NULL)
			break;
		buf_add(&text, value, strlen(value));
		unsetenv(name);
	}
	if (text.len == 0)
		return err_set(err, ENOENT, "no plan: cmpid is started by cmpirun, not by hand");
	size_t len = 0;
	char *room = text.failed ? NULL : buf_reserve(&packed, text.len);
	if (room == NULL)
		return err_errno(err, ENOMEM, "plan");
	if (sodium_base642bin((unsigned char *)room, text.len, text.data, text.len, NULL, &len, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0)
		return err_set(err, EPROTO, "the plan is malformed");
	return plan_parse(room, len, plan, err);
}
