/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpm - longest prefix match: a table for the first 18 bits of an address, and a tree of nodes of 6 bits behind it.
 *
 *	root: an entry per 18 bits       node: 6 bits more
 *	+---------------------+          +--------------------------+
 *	| the prefix up to    |     +--> | full:     64 bits  /24   |     values of these prefixes,
 *	| /18 that covers it  |     |    | part:     62 bits  /19.. | --> side by side, 2 bytes each
 *	| node  --------------+-----+    | children: 64 bits        | --> nodes side by side: the next 6 bits
 *	+---------------------+          +--------------------------+
 *
 * A node knows which prefixes end in it by a bit for each, and which children it has; where the value or the child lies
 * among the others is the number of bits before its own. So a prefix takes 2 bytes besides its share of a node, and is in
 * one place only, whatever lies below it: to add or delete one copies one node and its neighbours, some 2 KB at most. Only
 * one of up to 18 bits is written into all entries of the root that it covers. The default route is kept beside the tree.
 *
 * A lookup notes the last node with a prefix that fits. Many at a time (lpm_lookup_n()) go down level by level together, so
 * that they wait for memory together; and those that a worker looked up before do not go at all (base/memo.h).
 *
 * Threads: control adds and deletes; what it replaces, it builds beside the old and shows with the store of one word.
 * Workers look up without locks and never see an address without its old route or its new one. What was replaced is used
 * again after all workers have ended a turn. Deleting needs no memory: some is set aside for it.
 *
 * Values are 1 .. LPM_VALUE_MAX; 0 means none. Tables are of zeros that are never touched before they are used, so that
 * an empty one takes no memory.
 */
#ifndef GINNEL_IP_LPM_H
#define GINNEL_IP_LPM_H

#include "base/check.h"
#include "base/memo.h"
#include "ip/lpm_blocks.h"
#include "wire/ip_addr.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>

#define LPM_ROOT_BITS   18
#define LPM_ROOT_SIZE   (1u << LPM_ROOT_BITS)
#define LPM_NODE_BITS   6
#define LPM_DEPTH_SHIFT 16
#define LPM_VALUE_MAX   ((1u << LPM_DEPTH_SHIFT) - 1)

/* Addresses that are looked up together. */
#define LPM_BURST 32

/* Both words are atomic and independent of each other. */
struct lpm_root {
	uint32_t word; /* length and value of the longest prefix up to LPM_ROOT_BITS; 0: none but /0 */
	uint32_t node; /* where longer ones are; 0: there are none */
};

/* Never changes while workers see it, but for the last two, which move with the bits unchanged. */
struct lpm_node {
	uint64_t full; /* prefixes that end with the node's bits */
	uint64_t part; /* shorter ones: the two of 1 bit, the four of 2 bits, up to 5 bits */
	uint64_t children;
	uint32_t child; /* the first one; atomic */
	uint32_t value; /* the block of values, full ones first; atomic */
};

static_assert(sizeof(struct lpm_node) == CACHE_LINE / 2, "a node is in one line");

/* The prefixes of up to LPM_ROOT_BITS: open addressing, keys of the family's length side by side. */
struct lpm_rules {
	uint32_t n, size; /* size: a power of two */
	uint32_t *values; /* 0: empty; else length and value as in the root, length 0 included */
	uint8_t *keys;
};

struct lpm {
	struct lpm_root *root;
	uint32_t default_value; /* of /0 */
	struct memo_state state;
	struct lpm_blocks nodes, values;
	/* control's own */
	uint8_t addr_len; /* bytes */
	uint32_t n;       /* prefixes */
	uint32_t n_by_len[129];
	struct lpm_rules rules;
	struct lpm_waiting waiting;
};

/* At most so many nodes: 1 << 22 for a million of routes of any kind. 0 or -ENOMEM. */
int lpm_init(struct lpm *lpm, uint8_t addr_len, uint32_t max_nodes);
void lpm_fini(struct lpm *lpm);

/* Bits of addr behind len are ignored. Over an older value. 0, -ENOMEM or -ENOSPC: and nothing has changed. */
int lpm_set(struct lpm *lpm, const uint8_t *addr, uint8_t len, uint32_t value);
/* 0 or -ENOENT. */
int lpm_del(struct lpm *lpm, const uint8_t *addr, uint8_t len);
/* Exactly this prefix; 0: there is none. */
uint32_t lpm_get(const struct lpm *lpm, const uint8_t *addr, uint8_t len);
/* The longest prefix that covers an address: for control, which wants to know which. */
uint32_t lpm_find(const struct lpm *lpm, const uint8_t *addr, uint8_t *len);

/* Where a list of all prefixes is; begins as zeros. The one it stands on may be deleted. */
struct lpm_cursor {
	uint32_t n_rules; /* looked at */
	uint8_t len;      /* the last prefix of the tree; 0: none yet */
	uint8_t addr[IP6_LEN];
};

/*
 * All prefixes: those of up to LPM_ROOT_BITS in no order, then the others in one. False: no more. addr has room for the
 * family's bytes.
 */
bool lpm_next(const struct lpm *lpm, struct lpm_cursor *cursor, uint8_t *addr, uint8_t *len, uint32_t *value);

/* Bytes in use, all in all; of the root only what routes have touched, to a page. */
uint64_t lpm_memory(const struct lpm *lpm);

/* --- workers --- */

struct lpm_burst {
	uint64_t hi[LPM_BURST]; /* an address: its first bits the highest ones */
	uint64_t lo[LPM_BURST]; /* of IPv4 zero */
	uint32_t values[LPM_BURST];
};

/*
 * The values of the first n addresses; 0: no route. memo: the worker's, of addresses with their values, for all tables; NULL:
 * all go down the tree.
 */
void lpm_lookup_n(const struct lpm *lpm, struct memo *memo, struct lpm_burst *burst, uint32_t n);
uint32_t lpm_lookup(const struct lpm *lpm, const uint8_t *addr);

static inline void lpm_burst_put4(struct lpm_burst *burst, uint32_t i, uint32_t addr)
{
	burst->hi[i] = (uint64_t)addr << 32;
	burst->lo[i] = 0;
}

static inline uint32_t lpm_burst_ip4(const struct lpm_burst *burst, uint32_t i)
{
	return (uint32_t)(burst->hi[i] >> 32);
}

static inline void lpm_burst_put6(struct lpm_burst *burst, uint32_t i, const uint8_t *addr)
{
	uint64_t words[2];

	memcpy(words, addr, sizeof(words));
	burst->hi[i] = be64toh(words[0]);
	burst->lo[i] = be64toh(words[1]);
}

#endif
