/*
 * auth_fuzz.c - no bytes of a peer without the key get through the handshake.
 *
 * The input is what the peer says: as a parent PROOF, as a child HELLO and REPLY.
 */
#include <stdlib.h>
#include <string.h>

#include "launcher/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[AUTH_KEY_SIZE] = {0x5a, 1, 2, 3};

static void as_parent(const uint8_t *data, size_t size)
{
	struct auth auth = {0};
	uint8_t hello[AUTH_HELLO_SIZE], proof[AUTH_PROOF_SIZE] = {0}, reply[AUTH_REPLY_SIZE];
	memcpy(proof, data, size < sizeof proof ? size : sizeof proof);
	auth_hello(&auth, 1, hello);
	if (auth_check_proof(&auth, key, proof, reply, NULL) == 0)
		abort();
}

static void as_child(const uint8_t *data, size_t size)
{
	struct auth auth = {0};
	uint8_t proof[AUTH_PROOF_SIZE], said[AUTH_HELLO_SIZE + AUTH_REPLY_SIZE] = {0};
	memcpy(said, data, size < sizeof said ? size : sizeof said);
	if (auth_read_hello(&auth, said, NULL) < 0)
		return;
	auth_prove(&auth, key, proof);
	if (auth_check_reply(&auth, key, said + AUTH_HELLO_SIZE, NULL) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_parent(data, size);
	as_child(data, size);
	return 0;
}
