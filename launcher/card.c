/*
 * card.c - a daemon's card: facts of the node, packed for the exchange (card.h).
 */
#include "launcher/card.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static void add_address(struct card *card, const struct sockaddr *address)
{
	if (card->address_count == CARD_ADDRESSES_MAX)
		return;
	struct in6_addr *place = &card->addresses[card->address_count];
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, address, sizeof in6);
		if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
			return;  /* means nothing without its interface */
		*place = in6.sin6_addr;
	} else {
		struct sockaddr_in in;
		memcpy(&in, address, sizeof in);
		*place = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
		memcpy(&place->s6_addr[12], &in.sin_addr, 4);
	}
	card->address_count++;
}

static void add_addresses(struct card *card, const struct ifaddrs *list, int family, bool loopback)
{
	for (const struct ifaddrs *one = list; one != NULL; one = one->ifa_next) {
		bool is_loopback = (one->ifa_flags & IFF_LOOPBACK) != 0;
		if (one->ifa_addr != NULL && one->ifa_addr->sa_family == family &&
		    (one->ifa_flags & IFF_UP) != 0 && is_loopback == loopback)
			add_address(card, one->ifa_addr);
	}
}

uint32_t card_usable_cores(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) == 0)
		return (uint32_t)CPU_COUNT(&set);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	return cores > 0 ? (uint32_t)cores : 1;
}

int card_of_this_node(struct card *card, struct err *err)
{
	*card = (struct card){.cores = card_usable_cores()};
	if (gethostname(card->node, sizeof card->node - 1) < 0)
		return err_errno(err, errno, "gethostname");
	struct ifaddrs *list;
	if (getifaddrs(&list) < 0)
		return err_errno(err, errno, "list of network interfaces");
	add_addresses(card, list, AF_INET, false);
	add_addresses(card, list, AF_INET6, false);
	if (card->address_count == 0)
		add_addresses(card, list, AF_INET, true);
	freeifaddrs(list);
	if (card->address_count == 0)
		return err_set(err, EADDRNOTAVAIL,
			       "no network interface with an address is up; the daemons need one");
	return 0;
}

void card_pack(const struct card *card, struct buf *out)
{
	buf_add_str(out, card->node);
	buf_add_u32(out, card->port);
	buf_add_u32(out, card->cores);
	buf_add_blob(out, card->addresses, card->address_count * sizeof card->addresses[0]);
}

int card_parse(const void *bytes, size_t len, struct card *card, struct err *err)
{
	struct cursor in = cursor_of(bytes, len);
	size_t addresses_len;
	*card = (struct card){0};
	cursor_str(&in, card->node, sizeof card->node);
	uint32_t port = cursor_u32(&in);
	card->cores = cursor_u32(&in);
	const char *addresses = cursor_blob(&in, &addresses_len);
	if (in.bad || cursor_left(&in) != 0 || port > UINT16_MAX ||
	    addresses_len > sizeof card->addresses ||
	    addresses_len % sizeof card->addresses[0] != 0)
		return err_set(err, EPROTO, "a daemon's card is malformed");
	card->port = (uint16_t)port;
	card->address_count = (uint32_t)(addresses_len / sizeof card->addresses[0]);
	memcpy(card->addresses, addresses, addresses_len);
	return 0;
}
