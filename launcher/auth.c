/*
 * auth.c - the handshake's messages as values (auth.h).
 *
 * No input or output here: tree.c moves the bytes.  Randomness and HMAC are
 * libsodium's; its hmacsha256 functions need no sodium_init().
 */
#include "launcher/auth.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

#define AUTH_MAGIC 0x41706d63u  /* "cmpA" */
#define AUTH_VERSION 1u

_Static_assert(crypto_auth_hmacsha256_BYTES == AUTH_MAC_SIZE, "mac size");
_Static_assert(crypto_auth_hmacsha256_KEYBYTES == AUTH_KEY_SIZE, "key size");

static void make_mac(const struct auth *auth, const uint8_t key[AUTH_KEY_SIZE], const char *label,
		     uint8_t mac[AUTH_MAC_SIZE])
{
	crypto_auth_hmacsha256_state state;
	uint32_t child = htole32(auth->child);
	crypto_auth_hmacsha256_init(&state, key, AUTH_KEY_SIZE);
	/* With its NUL, so that no label is the beginning of another. */
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)label, strlen(label) + 1);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)&child, sizeof child);
	crypto_auth_hmacsha256_update(&state, auth->child_nonce, AUTH_NONCE_SIZE);
	crypto_auth_hmacsha256_update(&state, auth->parent_nonce, AUTH_NONCE_SIZE);
	crypto_auth_hmacsha256_final(&state, mac);
}

static int check_mac(const struct auth *auth, const uint8_t key[AUTH_KEY_SIZE], const char *label,
		     const uint8_t mac[AUTH_MAC_SIZE], struct err *err)
{
	uint8_t expected[AUTH_MAC_SIZE];
	make_mac(auth, key, label, expected);
	if (sodium_memcmp(expected, mac, sizeof expected) != 0)
		return err_set(err, EPERM, "the peer does not know this job's session key");
	return 0;
}

void auth_hello(struct auth *auth, uint32_t child, uint8_t hello[AUTH_HELLO_SIZE])
{
	uint32_t words[3] = {htole32(AUTH_MAGIC), htole32(AUTH_VERSION), htole32(child)};
	auth->child = child;
	randombytes_buf(auth->child_nonce, sizeof auth->child_nonce);
	memcpy(hello, words, sizeof words);
	memcpy(hello + sizeof words, auth->child_nonce, sizeof auth->child_nonce);
}

int auth_read_hello(struct auth *auth, const uint8_t hello[AUTH_HELLO_SIZE], struct err *err)
{
	uint32_t words[3];
	memcpy(words, hello, sizeof words);
	if (le32toh(words[0]) != AUTH_MAGIC)
		return err_set(err, EPROTO, "the peer is not a cmpid");
	if (le32toh(words[1]) != AUTH_VERSION)
		return err_set(err, EPROTO, "the peer speaks version %u of the daemons' protocol, not %u",
			       le32toh(words[1]), AUTH_VERSION);
	auth->child = le32toh(words[2]);
	memcpy(auth->child_nonce, hello + sizeof words, sizeof auth->child_nonce);
	return 0;
}

void auth_prove(struct auth *auth, const uint8_t key[AUTH_KEY_SIZE], uint8_t proof[AUTH_PROOF_SIZE])
{
	randombytes_buf(auth->parent_nonce, sizeof auth->parent_nonce);
	memcpy(proof, auth->parent_nonce, sizeof auth->parent_nonce);
	make_mac(auth, key, "parent", proof + AUTH_NONCE_SIZE);
}

int auth_check_proof(struct auth *auth, const uint8_t key[AUTH_KEY_SIZE],
		     const uint8_t proof[AUTH_PROOF_SIZE], uint8_t reply[AUTH_REPLY_SIZE],
		     struct err *err)
{
	memcpy(auth->parent_nonce, proof, sizeof auth->parent_nonce);
	int rc = check_mac(auth, key, "parent", proof + AUTH_NONCE_SIZE, err);
	if (rc < 0)
		return rc;
	make_mac(auth, key, "child", reply);
	return 0;
}

int auth_check_reply(const struct auth *auth, const uint8_t key[AUTH_KEY_SIZE],
		     const uint8_t reply[AUTH_REPLY_SIZE], struct err *err)
{
	return check_mac(auth, key, "child", reply, err);
}
