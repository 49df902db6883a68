/*
 * card.h - what a daemon tells all others of itself, through cmpi-bcast.
 */
#ifndef LAUNCHER_CARD_H
#define LAUNCHER_CARD_H

#include <netinet/in.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/hostlist.h"

enum { CARD_ADDRESSES_MAX = 8 };

struct card {
	char node[HOSTLIST_NAME_MAX];  /* gethostname(2) there */
	uint16_t port;                 /* of the control tree's listener, host order */
	uint32_t cores;                /* that the daemon may use */
	uint32_t address_count;
	struct in6_addr addresses[CARD_ADDRESSES_MAX];  /* IPv4 as ::ffff:a.b.c.d */
};

/* CPUs that this process may run on. */
uint32_t card_usable_cores(void);

/* Fills in name, cores and the addresses of the interfaces that are up: others
 * first, loopback only when there is nothing else (a test on one host). */
int card_of_this_node(struct card *card, struct err *err);

void card_pack(const struct card *card, struct buf *out);
/* -EPROTO for anything malformed. */
int card_parse(const void *bytes, size_t len, struct card *card, struct err *err);

#endif
