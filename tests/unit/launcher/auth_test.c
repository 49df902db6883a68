/*
 * auth_test.c - the handshake as values: good, wrong key, replayed, tampered with.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "launcher/auth.h"

static const uint8_t right[AUTH_KEY_SIZE] = {1, 2, 3}, wrong[AUTH_KEY_SIZE] = {1, 2, 4};

/* The three messages of one handshake, and both of its ends. */
struct talk {
	struct auth child, parent;
	uint8_t hello[AUTH_HELLO_SIZE], proof[AUTH_PROOF_SIZE], reply[AUTH_REPLY_SIZE];
};

static void say_hello_and_prove(struct talk *talk, uint32_t child, const uint8_t *parent_key)
{
	*talk = (struct talk){0};
	auth_hello(&talk->child, child, talk->hello);
	assert_int_equal(auth_read_hello(&talk->parent, talk->hello, NULL), 0);
	auth_prove(&talk->parent, parent_key, talk->proof);
}

static void both_know_the_key(void **state)
{
	struct talk talk;
	(void)state;
	say_hello_and_prove(&talk, 4711, right);
	assert_int_equal(talk.parent.child, 4711);
	assert_int_equal(auth_check_proof(&talk.child, right, talk.proof, talk.reply, NULL), 0);
	assert_int_equal(auth_check_reply(&talk.parent, right, talk.reply, NULL), 0);
}

static void a_parent_with_another_key_is_refused(void **state)
{
	struct talk talk;
	struct err err;
	(void)state;
	say_hello_and_prove(&talk, 1, wrong);
	assert_int_equal(auth_check_proof(&talk.child, right, talk.proof, talk.reply, &err), -EPERM);
	assert_string_equal(err.text, "the peer does not know this job's session key");
	/* And it was told nothing that it could use. */
	static const uint8_t nothing[AUTH_REPLY_SIZE];
	assert_memory_equal(talk.reply, nothing, sizeof nothing);
}

static void a_child_with_another_key_is_refused(void **state)
{
	struct talk talk, forged;
	(void)state;
	say_hello_and_prove(&talk, 1, right);
	/* It cannot check the proof either, so it goes on regardless, with its own key. */
	forged = talk;
	auth_prove(&forged.parent, wrong, forged.proof);
	memcpy(forged.proof, talk.proof, AUTH_NONCE_SIZE);
	auth_check_proof(&forged.child, wrong, forged.proof, forged.reply, NULL);
	assert_int_equal(auth_check_reply(&talk.parent, right, forged.reply, NULL), -EPERM);
}

/* A whole recorded conversation does not open a second connection. */
static void replay_is_refused(void **state)
{
	struct talk recorded, fresh;
	(void)state;
	say_hello_and_prove(&recorded, 1, right);
	auth_check_proof(&recorded.child, right, recorded.proof, recorded.reply, NULL);

	fresh = (struct talk){0};
	assert_int_equal(auth_read_hello(&fresh.parent, recorded.hello, NULL), 0);
	auth_prove(&fresh.parent, right, fresh.proof);
	assert_int_equal(auth_check_reply(&fresh.parent, right, recorded.reply, NULL), -EPERM);

	auth_hello(&fresh.child, 1, fresh.hello);
	assert_int_equal(auth_check_proof(&fresh.child, right, recorded.proof, fresh.reply, NULL),
			 -EPERM);
}

/* The parent's own mac, sent back to it, is not the child's. */
static void reflection_is_refused(void **state)
{
	struct talk talk;
	(void)state;
	say_hello_and_prove(&talk, 1, right);
	assert_int_equal(
		auth_check_reply(&talk.parent, right, talk.proof + AUTH_NONCE_SIZE, NULL), -EPERM);
}

/* Each byte of each message matters: changed by one bit, the handshake fails somewhere. */
static bool survives(size_t message, size_t byte)
{
	struct talk talk = {0};
	uint8_t *const messages[] = {talk.hello, talk.proof, talk.reply};
	auth_hello(&talk.child, 1, talk.hello);
	if (message == 0)
		messages[0][byte] ^= 1;
	if (auth_read_hello(&talk.parent, talk.hello, NULL) < 0)
		return false;
	auth_prove(&talk.parent, right, talk.proof);
	if (message == 1)
		messages[1][byte] ^= 1;
	if (auth_check_proof(&talk.child, right, talk.proof, talk.reply, NULL) < 0)
		return false;
	if (message == 2)
		messages[2][byte] ^= 1;
	return auth_check_reply(&talk.parent, right, talk.reply, NULL) == 0;
}

static void tampering_is_noticed(void **state)
{
	static const size_t sizes[] = {AUTH_HELLO_SIZE, AUTH_PROOF_SIZE, AUTH_REPLY_SIZE};
	(void)state;
	assert_true(survives(3, 0));
	for (size_t message = 0; message < 3; message++)
		for (size_t byte = 0; byte < sizes[message]; byte++)
			assert_false(survives(message, byte));
}

static void strangers_are_told_apart(void **state)
{
	uint8_t hello[AUTH_HELLO_SIZE] = "GET / HTTP/1.1\r\n";
	struct auth auth;
	struct err err;
	(void)state;
	assert_int_equal(auth_read_hello(&auth, hello, &err), -EPROTO);
	assert_string_equal(err.text, "the peer is not a cmpid");
	auth_hello(&auth, 1, hello);
	hello[4] = 2;
	assert_int_equal(auth_read_hello(&auth, hello, &err), -EPROTO);
	assert_string_equal(err.text,
			    "the peer speaks version 2 of the daemons' protocol, not 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_know_the_key),
		cmocka_unit_test(a_parent_with_another_key_is_refused),
		cmocka_unit_test(a_child_with_another_key_is_refused),
		cmocka_unit_test(replay_is_refused),
		cmocka_unit_test(reflection_is_refused),
		cmocka_unit_test(tampering_is_noticed),
		cmocka_unit_test(strangers_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
