/*
 * fence.c - the state of fences at one node (fence.h).  Pure.
 *
 * In: contributions of this node and frames of neighbours, in any order.  Out:
 * steps.  A fence exists here from the first thing heard of it until its
 * result has passed.  It waits for `awaited` parts: one for each child with
 * participants below it, and one for this node if it takes part.  When all are
 * here, the node is either the top (all participants are below: the parts are
 * the result) or sends the union to its parent.
 *
 * Frame payload:
 *	u32 kind, u32 sequence, u64 signature[2], u32 status (positive errno),
 *	u32 number of ranges, that many (u32 first, u32 last), then the data
 * Downwards the set is known already: no ranges.
 *
 * Invariants: `parts` of a fence starts with room for its own frame header, so
 * the union becomes a frame without being copied; a child is counted once
 * (heard[]); counters of signatures live as long as the engine, because a node
 * may be asked for the same set again at any time.
 */
#include "pmix/fence.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

enum { HEADER_SIZE = 32, RANGE_SIZE = 8 };

struct fence {
	struct fence *next;
	struct fence_id id;
	struct fence_range *nodes;
	size_t range_count;
	struct buf parts;       /* the frame that goes up: header, ranges, data */
	bool is_top, takes_part;
	uint32_t awaited;       /* parts not here yet */
	uint32_t child_count;   /* children with participants below them */
	uint32_t *children;     /* ascending */
	bool *heard;            /* of each of them */
	int status;             /* positive errno */
};

struct counter {
	uint64_t signature[2];
	uint32_t kind, next;
	bool used;
};

struct fence_engine {
	struct fence_tree tree;
	size_t payload_max;
	struct fence *fences;
	size_t fence_count;
	struct counter *counters;  /* open addressing, at most half full */
	size_t counter_count, counter_size;
};

struct fence_engine *fence_engine_new(const struct fence_tree *tree, size_t payload_max)
{
	struct fence_engine *engine = calloc(1, sizeof *engine);
	if (engine != NULL) {
		engine->tree = *tree;
		engine->payload_max = payload_max;
	}
	return engine;
}

static void fence_free(struct fence *fence)
{
	if (fence == NULL)
		return;
	buf_free(&fence->parts);
	free(fence->nodes);
	free(fence->children);
	free(fence->heard);
	free(fence);
}

void fence_engine_free(struct fence_engine **where)
{
	struct fence_engine *engine = take_ptr(where);
	if (engine == NULL)
		return;
	for (struct fence *fence = engine->fences, *next; fence != NULL; fence = next) {
		next = fence->next;
		fence_free(fence);
	}
	free(engine->counters);
	free(engine);
}

void fence_step_free(struct fence_step *step)
{
	free(step->children);
	buf_free(&step->frame);
	*step = (struct fence_step){0};
}

size_t fence_pending_count(const struct fence_engine *engine)
{
	return engine->fence_count;
}

/* --- the tree ------------------------------------------------------------ */

/* How many nodes of the set are in low .. high. */
static uint64_t set_count(const struct fence_range *nodes, size_t range_count, uint64_t low,
			  uint64_t high)
{
	uint64_t count = 0;
	for (size_t i = 0; i < range_count && nodes[i].first <= high; i++) {
		uint64_t first = nodes[i].first > low ? nodes[i].first : low;
		uint64_t last = nodes[i].last < high ? nodes[i].last : high;
		if (first <= last)
			count += last - first + 1;
	}
	return count;
}

/* How many nodes of the set are `node` or below it.  The subtree is one block
 * of indices a level: the children of low .. high are low*k+1 .. high*k+k. */
static uint64_t subtree_count(const struct fence_tree *tree, uint32_t node,
			      const struct fence_range *nodes, size_t range_count)
{
	uint64_t count = 0, low = node, high = node;
	while (low < tree->node_count) {
		if (high >= tree->node_count)
			high = tree->node_count - 1;
		count += set_count(nodes, range_count, low, high);
		low = low * tree->fanout + 1;
		high = high * tree->fanout + tree->fanout;
	}
	return count;
}

