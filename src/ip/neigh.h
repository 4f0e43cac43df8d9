/* SPDX-License-Identifier: Apache-2.0 */
/*
 * neigh - neighbours: stations on our networks, and which MAC address each has. Packets whose neighbour's address is not
 * known yet wait here.
 *
 * A neighbour is a number. What a worker needs to send is one atomic word, the MAC address and its state, and the
 * interface; where nothing changes, nobody takes the lock. Finding one by address goes along a chain of a hash table that
 * is read without the lock, too. Neighbours are made by workers (the first packet to an address) and by control (gateways
 * of routes, static ones), and removed by control alone, which waits for the workers before a place is used again.
 *
 * The life of a neighbour that is not static, with times in seconds of the control's clock:
 *
 *	unknown      packets wait (NEIGH_WAIT_MAX); a request a second, NEIGH_TRIES in all
 *	known        an answer, or a request of its own, confirmed it less than NEIGH_FRESH_S ago
 *	doubtful     known for longer, and in use: requests go to it while packets still do
 *	failed       no answer: packets are dropped, those that waited are told unreachable; forgotten after a while
 *
 * Limits: places in all, places per interface, packets that wait in all and per neighbour.
 */
#ifndef GINNEL_IP_NEIGH_H
#define GINNEL_IP_NEIGH_H

#include "ip/lock.h"
#include "pkt/turn.h"
#include "wire/ip_addr.h"

#define NEIGH_BUCKETS  8192
#define NEIGH_TRIES    3
#define NEIGH_FRESH_S  60
#define NEIGH_UNUSED_S 600
#define NEIGH_FAILED_S 3

/* Packets that wait. */
#define NEIGH_WAIT_ALL 256
#define NEIGH_WAIT_MAX 16

/* Of the word; the MAC address is above them. */
enum neigh_bit {
	NEIGH_KNOWN = 1,
	NEIGH_STATIC = 2,
	NEIGH_FAILED = 4,
	NEIGH_DEAD = 8, /* was removed: a worker that still has its number may not put packets here */
	NEIGH_MAC_SHIFT = 16,
};

struct neigh {
	_Alignas(CACHE_LINE) uint64_t word; /* atomic; written under the lock */
	uint64_t src_mac;                   /* the interface's */
	struct iface *iface;
	uint32_t used_s;     /* relaxed atomic */
	uint32_t features;   /* of the interface; relaxed atomic */
	uint32_t chain;      /* the next of its bucket; atomic */
	struct ip_addr addr; /* never changes, nor do the above two */
	/* under the lock */
	bool listed;
	uint8_t tries;
	uint16_t n_waiting;
	uint32_t waiting; /* the first packet; they are in order */
	uint32_t refs;    /* hops that lead here */
	uint32_t confirmed_s, asked_s;
};

/* A packet that waits: all of it. */
struct neigh_packet {
	uint32_t next; /* or of the free ones */
	uint32_t len;
	uint32_t neigh;
	uint32_t rx; /* an interface's index */
	struct pkt_offload offload;
	uint8_t *bytes; /* PKT_LEN_MAX */
};

struct neighs {
	struct neigh *list; /* place 0 is none */
	uint32_t buckets[NEIGH_BUCKETS];
	struct lock lock;
	uint64_t seed;
	/* under the lock */
	uint32_t n, n_free;
	uint32_t *spare;
	struct neigh_packet *packets; /* 0 is none */
	uint8_t *packet_bytes;
	uint32_t free_packet;
};

struct ip;
struct ip_iface;

int neighs_init(struct neighs *ns, uint64_t seed);
void neighs_fini(struct neighs *ns);

/* 0: there is none. */
uint32_t neigh_find(const struct neighs *ns, const struct iface *iface, const struct ip_addr *addr);
/* The same, made if it is missing. 0: there are too many. */
uint32_t neigh_get(struct ip *ip, const struct ip_iface *l3, const struct ip_addr *addr);

/*
 * Somebody has told its address. It is noted at a neighbour that is there; at a new one only if make is set. Packets that
 * waited are pushed to STAGE_NEIGH_OUTPUT, as many as the turn has room for.
 */
void neigh_learn(struct ip *ip, struct turn *turn, const struct ip_iface *l3, const struct ip_addr *addr,
	uint64_t mac, bool make);

/* --- control --- */

/* A hop leads to it (1), or no more (-1). */
void neigh_ref(struct ip *ip, uint32_t neigh, int by);
/* All of an interface's go, used or not: their hops have gone before. */
void neighs_forget(struct ip *ip, const struct iface *iface);
void neigh_features(struct ip *ip, const struct iface *iface, uint32_t features);
/* Once a second: ask, ask again, forget. */
void neighs_tick(struct ip *ip);

/* One that waited and waits no more: made a packet of this turn, and its place is free. NULL: the turn has no room. */
struct pkt *neigh_packet_take(struct ip *ip, struct turn *turn, uint32_t packet);

static inline uint64_t neigh_word(const struct neigh *n)
{
	return __atomic_load_n(&n->word, __ATOMIC_RELAXED);
}

static inline uint64_t neigh_mac(uint64_t word)
{
	return word >> NEIGH_MAC_SHIFT;
}

#endif
