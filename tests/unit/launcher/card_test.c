/*
 * card_test.c - cards packed and parsed, and malformed ones.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "launcher/card.h"

static struct card some_card(void)
{
	struct card card = {.node = "nid000001.example", .port = 65535, .cores = 128,
			    .address_count = 2};
	inet_pton(AF_INET6, "::ffff:10.1.2.3", &card.addresses[0]);
	inet_pton(AF_INET6, "fd00::1", &card.addresses[1]);
	return card;
}

static void what_is_packed_is_parsed(void **state)
{
	AUTO_BUF struct buf packed = {0};
	struct card card = some_card(), parsed;
	(void)state;
	card_pack(&card, &packed);
	assert_int_equal(card_parse(packed.data, packed.len, &parsed, NULL), 0);
	assert_string_equal(parsed.node, card.node);
	assert_int_equal(parsed.port, 65535);
	assert_int_equal(parsed.cores, 128);
	assert_int_equal(parsed.address_count, 2);
	assert_memory_equal(parsed.addresses, card.addresses, 2 * sizeof card.addresses[0]);
}

static void every_truncation_is_refused(void **state)
{
	AUTO_BUF struct buf packed = {0};
	struct card card = some_card();
	struct err err;
	(void)state;
	card_pack(&card, &packed);
	for (size_t len = 0; len < packed.len; len++) {
		assert_int_equal(card_parse(packed.data, len, &card, &err), -EPROTO);
		assert_string_equal(err.text, "a daemon's card is malformed");
	}
	buf_add_u8(&packed, 0);
	assert_int_equal(card_parse(packed.data, packed.len, &card, &err), -EPROTO);
}

static int parse_made(const char *node, uint32_t port, size_t address_bytes)
{
	static const char addresses[1024];
	AUTO_BUF struct buf packed = {0};
	struct card card;
	buf_add_str(&packed, node);
	buf_add_u32(&packed, port);
	buf_add_u32(&packed, 1);
	buf_add_blob(&packed, addresses, address_bytes);
	return card_parse(packed.data, packed.len, &card, NULL);
}

static void what_does_not_fit_is_refused(void **state)
{
	char long_name[HOSTLIST_NAME_MAX + 1] = {0};
	(void)state;
	memset(long_name, 'n', HOSTLIST_NAME_MAX);
	assert_int_equal(parse_made("n", 1, 0), 0);
	assert_int_equal(parse_made("n", 65536, 0), -EPROTO);
	assert_int_equal(parse_made("n", 1, 15), -EPROTO);
	assert_int_equal(parse_made("n", 1, 8 * 16), 0);
	assert_int_equal(parse_made("n", 1, 9 * 16), -EPROTO);
	assert_int_equal(parse_made(long_name, 1, 0), -EPROTO);
	long_name[HOSTLIST_NAME_MAX - 1] = '\0';
	assert_int_equal(parse_made(long_name, 1, 0), 0);
}

static void this_node_has_a_card(void **state)
{
	struct card card;
	char name[HOSTLIST_NAME_MAX] = "";
	(void)state;
	assert_int_equal(card_of_this_node(&card, NULL), 0);
	gethostname(name, sizeof name - 1);
	assert_string_equal(card.node, name);
	assert_true(card.cores >= 1);
	assert_true(card.address_count >= 1 && card.address_count <= CARD_ADDRESSES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_packed_is_parsed),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(this_node_has_a_card),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