/* Fills in children, awaited, is_top and takes_part. */
static int fence_place(struct fence *fence, const struct fence_tree *tree)
{
	const struct fence_range *nodes = fence->nodes;
	size_t range_count = fence->range_count;
	uint64_t first = (uint64_t)tree->node * tree->fanout + 1;
	uint64_t last = first + tree->fanout - 1;
	if (last >= tree->node_count)
		last = (uint64_t)tree->node_count - 1;
	size_t room = first <= last ? last - first + 1 : 0;
	fence->children = calloc(room + 1, sizeof *fence->children);
	fence->heard = calloc(room + 1, sizeof *fence->heard);
	if (fence->children == NULL || fence->heard == NULL)
		return -ENOMEM;
	uint64_t below = 0;
	for (uint64_t child = first; child <= last; child++) {
		uint64_t count = subtree_count(tree, (uint32_t)child, nodes, range_count);
		if (count > 0)
			fence->children[fence->child_count++] = (uint32_t)child;
		below += count;
	}
	fence->takes_part = set_count(nodes, range_count, tree->node, tree->node) > 0;
	fence->awaited = fence->child_count + fence->takes_part;
	fence->is_top = below + fence->takes_part == set_count(nodes, range_count, 0, UINT32_MAX);
	return 0;
}

/* --- frames -------------------------------------------------------------- */

static void frame_begin(struct buf *frame, const struct fence_id *id,
			const struct fence_range *nodes, size_t range_count)
{
	buf_add_u32(frame, id->kind);
	buf_add_u32(frame, id->sequence);
	buf_add_u64(frame, id->signature[0]);
	buf_add_u64(frame, id->signature[1]);
	buf_add_u32(frame, 0);
	buf_add_u32(frame, (uint32_t)range_count);
	for (size_t i = 0; i < range_count; i++) {
		buf_add_u32(frame, nodes[i].first);
		buf_add_u32(frame, nodes[i].last);
	}
}

/* The status stands at a fixed place, before the number of ranges. */
static void frame_set_status(struct buf *frame, int status)
{
	struct buf word = {0};
	buf_add_u32(&word, (uint32_t)status);
	if (!word.failed && !frame->failed)
		memcpy(frame->data + HEADER_SIZE - 8, word.data, 4);
	buf_free(&word);
}

struct message {
	struct fence_id id;
	int status;
	struct fence_range *nodes;  /* allocated */
	size_t range_count;
	const char *data;
	size_t len;
};

static int check_set(const struct fence_range *nodes, size_t count, uint32_t node_count)
{
	for (size_t i = 0; i < count; i++)
		if (nodes[i].first > nodes[i].last || nodes[i].last >= node_count ||
		    (i > 0 && nodes[i].first <= nodes[i - 1].last))
			return -EPROTO;
	return 0;
}

static int message_parse(struct message *message, const void *payload, size_t len)
{
	struct cursor cursor = cursor_of(payload, len);
	message->id.kind = cursor_u32(&cursor);
	message->id.sequence = cursor_u32(&cursor);
	message->id.signature[0] = cursor_u64(&cursor);
	message->id.signature[1] = cursor_u64(&cursor);
	uint32_t status = cursor_u32(&cursor);
	size_t count = cursor_u32(&cursor);
	if (cursor.bad || count > cursor_left(&cursor) / RANGE_SIZE || status > 4095 ||
	    message->id.kind >= FENCE_KIND_COUNT)
		return -EPROTO;
	message->nodes = calloc(count + 1, sizeof *message->nodes);
	if (message->nodes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		message->nodes[i].first = cursor_u32(&cursor);
		message->nodes[i].last = cursor_u32(&cursor);
	}
	message->status = (int)status;
	message->range_count = count;
	message->data = cursor.at;
	message->len = cursor_left(&cursor);
	return 0;
}

/* --- the fences under way ------------------------------------------------ */

static bool id_equal(const struct fence_id *a, const struct fence_id *b)
{
	return a->kind == b->kind && a->sequence == b->sequence &&
	       a->signature[0] == b->signature[0] && a->signature[1] == b->signature[1];
}

static struct fence **find_fence(struct fence_engine *engine, const struct fence_id *id)
{
	struct fence **where = &engine->fences;
	while (*where != NULL && !id_equal(&(*where)->id, id))
		where = &(*where)->next;
	return where;
}

