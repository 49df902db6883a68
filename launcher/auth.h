/*
 * auth.h - both ends of a tree connection prove that they know the session key.
 *
 * The key (32 random bytes) came by MPI, so whoever has it is a daemon of this
 * job.  Three messages of fixed size, before which nothing is believed:
 *
 *	child  -> parent   HELLO  magic, version, child index, nonce C
 *	parent -> child    PROOF  nonce P, mac(key, "parent", child, C, P)
 *	child  -> parent   REPLY  mac(key, "child", child, C, P)
 *
 * mac is HMAC-SHA-256 (RFC 2104) over label, index and both nonces: neither
 * side's message can be played back to the other, nor in another connection.
 */
#ifndef LAUNCHER_AUTH_H
#define LAUNCHER_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum {
	AUTH_KEY_SIZE = 32,
	AUTH_NONCE_SIZE = 32,
	AUTH_MAC_SIZE = 32,
	AUTH_HELLO_SIZE = 12 + AUTH_NONCE_SIZE,
	AUTH_PROOF_SIZE = AUTH_NONCE_SIZE + AUTH_MAC_SIZE,
	AUTH_REPLY_SIZE = AUTH_MAC_SIZE,
};

/* One side of one handshake. */
struct auth {
	uint8_t child_nonce[AUTH_NONCE_SIZE], parent_nonce[AUTH_NONCE_SIZE];
	uint32_t child;
};

/* Child: makes HELLO; later checks PROOF (-EPERM: the peer has another key) and makes REPLY. */
void auth_hello(struct auth *auth, uint32_t child, uint8_t hello[AUTH_HELLO_SIZE]);
int auth_check_proof(struct auth *auth, const uint8_t key[AUTH_KEY_SIZE],
		     const uint8_t proof[AUTH_PROOF_SIZE], uint8_t reply[AUTH_REPLY_SIZE],
		     struct err *err);

/* Parent: reads HELLO (-EPROTO: not one of us), makes PROOF; later checks REPLY (-EPERM). */
int auth_read_hello(struct auth *auth, const uint8_t hello[AUTH_HELLO_SIZE], struct err *err);
void auth_prove(struct auth *auth, const uint8_t key[AUTH_KEY_SIZE],
		uint8_t proof[AUTH_PROOF_SIZE]);
int auth_check_reply(const struct auth *auth, const uint8_t key[AUTH_KEY_SIZE],
		     const uint8_t reply[AUTH_REPLY_SIZE], struct err *err);

#endif
