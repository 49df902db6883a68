/*
 * fence_test.c - fences over simulated trees: 1 to 200 nodes, any fan-out, any
 * set of participants, any order of arrival, several fences at once.
 *
 * The simulation keeps frames in flight in one array and delivers a random one
 * at a time, but in order between each two nodes, as the carrier does.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "pmix/fence.h"

enum { NODES_MAX = 200, FENCES_MAX = 12, PARTS_MAX = NODES_MAX * 8 };

struct flight {
	uint32_t from, to;
	bool going_up;
	struct buf payload;
};

/* One collective of the test: who takes part and who has done so. */
struct collective {
	uint64_t signature[2];
	enum fence_kind kind;
	struct fence_range set[NODES_MAX];
	size_t range_count;
	bool member[NODES_MAX], contributed[NODES_MAX];
	uint32_t member_count;
	struct fence_id ids[NODES_MAX];
};

struct world {
	struct fence_tree tree;
	struct fence_engine *engines[NODES_MAX];
	struct flight *flights;
	size_t flight_count, flight_size;
	struct collective collectives[FENCES_MAX];
	size_t collective_count;
	/* completed[node][collective] */
	uint32_t completed[NODES_MAX][FENCES_MAX];
	size_t sent;
};

static uint32_t random_below(uint32_t bound)
{
	return (uint32_t)random() % bound;
}

static void world_init(struct world *world, uint32_t node_count, uint32_t fanout)
{
	memset(world, 0, sizeof *world);
	for (uint32_t i = 0; i < node_count; i++) {
		world->tree = (struct fence_tree){i, node_count, fanout};
		world->engines[i] = fence_engine_new(&world->tree, 1 << 20);
	}
}

static void world_free(struct world *world)
{
	for (uint32_t i = 0; i < world->tree.node_count; i++) {
		assert_int_equal(fence_pending_count(world->engines[i]), 0);
		fence_engine_free(&world->engines[i]);
	}
	assert_int_equal(world->flight_count, 0);
	free(world->flights);
}

static void fly(struct world *world, uint32_t from, uint32_t to, bool going_up,
		const struct buf *payload)
{
	if (world->flight_count == world->flight_size) {
		world->flight_size = world->flight_size ? 2 * world->flight_size : 64;
		world->flights = realloc(world->flights,
					 world->flight_size * sizeof *world->flights);
	}
	struct flight *flight = &world->flights[world->flight_count++];
	*flight = (struct flight){.from = from, .to = to, .going_up = going_up};
	buf_add(&flight->payload, payload->data, payload->len);
	world->sent++;
}

/* The data of a part is (collective, node). All members, each once. */
static void check_result(struct world *world, uint32_t node, const struct fence_step *step)
{
	struct cursor cursor =
		cursor_of(step->frame.data + step->data_offset, step->frame.len - step->data_offset);
	bool seen[NODES_MAX] = {false};
	uint32_t count = 0, which = UINT32_MAX;
	assert_int_equal(step->status, 0);
	while (cursor_left(&cursor) > 0) {
		uint32_t collective = cursor_u32(&cursor), from = cursor_u32(&cursor);
		assert_false(cursor.bad);
		assert_true(which == UINT32_MAX || which == collective);
		which = collective;
		assert_false(seen[from]);
		seen[from] = true;
		count++;
	}
	const struct collective *done = &world->collectives[which];
	assert_int_equal(count, done->member_count);
	for (uint32_t i = 0; i < world->tree.node_count; i++)
		assert_int_equal(seen[i], done->member[i]);
	assert_memory_equal(&done->ids[node], &step->id, sizeof step->id);
	world->completed[node][which]++;
}

static void handle(struct world *world, uint32_t node, const struct fence_step *step)
{
	if (step->send_up)
		fly(world, node, (node - 1) / world->tree.fanout, true, &step->frame);
	for (size_t i = 0; i < step->child_count; i++) {
		assert_int_equal((step->children[i] - 1) / world->tree.fanout, node);
		fly(world, node, step->children[i], false, &step->frame);
	}
	if (step->complete)
		check_result(world, node, step);
}

static void contribute(struct world *world, size_t which, uint32_t node)
{
	struct collective *collective = &world->collectives[which];
	AUTO_BUF struct buf data = {0};
	AUTO_FENCE_STEP struct fence_step step = {0};
	buf_add_u32(&data, (uint32_t)which);
	buf_add_u32(&data, node);
	collective->contributed[node] = true;
	assert_int_equal(fence_contribute(world->engines[node], collective->kind,
					  collective->signature, collective->set,
					  collective->range_count, data.data, data.len,
					  &collective->ids[node], &step, NULL), 0);
	handle(world, node, &step);
}