static int fence_new(struct fence_engine *engine, const struct fence_id *id,
		     const struct fence_range *nodes, size_t range_count, struct fence **out)
{
	struct fence *fence = calloc(1, sizeof *fence);
	if (fence == NULL)
		return -ENOMEM;
	fence->id = *id;
	fence->range_count = range_count;
	fence->nodes = calloc(range_count + 1, sizeof *nodes);
	if (fence->nodes == NULL) {
		fence_free(fence);
		return -ENOMEM;
	}
	memcpy(fence->nodes, nodes, range_count * sizeof *nodes);
	int rc = fence_place(fence, &engine->tree);
	frame_begin(&fence->parts, id, nodes, range_count);
	if (rc < 0 || fence->parts.failed) {
		fence_free(fence);
		return -ENOMEM;
	}
	fence->next = engine->fences;
	engine->fences = fence;
	engine->fence_count++;
	*out = fence;
	return 0;
}

/* Finds the fence or makes it; the same fence has the same set everywhere. */
static int open_fence(struct fence_engine *engine, const struct fence_id *id,
		      const struct fence_range *nodes, size_t range_count, struct fence **out,
		      struct err *err)
{
	*out = *find_fence(engine, id);
	if (*out != NULL) {
		bool same = (*out)->range_count == range_count &&
			    memcmp((*out)->nodes, nodes, range_count * sizeof *nodes) == 0;
		return same ? 0 : err_set(err, EPROTO, "nodes disagree about who is in a fence");
	}
	int rc = fence_new(engine, id, nodes, range_count, out);
	return rc < 0 ? err_errno(err, -rc, "fence") : 0;
}

static void close_fence(struct fence_engine *engine, const struct fence_id *id)
{
	struct fence **where = find_fence(engine, id), *fence = *where;
	*where = fence->next;
	engine->fence_count--;
	fence_free(fence);
}

static void add_part(struct fence_engine *engine, struct fence *fence, int status, const void *data,
		     size_t len)
{
	fence->awaited--;
	if (fence->status == 0)
		fence->status = status;
	if (fence->status == 0 && fence->parts.len + len > engine->payload_max)
		fence->status = EMSGSIZE;
	if (fence->status == 0)
		buf_add(&fence->parts, data, len);
}

static void step_down(struct fence *fence, struct fence_step *step)
{
	step->id = fence->id;
	step->status = -fence->status;
	step->complete = fence->takes_part;
	step->child_count = fence->child_count;
	step->children = take_ptr(&fence->children);
}

/* All parts of the top are here: its frame becomes the one that goes down. */
static void step_result(struct fence *fence, struct fence_step *step)
{
	size_t skip = HEADER_SIZE + fence->range_count * RANGE_SIZE;
	if (fence->child_count == 0) {
		step->frame = fence->parts;
		step->data_offset = skip;
	} else {
		frame_begin(&step->frame, &fence->id, NULL, 0);
		step->data_offset = HEADER_SIZE;
		buf_add(&step->frame, fence->parts.data + skip, fence->parts.len - skip);
		buf_free(&fence->parts);
	}
	fence->parts = (struct buf){0};
	frame_set_status(&step->frame, fence->status);
	step_down(fence, step);
}

/* After a part came: nothing, up, or done. */
static int advance(struct fence_engine *engine, struct fence *fence, struct fence_step *step,
		   struct err *err)
{
	if (fence->parts.failed)
		return err_errno(err, ENOMEM, "fence");
	if (fence->awaited > 0)
		return 0;
	if (fence->status != 0)
		fence->parts.len = HEADER_SIZE + fence->range_count * RANGE_SIZE;
	if (fence->is_top) {
		struct fence_id id = fence->id;
		step_result(fence, step);
		close_fence(engine, &id);
	} else {
		frame_set_status(&fence->parts, fence->status);
		step->id = fence->id;
		step->send_up = true;
		step->frame = fence->parts;
		step->data_offset = HEADER_SIZE + fence->range_count * RANGE_SIZE;
		fence->parts = (struct buf){0};
	}
	return step->frame.failed ? err_errno(err, ENOMEM, "fence") : 0;
}

/* --- counters ------------------------------------------------------------ */

static struct counter *find_counter(struct counter *counters, size_t size, uint32_t kind,
				    const uint64_t signature[2])
{
	uint64_t hash = (signature[0] ^ signature[1] ^ kind) * 0x9e3779b97f4a7c15u;
	for (size_t i = (hash >> 32) & (size - 1);; i = (i + 1) & (size - 1)) {
		struct counter *counter = &counters[i];
		if (!counter->used || (counter->kind == kind &&
				       counter->signature[0] == signature[0] &&
				       counter->signature[1] == signature[1]))
			return counter;
	}
}

