/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bridge_private - what the files behind bridge/bridge.h share: domains and members as workers see them.
 *
 * A domain has two lists of members: workers read one, control changes the other, publishes it and waits,
 * so a change needs no memory and cannot fail.
 */
#ifndef GINNEL_BRIDGE_BRIDGE_PRIVATE_H
#define GINNEL_BRIDGE_BRIDGE_PRIVATE_H

#include "bridge/bridge.h"
#include "base/units.h"

#include "base/random.h"
#include "os/rcu.h"
#include "wire/ethernet.h"

/* An interface in a domain; what iface->l2 points to. Never changes. */
struct bridge_member {
	struct bridge_domain *domain;
	struct iface *iface;
	uint8_t shg; /* split horizon group; 0: none */
	bool bvi;    /* the router's leg: what goes there goes up, and what comes from there came down */
};

struct bridge_members {
	uint32_t n;
	struct bridge_member *list[IFACE_MAX];
	struct bridge_member *by_iface[IFACE_MAX]; /* NULL: not in this domain */
};

struct bridge_domain {
	struct bridge_members *members; /* one of copies; rcu_load() */
	struct mac_table *macs;         /* rcu_load() */
	uint32_t settings;              /* relaxed atomic */
	/* control's own */
	struct bridges *bridges;
	uint32_t id;
	uint32_t idx; /* where it is in bridges->domains */
	uint32_t age_s;
	struct bridge_members copies[2];
};

/*
 * Where two addresses lead that came in by an interface is known (base/memo.h) within a second; after that it is to be said
 * again that the source was heard. The key's first word is the pair's first; this is the second. Its seconds come round
 * after 18 hours, when a frame could at worst be taken for heard that was not, for a second.
 */
static inline uint64_t bridge_memo_lo(struct ethernet_pair pair, const struct iface *from, uint32_t now_s)
{
	return pair.src | (uint64_t)from->idx << 32 | (uint64_t)now_s << 48;
}

static_assert(IFACE_MAX <= UINT16_MAX, "the key has room for an interface's index");

struct bridges {
	struct iface_table *ifaces;
	struct memo *memos;   /* each worker's: where addresses lead */
	struct random random; /* seeds for tables */
	uint32_t now_s;       /* at the last bridges_age() */
	struct bridge_domain *domains[BRIDGE_DOMAINS_MAX];
};

static inline uint32_t bridge_settings(const struct bridge_domain *d)
{
	return __atomic_load_n(&d->settings, __ATOMIC_RELAXED);
}

/* NULL: it has none. */
const struct iface *bridge_domain_bvi(const struct bridge_domain *d);

/* The next domain with an index of at least idx, or NULL. */
struct bridge_domain *bridge_domain_next(const struct bridges *b, uint32_t idx);

#endif
