/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iface - an interface: a named place where packets enter and leave. The port behind it knows how, the bridge and
 * the router know where to; none of them knows the other, they meet here.
 *
 * Each worker keeps a lane of its own per interface (counters, and the packets waiting to leave in this turn), so
 * counting needs no atomic operation and no lock.
 *
 * Threads: control makes and removes interfaces and changes their settings; workers read. An interface is taken
 * from the table, then rcu_wait(), then freed.
 */
#ifndef GINNEL_PKT_IFACE_H
#define GINNEL_PKT_IFACE_H

#include "base/check.h"
#include "pkt/drop.h"
#include "pkt/stage.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define IFACE_MAX      1024
#define IFACE_NAME_LEN 64
/* Packets one turn can receive, and those it can make besides: answers, copies, fragments. A lane holds them all. */
#define TURN_PKTS     256
#define TURN_MADE     256
#define TURN_PKTS_ALL (TURN_PKTS + TURN_MADE)
/* Of a new interface: jumbo frames pass. */
#define IFACE_MTU_DEFAULT 9000
/* What can be asked for: the least that IPv4 lives with (RFC 791), the most that a length field of IP can say. */
#define IFACE_MTU_MIN 68
#define IFACE_MTU_MAX 65535
/* Workers in one process. */
#define WORKER_MAX 16
/* One lane for each, and one for packets of control's that only try the road: it is in no sum. */
#define IFACE_LANES_MAX (WORKER_MAX + 1)

struct pkt;

/* Written by one worker, read by control: relaxed atomic stores (iface_count()), no read-modify-write. */
struct iface_counters {
	uint64_t rx_packets, rx_bytes;
	uint64_t tx_packets, tx_bytes;
	uint64_t drops[DROP_COUNT];
	uint64_t copied_bytes; /* body bytes copied on the way out */
};

/* In memory that readers of statistics share (pkt/stats.h). */
struct iface_lane {
	_Alignas(CACHE_LINE) struct iface_counters counters;
	uint32_t n_out;
	struct pkt **out; /* of TURN_PKTS_ALL */
};

enum iface_mode {
	IFACE_MODE_NONE, /* nothing wants its packets yet */
	IFACE_MODE_BRIDGE,
	IFACE_MODE_XCONNECT, /* all its packets leave through one other interface; it may be missing (lossless) */
	IFACE_MODE_L3,       /* it has addresses: what is sent to them, or to its MAC, goes to the router */
};

struct iface {
	uint32_t idx; /* its place in the table, shown as Idx and sw_if_index; 0 is local0 */
	char name[IFACE_NAME_LEN];
	uint8_t mac[6];
	bool up;          /* relaxed atomic: control writes, workers read */
	uint8_t mode;     /* enum iface_mode, likewise */
	bool lossless;    /* IFACE_MODE_XCONNECT: its packets wait until the other end takes them; likewise */
	uint32_t mtu;     /* bytes behind the Ethernet header and tags, on the way out */
	const char *kind; /* "vhost-user", "local" */
	void *l2;         /* by mode: the bridge's own, or the struct iface to leave through: rcu_load() */
	void (*l2_detach)(struct iface *iface); /* set by whoever set l2; iface_remove() calls it first */
	void *vlan; /* port/vlan.h; rcu_load(). NULL: tags are nothing to this interface */
	/* Lossless wires that lead here; control writes, workers read. */
	uint32_t n_fed;
	/* Control: the wires that begin or end here are others now. NULL: it cannot be the end of a lossless one. */
	void (*rewired)(struct iface *iface);
	/* The router's own, while the interface has addresses: rcu_load(). In mode L3, or as the BVI of a bridge. */
	void *l3;
	void (*l3_detach)(struct iface *iface);    /* as l2_detach */
	struct iface_lane *lanes[IFACE_LANES_MAX]; /* n_workers and one of them are there */
};

struct iface_table;
struct stats;

/* n_workers lanes and one are made for each interface. Makes local0. NULL when out of memory. */
struct iface_table *iface_table_create(uint32_t n_workers);
void iface_table_destroy(struct iface_table *t);

