/*
 * The model as values: it is the formula, its choice is the best of all candidates, and for the cases
 * that matter the choice is what it should be.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bcast/chunk.h"
#include "bcast/model.h"

#define MIB (1ull << 20)
#define GB 1000000000ull

static const struct model_link slow = {.bandwidth = 25e6, .latency = 100e-6};  /* 200 Mbit/s */
static const struct model_link fast = {.bandwidth = 25e9, .latency = 2e-6};

static struct model_choice choose(uint64_t size, int ranks, int readers, struct model_link link)
{
	const struct model_question question = {
		.size = size, .ranks = ranks, .readers = readers, .link = link};
	struct model_choice choice;
	model_choose(&question, &choice);
	return choice;
}

static double limit(uint64_t size, struct model_link link)
{
	return (double)size / link.bandwidth;
}

/* 16 chunks of 1 MiB at 1 MiB/s and 1 s a message. */
static void test_formula(void **state)
{
	(void)state;
	struct model_question question = {
		.size = 16 * MIB, .ranks = 9, .readers = 1, .link = {(double)MIB, 1}};
	assert_float_equal(model_seconds(&question, SCHEDULE_CHAIN, MIB), 32 + 2 * 7 * 2, 1e-9);
	assert_float_equal(model_seconds(&question, SCHEDULE_TWO_TREE, MIB),
			   16 * MODEL_TWO_TREE_SHARE + 16 + 2 * 3 * 2, 1e-9);
	question.readers = 2;
	assert_float_equal(model_seconds(&question, SCHEDULE_CHAIN, MIB), 32 + 2 * 2 * 7 * 2, 1e-9);
	question.ranks = 2;
	assert_float_equal(model_seconds(&question, SCHEDULE_CHAIN, MIB), 32, 1e-9);
	question.ranks = 1;
	assert_float_equal(model_seconds(&question, SCHEDULE_CHAIN, MIB), 0, 1e-9);
}

static void test_is_the_best(void **state)
{
	static const uint64_t sizes[] = {0, 1, 65536, 64 * MIB, GB, 10 * GB, 1000 * GB};
	static const int ranks[] = {1, 2, 3, 8, 16, 100, 4096, 65536};
	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (size_t j = 0; j < sizeof ranks / sizeof *ranks; j++) {
			const struct model_question question = {
				.size = sizes[i], .ranks = ranks[j], .readers = 1, .link = fast};
			struct model_choice choice;
			model_choose(&question, &choice);
			assert_true(choice.seconds ==
				    model_seconds(&question, choice.kind, choice.chunk_size));
			assert_in_range(choice.chunk_size, MODEL_CHUNK_MIN, chunk_size_for(sizes[i]));
			for (uint32_t chunk = MODEL_CHUNK_MIN; chunk <= chunk_size_for(sizes[i]); chunk *= 2) {
				assert_true(ranks[j] > MODEL_CHAIN_MAX ||
					    choice.seconds <= 1.0101 *
					    model_seconds(&question, SCHEDULE_CHAIN, chunk));
				assert_true(choice.seconds <=
					    1.0101 * model_seconds(&question, SCHEDULE_TWO_TREE, chunk));
			}
		}
}

/* A slow network: the pipeline is full soon. */
static void test_slow_link(void **state)
{
	static const uint64_t sizes[] = {64 * MIB, 256 * MIB};
	static const int ranks[] = {8, 16};
	(void)state;
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++) {
			struct model_choice choice = choose(sizes[i], ranks[j], 1, slow);
			assert_true(choice.seconds <= 1.08 * limit(sizes[i], slow));
			/* Not knowing the link costs little. */
			struct model_choice blind = choose(sizes[i], ranks[j], 1, model_link_unknown);
			const struct model_question question = {
				.size = sizes[i], .ranks = ranks[j], .readers = 1, .link = slow};
			assert_true(model_seconds(&question, blind.kind, blind.chunk_size) <=
				    1.10 * limit(sizes[i], slow));
		}
}

static void test_large_machine(void **state)
{
	(void)state;
	struct model_choice choice = choose(1 * GB, 4096, 1, fast);
	assert_int_equal(choice.kind, SCHEDULE_TWO_TREE);
	assert_true(choice.seconds <= 1.15 * limit(1 * GB, fast));
	choice = choose(10 * GB, 4096, 1, fast);
	assert_int_equal(choice.kind, SCHEDULE_TWO_TREE);
	assert_true(choice.seconds <= 1.09 * limit(10 * GB, fast));
	choice = choose(10 * GB, 10000, 4, fast);
	assert_int_equal(choice.kind, SCHEDULE_TWO_TREE);
	assert_true(choice.seconds <= 1.2 * limit(10 * GB, fast));
}

/* Few nodes: a chain is nearly as shallow as the trees, and nobody shares a link. */
static void test_few_nodes(void **state)
{
	(void)state;
	for (int ranks = 1; ranks <= 4; ranks++)
		assert_int_equal(choose(GB, ranks, 1, fast).kind, SCHEDULE_CHAIN);
	assert_int_equal(choose(GB, 64, 1, fast).kind, SCHEDULE_TWO_TREE);
}

static void test_chunk_max(void **state)
{
	(void)state;
	assert_int_equal(chunk_size_for(0), 1 * MIB);
	assert_int_equal(chunk_size_for(GB - 1), 1 * MIB);
	assert_int_equal(chunk_size_for(GB), 2 * MIB);
	assert_int_equal(chunk_size_for(2 * GB), 4 * MIB);
	assert_int_equal(chunk_size_for(4 * GB), 8 * MIB);
	assert_int_equal(chunk_size_for(UINT64_MAX), 8 * MIB);
	/* Where the pipeline's filling does not matter, it is taken. */
	assert_int_equal(choose(100 * GB, 8, 1, fast).chunk_size, 8 * MIB);
}

static void test_stripe(void **state)
{
	static const uint64_t stripes[] = {1 * MIB, 4 * MIB, 16 * MIB, 3 * MIB, 192 << 10};
	(void)state;
	for (size_t i = 0; i < sizeof stripes / sizeof *stripes; i++) {
		const struct model_question question = {
			.size = 100 * GB, .ranks = 8, .readers = 1, .stripe = stripes[i], .link = fast};
		struct model_choice choice;
		model_choose(&question, &choice);
		assert_true(stripes[i] % choice.chunk_size == 0 || choice.chunk_size % stripes[i] == 0);
	}
	/* A stripe that no power of two fits changes nothing. */
	const struct model_question odd = {
		.size = 100 * GB, .ranks = 8, .readers = 1, .stripe = 1000000, .link = fast};
	struct model_choice choice;
	model_choose(&odd, &choice);
	assert_int_equal(choice.chunk_size, 8 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formula),
		cmocka_unit_test(test_is_the_best),
		cmocka_unit_test(test_slow_link),
		cmocka_unit_test(test_large_machine),
		cmocka_unit_test(test_few_nodes),
		cmocka_unit_test(test_chunk_max),
		cmocka_unit_test(test_stripe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