/* The oldest frame in flight between the two nodes of a random frame. */
static void deliver_one(struct world *world)
{
	const struct flight *any = &world->flights[random_below((uint32_t)world->flight_count)];
	size_t at = 0;
	while (world->flights[at].from != any->from || world->flights[at].to != any->to)
		at++;
	struct flight flight = world->flights[at];
	memmove(world->flights + at, world->flights + at + 1,
		(--world->flight_count - at) * sizeof flight);
	AUTO_FENCE_STEP struct fence_step step = {0};
	assert_int_equal(fence_receive(world->engines[flight.to], flight.going_up, flight.from,
				       flight.payload.data, flight.payload.len, &step, NULL), 0);
	buf_free(&flight.payload);
	handle(world, flight.to, &step);
}

/* A random set; never empty. */
static void add_collective(struct world *world, uint32_t percent)
{
	struct collective *collective = &world->collectives[world->collective_count++];
	uint32_t node_count = world->tree.node_count;
	collective->member[random_below(node_count)] = true;
	for (uint32_t i = 0; i < node_count; i++)
		collective->member[i] |= random_below(100) < percent;
	for (uint32_t i = 0; i < node_count; i++) {
		if (!collective->member[i])
			continue;
		collective->member_count++;
		if (i > 0 && collective->member[i - 1])
			collective->set[collective->range_count - 1].last = i;
		else
			collective->set[collective->range_count++] = (struct fence_range){i, i};
	}
	collective->kind = random_below(2) ? FENCE_KIND_PMIX : FENCE_KIND_CONNECT;
	collective->signature[0] = world->collective_count;
}

/* Members contribute to their collectives in the order in which these were made. */
static void run(struct world *world)
{
	uint32_t node_count = world->tree.node_count;
	size_t next[NODES_MAX] = {0}, left = 0;
	for (size_t i = 0; i < world->collective_count; i++)
		left += world->collectives[i].member_count;
	while (left > 0 || world->flight_count > 0) {
		uint32_t node = random_below(node_count);
		while (next[node] < world->collective_count &&
		       !world->collectives[next[node]].member[node])
			next[node]++;
		if (random_below(2) && next[node] < world->collective_count) {
			contribute(world, next[node]++, node);
			left--;
		} else if (world->flight_count > 0) {
			deliver_one(world);
		}
	}
	for (uint32_t i = 0; i < node_count; i++)
		for (size_t j = 0; j < world->collective_count; j++)
			assert_int_equal(world->completed[i][j],
					 world->collectives[j].member[i]);
}

static void random_worlds(void **state)
{
	static struct world world;
	(void)state;
	srandom(1);
	for (int i = 0; i < 300; i++) {
		uint32_t node_count = i < 60 ? (uint32_t)i / 3 + 1 : 1 + random_below(NODES_MAX);
		world_init(&world, node_count, 1 + random_below(9));
		for (uint32_t j = 0; j < 1 + random_below(FENCES_MAX); j++)
			add_collective(&world, random_below(4) ? random_below(101) : 100);
		run(&world);
		world_free(&world);
	}
}

/* The same set again and again, also while the one before is not complete
 * everywhere: sequence numbers keep them apart. */
static void repeated_fences(void **state)
{
	static struct world world;
	(void)state;
	srandom(2);
	for (int i = 0; i < 50; i++) {
		world_init(&world, 1 + random_below(40), 1 + random_below(4));
		add_collective(&world, 60);
		while (world.collective_count < FENCES_MAX)
			world.collectives[world.collective_count++] = world.collectives[0];
		run(&world);
		world_free(&world);
	}
}

static void one_node_sends_nothing(void **state)
{
	static struct world world;
	(void)state;
	world_init(&world, 100, 3);
	struct collective *collective = &world.collectives[world.collective_count++];
	collective->member[42] = true;
	collective->member_count = collective->range_count = 1;
	collective->set[0] = (struct fence_range){42, 42};
	contribute(&world, 0, 42);
	assert_int_equal(world.completed[42][0], 1);
	assert_int_equal(world.sent, 0);
	world_free(&world);
}

/* Nodes 7 and 8 of a binary tree meet at node 3: two edges, twice each. */
static void the_lowest_common_node_is_the_top(void **state)
{
	static struct world world;
	(void)state;
	world_init(&world, 15, 2);
	struct collective *collective = &world.collectives[world.collective_count++];
	collective->member[7] = collective->member[8] = true;
	collective->member_count = 2;
	collective->range_count = 1;
	collective->set[0] = (struct fence_range){7, 8};
	run(&world);
	assert_int_equal(world.sent, 4);
	world_free(&world);
}

/* --- foreign bytes ------------------------------------------------------------ */

static const uint64_t signature[2] = {1, 2};
static const struct fence_range both = {0, 1};

/* What node 1 of two sends to node 0. */
static void frame_of_child(struct buf *frame, const char *data)
{
	const struct fence_tree tree = {1, 2, 2};
	AUTO_FENCE_STEP struct fence_step step = {0};
	struct fence_engine *engine = fence_engine_new(&tree, 1 << 20);
	struct fence_id id;
	assert_int_equal(fence_contribute(engine, FENCE_KIND_PMIX, signature, &both, 1, data,
					  strlen(data), &id, &step, NULL), 0);
	assert_true(step.send_up);
	buf_add(frame, step.frame.data, step.frame.len);
	fence_engine_free(&engine);
}