static int grow_counters(struct fence_engine *engine)
{
	size_t size = engine->counter_size ? 2 * engine->counter_size : 16;
	struct counter *counters = calloc(size, sizeof *counters);
	if (counters == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < engine->counter_size; i++) {
		const struct counter *old = &engine->counters[i];
		if (old->used)
			*find_counter(counters, size, old->kind, old->signature) = *old;
	}
	free(engine->counters);
	engine->counters = counters;
	engine->counter_size = size;
	return 0;
}

/* The number of this node's next fence of the kind; it wraps. */
static int next_sequence(struct fence_engine *engine, struct fence_id *id)
{
	if (2 * engine->counter_count >= engine->counter_size && grow_counters(engine) < 0)
		return -ENOMEM;
	struct counter *counter =
		find_counter(engine->counters, engine->counter_size, id->kind, id->signature);
	if (!counter->used) {
		*counter = (struct counter){.kind = id->kind, .used = true};
		memcpy(counter->signature, id->signature, sizeof counter->signature);
		engine->counter_count++;
	}
	id->sequence = counter->next++;
	return 0;
}

/* --- what happens -------------------------------------------------------- */

int fence_contribute(struct fence_engine *engine, enum fence_kind kind, const uint64_t signature[2],
		     const struct fence_range *nodes, size_t range_count, const void *data,
		     size_t len, struct fence_id *id, struct fence_step *step, struct err *err)
{
	struct fence *fence;
	*step = (struct fence_step){0};
	*id = (struct fence_id){.kind = kind, .signature = {signature[0], signature[1]}};
	if (check_set(nodes, range_count, engine->tree.node_count) < 0 ||
	    set_count(nodes, range_count, engine->tree.node, engine->tree.node) == 0)
		return err_set(err, EINVAL, "a fence needs a set of nodes with this node in it");
	if (next_sequence(engine, id) < 0)
		return err_errno(err, ENOMEM, "fence");
	int rc = open_fence(engine, id, nodes, range_count, &fence, err);
	if (rc < 0)
		return rc;
	add_part(engine, fence, 0, data, len);
	return advance(engine, fence, step, err);
}

static int receive_up(struct fence_engine *engine, uint32_t source, const struct message *message,
		      struct fence_step *step, struct err *err)
{
	struct fence *fence;
	if (message->range_count == 0 ||
	    check_set(message->nodes, message->range_count, engine->tree.node_count) < 0)
		return err_set(err, EPROTO, "node %u sent a fence of no usable set of nodes", source);
	int rc = open_fence(engine, &message->id, message->nodes, message->range_count, &fence, err);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < fence->child_count; i++) {
		if (fence->children[i] != source)
			continue;
		if (fence->heard[i])
			return err_set(err, EPROTO, "node %u sent its part of a fence twice", source);
		fence->heard[i] = true;
		add_part(engine, fence, message->status, message->data, message->len);
		return advance(engine, fence, step, err);
	}
	return err_set(err, EPROTO, "node %u sent a part of a fence in which it has none", source);
}

static int receive_down(struct fence_engine *engine, uint32_t source, const struct message *message,
			const void *payload, size_t len, struct fence_step *step, struct err *err)
{
	const struct fence_tree *tree = &engine->tree;
	struct fence *fence = *find_fence(engine, &message->id);
	if (tree->node == 0 || source != (tree->node - 1) / tree->fanout || fence == NULL ||
	    fence->is_top || fence->awaited > 0 || message->range_count != 0)
		return err_set(err, EPROTO, "node %u sent the end of a fence that nobody awaits",
			       source);
	fence->status = message->status;
	step_down(fence, step);
	step->data_offset = HEADER_SIZE;
	close_fence(engine, &message->id);
	buf_add(&step->frame, payload, len);
	return step->frame.failed ? err_errno(err, ENOMEM, "fence") : 0;
}

int fence_receive(struct fence_engine *engine, bool going_up, uint32_t source, const void *payload,
		  size_t len, struct fence_step *step, struct err *err)
{
	struct message message = {0};
	*step = (struct fence_step){0};
	int rc = message_parse(&message, payload, len);
	if (rc < 0)
		err_set(err, -rc, "node %u sent a fence frame that makes no sense", source);
	else if (going_up)
		rc = receive_up(engine, source, &message, step, err);
	else
		rc = receive_down(engine, source, &message, payload, len, step, err);
	free(message.nodes);
	return rc;
}