/*
 * Gives an interface the lowest free index and puts it into the table. The caller owns the memory of *iface and has
 * set name, mac and kind; the rest is set here. 0, -EEXIST (name is taken), -ENOSPC or -ENOMEM.
 */
int iface_add(struct iface_table *t, struct iface *iface);
/* The same with an index of the caller's choice; -EEXIST when that is taken. */
int iface_add_at(struct iface_table *t, struct iface *iface, uint32_t idx);
/*
 * Takes it out and frees its lanes; calls rcu_wait() itself. Nothing may receive on it any more, and cross-connects that
 * lead to it end.
 */
void iface_remove(struct iface_table *t, struct iface *iface);

/* One more lossless wire leads here, or one less. Control. */
void iface_feed(struct iface *to, bool more);

uint32_t iface_table_workers(const struct iface_table *t);
/* Where all counters are; it lives as long as the table. */
struct stats *iface_table_stats(const struct iface_table *t);

/* NULL when there is none. Workers: valid until the end of the turn. */
struct iface *iface_get(const struct iface_table *t, uint32_t idx);
struct iface *iface_by_name(const struct iface_table *t, const char *name);
/* 0, -EEXIST (another one has it) or -EINVAL (empty, too long, or not of visible ASCII). Control: workers read no names. */
int iface_rename(struct iface_table *t, struct iface *iface, const char *name);
/* The next interface with an index of at least idx, or NULL. */
struct iface *iface_next(const struct iface_table *t, uint32_t idx);

/* The sum over all lanes since the last clear. Control. */
void iface_counters_sum(const struct iface_table *t, const struct iface *iface, struct iface_counters *out);
/* The sum of one reason over all interfaces since the last clear. */
uint64_t iface_drops_sum(const struct iface_table *t, enum drop reason);
/* Counters start at zero again; the workers' own numbers are left alone. */
void iface_counters_clear(struct iface_table *t);
/* Control: so many were dropped in no worker's turn. */
void iface_counters_drop(struct iface_table *t, const struct iface *iface, enum drop reason, uint64_t n);
/* Goes on counting from these. The interface is new. */
void iface_counters_resume(
	struct iface_table *t, const struct iface *iface, const struct iface_counters *from);

/* An interface for a successor process: index, name, address, state, counters. */
json_t *iface_save(const struct iface_table *t, const struct iface *iface);
/* As iface_add(), but index, name and address come from there too; -EINVAL when they are not there. */
int iface_restore(struct iface_table *t, struct iface *iface, const json_t *state);

static inline void iface_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline bool iface_is_up(const struct iface *iface)
{
	return __atomic_load_n(&iface->up, __ATOMIC_RELAXED);
}

static inline void iface_set_lossless(struct iface *iface, bool lossless)
{
	__atomic_store_n(&iface->lossless, lossless, __ATOMIC_RELAXED);
}

static inline bool iface_is_lossless(const struct iface *iface)
{
	return __atomic_load_n(&iface->lossless, __ATOMIC_RELAXED);
}

static inline bool iface_is_fed(const struct iface *iface)
{
	return __atomic_load_n(&iface->n_fed, __ATOMIC_RELAXED) > 0;
}

static inline uint32_t iface_mtu(const struct iface *iface)
{
	return __atomic_load_n(&iface->mtu, __ATOMIC_RELAXED);
}

static inline enum iface_mode iface_mode(const struct iface *iface)
{
	return (enum iface_mode)__atomic_load_n(&iface->mode, __ATOMIC_RELAXED);
}

/* What an interface is that no bridge and no cross-connect wants. */
static inline enum iface_mode iface_mode_alone(const struct iface *iface)
{
	return iface->l3 ? IFACE_MODE_L3 : IFACE_MODE_NONE;
}

static inline void iface_set_mode(struct iface *iface, enum iface_mode mode)
{
	__atomic_store_n(&iface->mode, (uint8_t)mode, __ATOMIC_RELAXED);
}

#endif
