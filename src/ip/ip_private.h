/* SPDX-License-Identifier: Apache-2.0 */
/* ip_private - what the files behind ip/ip.h share. */
#ifndef GINNEL_IP_IP_PRIVATE_H
#define GINNEL_IP_IP_PRIVATE_H

#include "base/random.h"
#include "base/units.h"
#include "ip/feature.h"
#include "ip/hop.h"
#include "ip/ip.h"
#include "ip/limit.h"
#include "ip/lock.h"
#include "ip/lpm.h"
#include "ip/neigh.h"
#include "ip/outbox.h"
#include "ip/ping.h"
#include "ip/service.h"
#include "os/rcu.h"
#include "wire/icmp.h"
#include "wire/ip.h"

/* Nodes of a tree of routes: 32 bytes each. A million of routes takes a quarter of that, spread as far as they can be more. */
#define IP_ROUTE_NODES_MAX (1u << 22)

/* A table of routes. Never moves while an interface is in it. */
struct ip_table {
	uint32_t id;
	struct lpm fib4, fib6; /* values: hops */
};

/* What outlives a change of an interface's addresses: written by workers. */
struct ip_iface_state {
	struct limit arp[IFACE_LANES_MAX];    /* requests and solicitations that it may send us */
	struct limit errors[IFACE_LANES_MAX]; /* ICMP errors that we send because of it */
	uint32_t n_neighs;                    /* under the neighbours' lock */
	uint32_t conflicts;                   /* somebody else claims an address of ours; relaxed atomic */
	uint32_t conflicts_logged;            /* control */
};

/* What iface->l3 points to. Never changes: control publishes another one. */
struct ip_iface {
	struct ip *ip;
	struct iface *iface;
	struct ip_table *table;
	struct ip_iface_state *state;
	uint64_t mac;
	uint32_t features; /* enum ip_feature bits */
	bool proxy_arp;
	bool ra;  /* tells hosts that it routes */
	bool ip6; /* has an address of IPv6, and with it a link-local one */
	struct ip_addr link_local;
	uint32_t connected; /* the hop of its networks */
	uint32_t n_addrs;
	struct ip_prefix addrs[IP_ADDRS_MAX];
};

struct ip_service {
	uint16_t port, last; /* all of these ports */
	ip_udp_fn *fn;
	void *subject;
};

/* Never changes: control publishes another one. */
struct ip_services {
	uint32_t n;
	struct ip_service list[IP_SERVICES_MAX];
};

struct ip_fragments;

struct ip {
	struct hops hops;
	struct neighs neighs;
	struct ip_services *services; /* rcu_load() */
	struct ip_fragments *fragments;
	struct memo *memos; /* each worker's, then that of control's trials */
	struct pings *pings;
	struct outbox outbox;
	uint32_t now_s;   /* at the last turn of worker 0; what a neighbour's use is counted in */
	uint16_t next_id; /* of datagrams that we send; relaxed atomic */
	uint64_t seed;
	/* control's own */
	struct iface_table *ifaces;
	uint32_t n_workers;
	uint64_t now_ns; /* at the last ip_tick() */
	struct random random;
	uint32_t n_tables;
	struct ip_table *tables[IP_TABLES_MAX];
};

static inline const struct ip_iface *ip_iface_of(const struct iface *iface)
{
	return rcu_load(iface->l3);
}

/* NULL if there is none. */
struct ip_table *ip_table_find(const struct ip *ip, uint32_t id);
static inline struct lpm *ip_table_fib(struct ip_table *t, bool ip6)
{
	return ip6 ? &t->fib6 : &t->fib4;
}

static inline bool ip4_is_special(uint32_t dst)
{
	return unlikely(dst - 0x01000000u >= 0xe0000000u - 0x01000000u) || unlikely(dst >> 24 == 127);
}

/*
 * The hop of an address for which the routes have this one. 0/8, 127/8, groups and what is behind them are no routes, which
 * would fill an eighth of the tree's root.
 */
