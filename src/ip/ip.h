/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip - the router: interfaces with addresses, routes, neighbours, and what a router says by itself.
 *
 * The road of a routed packet (pkt/stage.h):
 *
 *	l3-input          frames to the interface's MAC address or to a group, by type
 *	ip4-input         header, checksum, addresses that cannot be
 *	  ip4-pre-lookup      only where the interface asks for it (ip/feature.h)
 *	  ip4-lookup          the same as the rest of ip4-input, for what comes from there
 *	                  longest prefix (ip/lpm.h) --> hop (ip/hop.h) --> neighbour (ip/neigh.h)
 *	ip-local          addresses of ours: echo, neighbour discovery, UDP services (ip/service.h)
 *	icmp-error        what cannot go on: an ICMP message goes back
 *	  ip4-pre-output      only where the interface it leaves by asks for it (ip/feature.h)
 *	ip-fragment       what is too large and may be cut
 *	neighbor-output   Ethernet header from the neighbour; those whose neighbour is not known wait, copied
 *	bvi-output        bridged, if the interface is the BVI of a bridge
 *
 * Always true:
 * - An interface takes part while it has an address: iface->l3 is a struct ip_iface then. It is in one table (VRF) of
 *   routes, and all its addresses, neighbours and connected routes are there.
 * - The packet's data is at the Ethernet header, without tags, and the IP header right behind it: pkt_l3().
 * - Decisions work on the head. A head that more than one may have (a flooded frame) was copied by the bridge.
 * - What a packet still needs (a checksum that is begun, segmentation) travels along in pkt->offload.
 *
 * Threads: stages run in any worker; they read routes, hops and interfaces under RCU. Neighbours are written by workers
 * too, under a lock that nothing but rare work takes. Everything else is control's.
 */
#ifndef GINNEL_IP_IP_H
#define GINNEL_IP_IP_H

#include "pkt/turn.h"
#include "wire/ethernet.h"
#include "wire/ip_addr.h"

#include <jansson.h>

#define IP_TABLES_MAX      64
#define IP_ADDRS_MAX       16 /* of an interface */
#define IP_NEIGHS_MAX      8192
#define IP_NEIGHS_PER_PORT 2048

struct ip;

struct ip_config {
	struct iface_table *ifaces;
	uint32_t n_workers;
	uint64_t seed;
};

/* NULL when out of memory. */
struct ip *ip_create(const struct ip_config *config);
/* Interfaces that are still there lose their addresses. */
void ip_destroy(struct ip *ip);

/* Control has something to send: wake() makes worker 0 run a turn. Until it is set, packets wait for the next turn. */
void ip_set_waker(struct ip *ip, void (*wake)(void *subject), void *subject);

/* Control, about once a second. */
void ip_tick(struct ip *ip, uint64_t now_ns);

/* Worker 0, in every turn after receiving: packets that control made. Returns how many there were. */
uint32_t ip_turn_input(struct ip *ip, struct turn *turn);

/* --- interfaces; control --- */

/*
 * The interface gets an address, and becomes one of the router's (mode L3) with its first unless it is in a bridge. 0,
 * -EEXIST (it has it, or another in its table does), -EINVAL (no address of a station, or local0), -ENOSPC or -ENOMEM.
 */
int ip_iface_add_addr(struct ip *ip, struct iface *iface, const struct ip_prefix *prefix);
/* 0 or -ENOENT. With its last address the interface is the router's no more. */
int ip_iface_del_addr(struct ip *ip, struct iface *iface, const struct ip_prefix *prefix);
/* Its addresses go. Does nothing if it has none. */
void ip_iface_clear(struct ip *ip, struct iface *iface);
/* Another table of routes, that exists: for an interface without addresses. 0, -ENOENT, -EBUSY or -ENOMEM. */
int ip_iface_set_table(struct ip *ip, struct iface *iface, uint32_t table);

/* --- routes; control --- */

/* 0 (also if it exists), -ENOSPC or -ENOMEM. */
int ip_table_add(struct ip *ip, uint32_t table);
/* 0, -ENOENT, or -EBUSY: an interface uses it, or it is table 0. */
int ip_table_del(struct ip *ip, uint32_t table);

struct ip_path {
	bool drop;    /* blackhole: nothing else counts */
	bool has_via; /* a gateway */
	struct ip_addr via;
	struct iface *iface; /* NULL: the one whose network the gateway is in */
	uint8_t weight;      /* 0: 1 */
};

/*
 * One more way to a network, or the first; flows are spread over ways by weight. 0, -ENOENT (no such table),
 * -ENETUNREACH (the gateway is in no network of ours), -EEXIST (the path is there, or the network is an interface's
 * own), -EINVAL (families differ, or the interface is not the router's), -ENOSPC or -ENOMEM.
 */
int ip_route_add(struct ip *ip, uint32_t table, const struct ip_prefix *prefix, const struct ip_path *path);
/* One way, or with NULL all of them. 0, -ENOENT, or -EBUSY: it is an interface's own. */
int ip_route_del(struct ip *ip, uint32_t table, const struct ip_prefix *prefix, const struct ip_path *path);

/* --- neighbours; control --- */

/* 0, -EINVAL (the interface is not the router's, or the address is in none of its networks) or -ENOSPC. */
int ip_neigh_set(
	struct ip *ip, struct iface *iface, const struct ip_addr *addr, uint64_t mac, bool is_static);
/* 0 or -ENOENT. */
int ip_neigh_del(struct ip *ip, struct iface *iface, const struct ip_addr *addr);

/* Some interface has an address. */
bool ip_any(const struct ip *ip);
/* For a successor process; interfaces are in place. 0 or -errno. */
json_t *ip_save(struct ip *ip);
int ip_restore(struct ip *ip, const json_t *state);

/* The stages; subject: struct ip. */
void l3_input(void *subject, struct turn *turn, const struct vec *vec);
void arp_input(void *subject, struct turn *turn, const struct vec *vec);
void ip4_input(void *subject, struct turn *turn, const struct vec *vec);
void ip4_lookup(void *subject, struct turn *turn, const struct vec *vec);
void ip6_input(void *subject, struct turn *turn, const struct vec *vec);
void ip_local(void *subject, struct turn *turn, const struct vec *vec);
void icmp_error(void *subject, struct turn *turn, const struct vec *vec);
void ip_fragment(void *subject, struct turn *turn, const struct vec *vec);
void neigh_output(void *subject, struct turn *turn, const struct vec *vec);
/* Of a stage that nobody has taken yet: everything goes on as if it were not there. */
void ip4_pre_lookup_none(void *subject, struct turn *turn, const struct vec *vec);
void ip4_pre_output_none(void *subject, struct turn *turn, const struct vec *vec);

extern const struct ctl_type ip_address_type, ip_prefix_type; /* no subject */
extern const struct ctl_table ip_commands, ping_commands;     /* subject: struct ip */

/* The IP header of a packet in the router. */
static inline uint8_t *pkt_l3(const struct pkt *pkt)
{
	return pkt->data + ETHERNET_HEADER_LEN;
}

#endif