static int receive(struct fence_engine *engine, bool going_up, uint32_t source,
		   const void *payload, size_t len)
{
	struct fence_step step = {0};
	struct err err;
	int rc = fence_receive(engine, going_up, source, payload, len, &step, &err);
	fence_step_free(&step);
	return rc;
}

static void nonsense_is_refused(void **state)
{
	const struct fence_tree tree = {0, 2, 2};
	struct fence_engine *engine = fence_engine_new(&tree, 1 << 20);
	AUTO_BUF struct buf frame = {0}, other = {0};
	(void)state;
	frame_of_child(&frame, "data");
	for (size_t len = 0; len < 40; len++)
		assert_int_equal(receive(engine, true, 1, frame.data, len), -EPROTO);
	assert_int_equal(receive(engine, false, 1, frame.data, frame.len), -EPROTO);
	assert_int_equal(receive(engine, true, 0, frame.data, frame.len), -EPROTO);
	assert_int_equal(receive(engine, true, 7, frame.data, frame.len), -EPROTO);
	buf_add(&other, frame.data, frame.len);
	other.data[0] = 99;  /* kind */
	assert_int_equal(receive(engine, true, 1, other.data, other.len), -EPROTO);
	other.data[0] = frame.data[0];
	other.data[36] = 5;  /* the set's last node */
	assert_int_equal(receive(engine, true, 1, other.data, other.len), -EPROTO);
	fence_engine_free(&engine);
}

static void duplicates_are_refused(void **state)
{
	const struct fence_tree tree = {0, 2, 2};
	struct fence_engine *engine = fence_engine_new(&tree, 1 << 20);
	AUTO_BUF struct buf frame = {0};
	(void)state;
	frame_of_child(&frame, "data");
	assert_int_equal(receive(engine, true, 1, frame.data, frame.len), 0);
	assert_int_equal(receive(engine, true, 1, frame.data, frame.len), -EPROTO);
	assert_int_equal(fence_pending_count(engine), 1);
	fence_engine_free(&engine);
}

static void disagreement_is_refused(void **state)
{
	const struct fence_tree tree = {0, 3, 2};
	const struct fence_range all = {0, 2};
	struct fence_engine *engine = fence_engine_new(&tree, 1 << 20);
	AUTO_FENCE_STEP struct fence_step step = {0};
	AUTO_BUF struct buf frame = {0};
	struct fence_id id;
	(void)state;
	frame_of_child(&frame, "data");
	assert_int_equal(fence_contribute(engine, FENCE_KIND_PMIX, signature, &all, 1, "", 0, &id,
					  &step, NULL), 0);
	assert_int_equal(receive(engine, true, 1, frame.data, frame.len), -EPROTO);
	fence_engine_free(&engine);
}

/* Too much data fails the fence for all members alike, and nobody waits. */
static void payload_is_bounded(void **state)
{
	const struct fence_tree tree = {0, 2, 2};
	struct fence_engine *engine = fence_engine_new(&tree, 59);
	AUTO_FENCE_STEP struct fence_step step = {0}, nothing = {0};
	AUTO_BUF struct buf frame = {0};
	struct fence_id id;
	(void)state;
	frame_of_child(&frame, "0123456789");
	assert_int_equal(fence_contribute(engine, FENCE_KIND_PMIX, signature, &both, 1,
					  "0123456789", 10, &id, &nothing, NULL), 0);
	assert_false(nothing.complete);
	assert_int_equal(fence_receive(engine, true, 1, frame.data, frame.len, &step, NULL), 0);
	assert_true(step.complete);
	assert_int_equal(step.status, -EMSGSIZE);
	assert_int_equal(step.child_count, 1);
	assert_int_equal(step.frame.len, step.data_offset);
	fence_engine_free(&engine);
}

static void a_member_must_be_in_the_set(void **state)
{
	const struct fence_tree tree = {2, 3, 2};
	struct fence_engine *engine = fence_engine_new(&tree, 60);
	struct fence_step step;
	struct fence_id id;
	struct err err;
	(void)state;
	assert_int_equal(fence_contribute(engine, FENCE_KIND_PMIX, signature, &both, 1, "", 0, &id,
					  &step, &err), -EINVAL);
	fence_engine_free(&engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_worlds),
		cmocka_unit_test(repeated_fences),
		cmocka_unit_test(one_node_sends_nothing),
		cmocka_unit_test(the_lowest_common_node_is_the_top),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(duplicates_are_refused),
		cmocka_unit_test(disagreement_is_refused),
		cmocka_unit_test(payload_is_bounded),
		cmocka_unit_test(a_member_must_be_in_the_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