static inline uint32_t ip4_hop_found(uint32_t dst, uint32_t found)
{
	if (ip4_is_special(dst)) {
		if (dst == UINT32_MAX)
			return HOP_BROADCAST;
		return dst >> 28 == 14 ? HOP_MULTICAST : HOP_MARTIAN;
	}
	return found;
}

static inline uint32_t ip4_hop(const struct ip_table *t, uint32_t dst)
{
	uint8_t addr[IP4_LEN];

	be32_set(addr, dst);
	return ip4_hop_found(dst, lpm_lookup(&t->fib4, addr));
}

/* An address of ours, as packets at that interface see it. */
static inline bool ip_is_own(const struct ip_iface *l3, const struct ip_addr *addr)
{
	return lpm_lookup(ip_table_fib(l3->table, addr->ip6), addr->bytes) == HOP_LOCAL ||
	       (addr->ip6 && l3->ip6 && ip_addr_same(addr, &l3->link_local));
}

/* Removes the routes that lead out by an interface. */
void ip_routes_forget(struct ip *ip, struct ip_table *t, const struct iface *iface);
/* A route of the house: over what is there. 0 or -errno. */
int ip_route_set_hop(struct ip *ip, struct ip_table *t, const struct ip_prefix *prefix, uint32_t hop);
void ip_route_del_hop(struct ip *ip, struct ip_table *t, const struct ip_prefix *prefix);
/* It comes with an interface's address, or is fixed: nobody adds or deletes it. */
bool ip_is_house_route(const struct ip *ip, const struct ip_prefix *prefix, uint32_t hop);
/* The one who listens, or NULL. */
const struct ip_service *ip_service_find(const struct ip *ip, uint16_t port);

/* --- sending; stages --- */

/* A hop limit of packets of ours. */
#define IP_OWN_TTL 64

/*
 * Pushes a packet of ours, whose IP header is complete, on its way: to its neighbour by the routes of l3's table. False:
 * there is no way, and the packet is dropped.
 */
bool ip_send(struct ip *ip, struct turn *turn, const struct ip_iface *l3, struct pkt *pkt);
/* A frame that is complete, Ethernet header and all, leaves by iface. */
void ip_send_frame(struct turn *turn, struct pkt *pkt, struct iface *iface);
/* The neighbour of a routed address: *neigh, or a reason why there is none. */
enum drop ip4_way(struct ip *ip, const struct ip_iface *l3, const uint8_t *p, uint32_t len, uint32_t *neigh);
enum drop ip6_way(struct ip *ip, const struct ip_iface *l3, const uint8_t *p, uint32_t len, uint32_t *neigh);

static inline uint32_t ip_header_len(bool ip6)
{
	return ip6 ? 40 : 20;
}

/* --- who does what in STAGE_IP_LOCAL --- */

/* l4: where the message starts in the frame; len: its length. */
void icmp4_local(struct ip *ip, struct turn *turn, struct pkt *pkt, uint32_t l4, uint32_t len, bool to_group);
void icmp6_local(struct ip *ip, struct turn *turn, struct pkt *pkt, uint32_t l4, uint32_t len, bool to_group);
/* A message of neighbour discovery whose checksum is right. */
void nd_input(struct ip *ip, struct turn *turn, struct pkt *pkt, uint32_t l4, uint32_t len);
/* A message of ICMPv6 at p + 40 gets its checksum; p: the IP header of len bytes of payload. */
void icmp6_csum(uint8_t *p, uint32_t len);
/* A request for a neighbour's address, to be pushed on; NULL: no packet is left. unicast: to the one it has. */
struct pkt *arp_request(struct turn *turn, const struct neigh *n, bool unicast);
struct pkt *nd_solicit(struct turn *turn, const struct neigh *n, bool unicast);

/* --- ICMP errors --- */

/* Pushes a packet to STAGE_ICMP_ERROR: it is dropped there for `drop`, and its sender is told, with info as MTU. */
static inline enum stage icmp_tell(struct pkt *pkt, enum drop drop, uint8_t type, uint8_t code, uint16_t info)
{
	pkt->drop = (uint16_t)drop;
	pkt->icmp = (uint32_t)type << 24 | (uint32_t)code << 16 | info;
	return STAGE_ICMP_ERROR;
}

#endif
