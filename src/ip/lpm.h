/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpm - longest prefix match: a tree of tables, each indexed by the next bits of an address.
 *
 *	root (24 bits of IPv4, 16 of IPv6)      node (8 bits)        node
 *	+---------+                             +---------+          +-----
 *	| value   |   a route covers all of it  | value   |    +---> | ...
 *	| node  --+---------------------------> | node  --+----+
 *	| 0       |   no route but /0           | ...     |
 *	+---------+                             +---------+
 *
 * An entry is one word: whether it leads to a node, or the length of the prefix it comes from and the prefix' value. So
 * a lookup of IPv4 reads one word, or two behind /24; one of IPv6 a word per eight bits behind /16. A prefix is written
 * into every entry it covers that no longer one holds. A default route is kept beside the tree, where it costs nothing.
 *
 * Threads: control adds and deletes, one word at a time, each of which is right; workers look up without locks and never
 * see an address without its old route or its new one. A node that is no longer needed is used again after all workers
 * have ended a turn. All prefixes are also in a table of their own (rules), for control: what to put into the gap that a
 * deleted one leaves, and for lists.
 *
 * Values are 1 .. LPM_VALUE_MAX; 0 means none. Tables are of zeros that are never touched before they are used, so that
 * an empty one takes no memory.
 */
#ifndef GINNEL_IP_LPM_H
#define GINNEL_IP_LPM_H

#include "base/check.h"
#include "wire/ip_addr.h"

#include <stdbool.h>
#include <stdint.h>

#define LPM_NODE_BITS   8
#define LPM_NODE_SIZE   (1u << LPM_NODE_BITS)
#define LPM_IS_NODE     0x80000000u
#define LPM_DEPTH_SHIFT 23
#define LPM_VALUE_MAX   ((1u << LPM_DEPTH_SHIFT) - 1)
#define LPM_NODE_LEVELS 15

/* Prefixes with their values: open addressing, keys of the family's length side by side. */
struct lpm_rules {
	uint32_t n, size; /* size: a power of two */
	uint32_t *values; /* 0: empty; else length and value as in the tree, length 0 included */
	uint8_t *keys;
};

struct lpm {
	uint32_t *root;
	uint32_t (*nodes)[LPM_NODE_SIZE];
	uint32_t default_value; /* of /0 */
	/* control's own */
	uint8_t root_bits, addr_len;
	uint32_t n_nodes, max_nodes; /* ever used; node 0 is none */
	uint32_t n_free, n_waiting;  /* to be used again: now, or after the workers' turns */
	uint32_t *spare;             /* the free ones from the front, the waiting from the back */
	uint32_t n_by_len[129];
	struct lpm_rules rules;
};

struct lpm_config {
	uint8_t root_bits; /* a multiple of 8 */
	uint8_t addr_len;  /* bytes */
	uint32_t max_nodes;
};

/* 0 or -ENOMEM. */
int lpm_init(struct lpm *lpm, const struct lpm_config *config);
void lpm_fini(struct lpm *lpm);

/* Bits of addr behind len are ignored. Over an older value. 0, -ENOMEM or -ENOSPC: and nothing has changed. */
int lpm_set(struct lpm *lpm, const uint8_t *addr, uint8_t len, uint32_t value);
/* 0 or -ENOENT. */
int lpm_del(struct lpm *lpm, const uint8_t *addr, uint8_t len);
/* Exactly this prefix; 0: there is none. */
uint32_t lpm_get(const struct lpm *lpm, const uint8_t *addr, uint8_t len);
/* The longest prefix that covers an address, by the list of prefixes: for control, which wants to know which. */
uint32_t lpm_find(const struct lpm *lpm, const uint8_t *addr, uint8_t *len);

/* All prefixes in no order: *pos begins at 0. False: no more. addr has room for the family's bytes. */
bool lpm_next(const struct lpm *lpm, uint32_t *pos, uint8_t *addr, uint8_t *len, uint32_t *value);

/* Bytes in use, tree and rules; of the root only what routes have touched, to a page. */
uint64_t lpm_memory(const struct lpm *lpm);

/* Pairs with the stores of entries: what a node holds is there before an entry leads to it. */
static inline uint32_t lpm_entry(const uint32_t *entry)
{
	return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

static inline uint32_t lpm_value(const struct lpm *lpm, uint32_t entry)
{
	uint32_t value = entry & LPM_VALUE_MAX;

	return likely(value) ? value : __atomic_load_n(&lpm->default_value, __ATOMIC_RELAXED);
}

#endif
