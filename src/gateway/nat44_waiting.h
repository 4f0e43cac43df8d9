/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nat44_waiting - fragments that came before the first one of their datagram, which alone has the ports.
 *
 * Networks may change the order, and some senders begin at the end. They are kept as whole frames, in the order in which
 * they came: NAT44_WAITING_MAX in all, and NAT44_WAITING_PER_PORT that one interface received, so that nobody takes the
 * place of all others. The first one brings them back. What has waited in vain is counted as DROP_NAT44_FRAGMENT of its
 * interface.
 *
 * The caller locks.
 */
#ifndef GINNEL_GATEWAY_NAT44_WAITING_H
#define GINNEL_GATEWAY_NAT44_WAITING_H

#include "gateway/nat44_fragments.h"
#include "pkt/turn.h"

/* A datagram of 64 KiB is 45 of Ethernet's. */
#define NAT44_WAITING_MAX      256u
#define NAT44_WAITING_PER_PORT 64
#define NAT44_WAITING_S        2

static_assert(
	(NAT44_WAITING_MAX & (NAT44_WAITING_MAX - 1)) == 0, "positions run through the end of their numbers");

struct nat44_waiting_fragment {
	struct nat44_datagram datagram;
	uint32_t rx, len, since_s;
	bool used; /* or it was brought back before those in front of it */
};

struct nat44_waiting {
	const struct iface_table *ifaces;
	uint8_t *bytes;      /* PKT_LEN_MAX for each; not there before something waits */
	uint32_t head, tail; /* free running: the next one that comes, the one that is here longest */
	uint8_t n_of_port[IFACE_MAX];
	struct nat44_waiting_fragment list[NAT44_WAITING_MAX];
};

/* False: out of memory. */
bool nat44_waiting_init(struct nat44_waiting *w, const struct iface_table *ifaces);
void nat44_waiting_fini(struct nat44_waiting *w);

static inline bool nat44_waiting_is_empty(const struct nat44_waiting *w)
{
	return w->head == w->tail;
}

/* A copy waits. False: there is no room. */
bool nat44_waiting_put(struct nat44_waiting *w, const struct nat44_datagram *datagram, const struct pkt *pkt,
	uint32_t now_s);
/* The next one of a datagram, as a packet of this turn; NULL: there is none. What the turn has no room for is dropped. */
struct pkt *nat44_waiting_take(
	struct nat44_waiting *w, struct turn *turn, const struct nat44_datagram *datagram);
void nat44_waiting_expire(struct nat44_waiting *w, struct turn *turn, uint32_t now_s);

#endif
