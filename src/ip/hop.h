/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hop - what a route leads to: one of a few kinds, shared by all routes that lead to the same.
 *
 * Hops are numbers, the values in the trees of routes. A worker reads a hop; control makes it, and uses its place again
 * when no route has it any more and all workers have ended a turn. A hop never changes while it is used.
 *
 * Several ways are a group: HOP_BUCKETS places, filled by weight, of which a flow's hash picks one.
 */
#ifndef GINNEL_IP_HOP_H
#define GINNEL_IP_HOP_H

#include "pkt/iface.h"
#include "wire/ip_addr.h"

#include <stdbool.h>
#include <stdint.h>

#define HOPS_MAX      65536
#define HOP_BUCKETS   64
#define HOP_PATHS_MAX 16
#define HOP_CHAINS    4096

enum hop_kind {
	HOP_NO_ROUTE,
	HOP_BLACKHOLE,
	HOP_MARTIAN,   /* addresses that no packet may have */
	HOP_LOCAL,     /* an address of ours */
	HOP_BROADCAST, /* of a network of ours, or of all */
	HOP_MULTICAST,
	HOP_LINK, /* fe80::/10: which neighbour, the interface says */
	HOP_KINDS_FIXED,
	/* made for an interface */
	HOP_VIA = HOP_KINDS_FIXED, /* by a neighbour, whatever the address */
	HOP_CONNECTED,             /* the neighbour of that address */
	HOP_GROUP,
};

struct hop {
	uint8_t kind;    /* enum hop_kind */
	uint8_t n_paths; /* of a group */
	uint32_t neigh;  /* HOP_VIA */
	struct iface *iface;
	const uint32_t *buckets; /* of a group: hops */
	/* control's own */
	uint32_t refs, next;
	uint32_t paths[HOP_PATHS_MAX]; /* of a group: hops and their weights */
	uint8_t weights[HOP_PATHS_MAX];
};

/* The first hops are those of the fixed kinds, each at its number. */
struct hops {
	struct hop *list;
	/* control's own */
	uint32_t n, n_free, n_waiting;
	uint32_t *spare;
	uint32_t chains[HOP_CHAINS];
};

int hops_init(struct hops *h);
void hops_fini(struct hops *h);

/* The hop with these members, made if there is none, with one more user; 0: there are too many. */
uint32_t hop_get(struct hops *h, const struct hop *like);
void hop_ref(struct hops *h, uint32_t hop);
/* One user less. True: it was the last; the caller looks after what the hop has (a neighbour, the group's paths). */
bool hop_put(struct hops *h, uint32_t hop);
/* Buckets of a group whose paths are set; NULL when out of memory. */
uint32_t *hop_buckets(const struct hop *group);

#endif
