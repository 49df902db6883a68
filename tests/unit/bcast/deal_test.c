/*
 * The order of reading: raised, then ordered, then from front to back; each chunk once, whoever
 * asks for what.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "bcast/deal.h"

static struct deal *make(uint64_t count, unsigned reader, unsigned readers, const uint64_t *order,
			 size_t order_count, const uint8_t *known)
{
	struct deal *deal;
	assert_int_equal(deal_new(count, reader, readers, order, order_count, known, &deal, NULL), 0);
	return deal;
}

static void expect(struct deal *deal, const uint64_t *chunks, size_t count)
{
	uint64_t chunk;
	for (size_t i = 0; i < count; i++) {
		assert_true(deal_take(deal, &chunk));
		assert_int_equal(chunk, chunks[i]);
	}
}

static void expect_end(struct deal *deal)
{
	uint64_t chunk;
	assert_false(deal_take(deal, &chunk));
	deal_free(&deal);
}

static void test_front_to_back(void **state)
{
	(void)state;
	struct deal *deal = make(4, 0, 1, NULL, 0, NULL);
	expect(deal, (const uint64_t[]){0, 1, 2, 3}, 4);
	expect_end(deal);
	expect_end(make(0, 0, 1, NULL, 0, NULL));
}

static void test_order_and_readers(void **state)
{
	(void)state;
	static const uint64_t order[] = {9, 8, 100, 3, 9, 0};
	struct deal *deal = make(10, 0, 3, order, 6, NULL);
	expect(deal, (const uint64_t[]){9, 3, 0, 6}, 4);
	expect_end(deal);
	deal = make(10, 2, 3, order, 6, NULL);
	expect(deal, (const uint64_t[]){8, 2, 5}, 3);
	expect_end(deal);
}

static void test_raise(void **state)
{
	(void)state;
	static const uint64_t order[] = {7, 6};
	static const uint8_t known[10] = {[1] = 1, [4] = 1};
	struct deal *deal = make(10, 0, 1, order, 2, known);
	expect(deal, (const uint64_t[]){7}, 1);
	deal_raise(deal, 9, NULL);
	deal_raise(deal, 7, NULL);   /* dealt */
	deal_raise(deal, 4, NULL);   /* known */
	deal_raise(deal, 10, NULL);  /* none */
	deal_raise(deal, 3, NULL);
	deal_raise(deal, 9, NULL);
	expect(deal, (const uint64_t[]){9, 3, 6, 0, 2, 5, 8}, 7);
	expect_end(deal);
}

/* Whatever is raised when: each chunk once. */
static void test_each_once(void **state)
{
	(void)state;
	enum { COUNT = 257 };
	srand(1);
	for (unsigned readers = 1; readers <= 5; readers++) {
		uint8_t seen[COUNT] = {0};
		for (unsigned reader = 0; reader < readers; reader++) {
			struct deal *deal = make(COUNT, reader, readers, NULL, 0, NULL);
			uint64_t chunk;
			while (deal_take(deal, &chunk)) {
				assert_int_equal(chunk % readers, reader);
				seen[chunk]++;
				deal_raise(deal, (uint64_t)rand() % COUNT, NULL);
			}
			deal_free(&deal);
		}
		for (size_t i = 0; i < COUNT; i++)
			assert_int_equal(seen[i], 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_front_to_back),
		cmocka_unit_test(test_order_and_readers),
		cmocka_unit_test(test_raise),
		cmocka_unit_test(test_each_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
