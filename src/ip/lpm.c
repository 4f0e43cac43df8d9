/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/lpm.h"

#include "ip/lpm_rules.h"
#include "os/pages.h"
#include "os/rcu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* So many nodes wait before the workers are waited for. */
#define WAITING_MAX 256
#define PAGE        4096u
/* So many routes are spread over all of the root: its pages are full enough to be large ones. */
#define LARGE_FROM 65536

int lpm_init(struct lpm *lpm, const struct lpm_config *config)
{
	*lpm = (struct lpm){
		.root_bits = config->root_bits, .addr_len = config->addr_len, .max_nodes = config->max_nodes};
	lpm->root = pages_alloc((size_t)1 << config->root_bits, sizeof(*lpm->root));
	lpm->nodes = pages_alloc(config->max_nodes, sizeof(*lpm->nodes));
	lpm->spare = pages_alloc(config->max_nodes, sizeof(*lpm->spare));
	lpm->n_nodes = 1;
	if (lpm->root && lpm->nodes && lpm->spare)
		return 0;
	lpm_fini(lpm);
	return -ENOMEM;
}

void lpm_fini(struct lpm *lpm)
{
	pages_free(lpm->root, (size_t)1 << lpm->root_bits, sizeof(*lpm->root));
	pages_free(lpm->nodes, lpm->max_nodes, sizeof(*lpm->nodes));
	pages_free(lpm->spare, lpm->max_nodes, sizeof(*lpm->spare));
	free(lpm->rules.values);
	free(lpm->rules.keys);
	*lpm = (struct lpm){0};
}

static void put(uint32_t *entry, uint32_t word)
{
	__atomic_store_n(entry, word, __ATOMIC_RELEASE);
}

/* --- nodes --- */

/* The workers have ended the turns in which they may have seen these. */
static void nodes_settle(struct lpm *lpm)
{
	rcu_wait();
	while (lpm->n_waiting > 0)
		lpm->spare[lpm->n_free++] = lpm->spare[lpm->max_nodes - lpm->n_waiting--];
}

/* A node all of whose entries are `fill`; 0: none is left. */
static uint32_t node_new(struct lpm *lpm, uint32_t fill)
{
	uint32_t node;

	if (lpm->n_free == 0 &&
		(lpm->n_waiting >= WAITING_MAX || (lpm->n_nodes == lpm->max_nodes && lpm->n_waiting > 0)))
		nodes_settle(lpm);
	if (lpm->n_free > 0)
		node = lpm->spare[--lpm->n_free];
	else if (lpm->n_nodes < lpm->max_nodes)
		node = lpm->n_nodes++;
	else
		return 0;
	for (uint32_t i = 0; i < LPM_NODE_SIZE; i++)
		put(&lpm->nodes[node][i], fill);
	return node;
}

static void node_retire(struct lpm *lpm, uint32_t node)
{
	lpm->spare[lpm->max_nodes - ++lpm->n_waiting] = node;
}

/* --- the tree --- */

static uint32_t entry_depth(uint32_t entry)
{
	return (entry & ~LPM_IS_NODE) >> LPM_DEPTH_SHIFT;
}

/* Where a prefix lies: the entries of one table, and the entries that led there. */
struct place {
	uint32_t *entries;
	uint32_t first, n;
	uint32_t n_up;
	uint32_t *up[LPM_NODE_LEVELS];
};

static uint32_t root_index(const struct lpm *lpm, const uint8_t *addr)
{
	uint32_t idx = 0;

	for (uint32_t i = 0; i < lpm->root_bits / 8u; i++)
		idx = idx << 8 | addr[i];
	return idx;
}

/* Goes down to the table of a prefix, making nodes where there are none yet. 0 or -ENOSPC; *p is right either way. */
static int find_place(struct lpm *lpm, const uint8_t *addr, uint8_t len, struct place *p)
{
	uint32_t bits = lpm->root_bits, idx = root_index(lpm, addr);

	*p = (struct place){.entries = lpm->root};
	for (; len > bits; bits += LPM_NODE_BITS) {
		uint32_t *entry = &p->entries[idx];

		if (!(*entry & LPM_IS_NODE)) {
			uint32_t node = node_new(lpm, *entry);

			if (node == 0)
				return -ENOSPC;
			put(entry, LPM_IS_NODE | node);
		}
		p->up[p->n_up++] = entry;
		p->entries = lpm->nodes[*entry & LPM_VALUE_MAX];
		idx = addr[bits / 8];
	}
	p->n = 1u << (bits - len);
	p->first = idx & ~(p->n - 1);
	return 0;
}

/* Gives entries to a prefix, but those that a longer one holds. */
static void spread(struct lpm *lpm, uint32_t *entries, uint32_t n, uint32_t word)
{
	for (uint32_t i = 0; i < n; i++) {
		if (entries[i] & LPM_IS_NODE)
			spread(lpm, lpm->nodes[entries[i] & LPM_VALUE_MAX], LPM_NODE_SIZE, word);
		else if (entry_depth(entries[i]) <= entry_depth(word))
			put(&entries[i], word);
	}
}

/* Gives the entries of a prefix of length len, which has gone, to the one around it. */
static void replace(struct lpm *lpm, uint32_t *entries, uint32_t n, uint8_t len, uint32_t word)
{
	for (uint32_t i = 0; i < n; i++) {
		if (entries[i] & LPM_IS_NODE)
			replace(lpm, lpm->nodes[entries[i] & LPM_VALUE_MAX], LPM_NODE_SIZE, len, word);
		else if (entry_depth(entries[i]) == len)
			put(&entries[i], word);
	}
}

/* Nodes on the way whose entries are all alike are not needed any more. */
static void prune(struct lpm *lpm, const struct place *p)
{
	for (uint32_t level = p->n_up; level > 0; level--) {
		uint32_t *up = p->up[level - 1], node = *up & LPM_VALUE_MAX;
		const uint32_t *entries = lpm->nodes[node];
		uint32_t upper_bits = lpm->root_bits + LPM_NODE_BITS * (level - 1);

		if (entries[0] & LPM_IS_NODE || entry_depth(entries[0]) > upper_bits)
			return;
		for (uint32_t i = 1; i < LPM_NODE_SIZE; i++)
			if (entries[i] != entries[0])
				return;
		put(up, entries[0]);
		node_retire(lpm, node);
	}
}

/* --- prefixes --- */

static void masked(const struct lpm *lpm, const uint8_t *addr, uint8_t len, uint8_t *key)
{
	struct ip_addr a = ip_addr_at(addr, lpm->addr_len == IP6_LEN);

	ip_addr_mask(&a, len);
	memcpy(key, a.bytes, lpm->addr_len);
}

uint32_t lpm_get(const struct lpm *lpm, const uint8_t *addr, uint8_t len)
{
	uint8_t key[IP6_LEN];

	if (lpm->n_by_len[len] == 0)
		return 0;
	masked(lpm, addr, len, key);
	return lpm->rules.values[rules_slot(&lpm->rules, lpm->addr_len, key, len)] & LPM_VALUE_MAX;
}

uint32_t lpm_find(const struct lpm *lpm, const uint8_t *addr, uint8_t *len)
{
	for (int l = lpm->addr_len * 8; l >= 0; l--) {
		uint32_t value = lpm_get(lpm, addr, (uint8_t)l);

		if (value == 0)
			continue;
		*len = (uint8_t)l;
		return value;
	}
	return 0;
}

/* What covers a prefix' addresses once it has gone: an entry, 0 if nothing but the default does. */
static uint32_t cover(const struct lpm *lpm, const uint8_t *key, uint8_t len)
{
	for (uint8_t l = len - 1; l > 0; l--) {
		uint32_t value = lpm_get(lpm, key, l);

		if (value)
			return rule_word(l, value);
	}
	return 0;
}

int lpm_set(struct lpm *lpm, const uint8_t *addr, uint8_t len, uint32_t value)
{
	struct place place;
	uint8_t key[IP6_LEN];
	uint32_t slot;
	int err = rules_reserve(&lpm->rules, lpm->addr_len);

	ASSERT(value > 0 && value <= LPM_VALUE_MAX && len <= lpm->addr_len * 8);
	if (err)
		return err;
	masked(lpm, addr, len, key);
	if (len == 0) {
		__atomic_store_n(&lpm->default_value, value, __ATOMIC_RELEASE);
	} else {
		err = find_place(lpm, key, len, &place);
		if (err) {
			prune(lpm, &place);
			return err;
		}
		spread(lpm, place.entries + place.first, place.n, rule_word(len, value));
	}
	slot = rules_slot(&lpm->rules, lpm->addr_len, key, len);
	if (lpm->rules.values[slot] == 0) {
		memcpy(lpm->rules.keys + (size_t)slot * lpm->addr_len, key, lpm->addr_len);
		lpm->rules.n++;
		if (lpm->rules.n == LARGE_FROM)
			pages_prefer_large(lpm->root, (size_t)1 << lpm->root_bits, sizeof(*lpm->root));
		lpm->n_by_len[len]++;
	}
	lpm->rules.values[slot] = rule_word(len, value);
	return 0;
}

int lpm_del(struct lpm *lpm, const uint8_t *addr, uint8_t len)
{
	struct place place;
	uint8_t key[IP6_LEN];

	if (lpm_get(lpm, addr, len) == 0)
		return -ENOENT;
	masked(lpm, addr, len, key);
	rules_del(&lpm->rules, lpm->addr_len, rules_slot(&lpm->rules, lpm->addr_len, key, len));
	lpm->n_by_len[len]--;
	if (len == 0) {
		__atomic_store_n(&lpm->default_value, 0, __ATOMIC_RELEASE);
		return 0;
	}
	find_place(lpm, key, len, &place); /* nodes to it are there: it was */
	replace(lpm, place.entries + place.first, place.n, len, cover(lpm, key, len));
	prune(lpm, &place);
	return 0;
}

bool lpm_next(const struct lpm *lpm, uint32_t *pos, uint8_t *addr, uint8_t *len, uint32_t *value)
{
	const struct lpm_rules *r = &lpm->rules;

	for (; *pos < r->size; ++*pos) {
		if (r->values[*pos] == 0)
			continue;
		memcpy(addr, rule_key(r, lpm->addr_len, *pos), lpm->addr_len);
		*len = rule_len(r->values[*pos]);
		*value = r->values[*pos] & LPM_VALUE_MAX;
		++*pos;
		return true;
	}
	return false;
}

static bool page_touched(const uint32_t *page)
{
	for (uint32_t i = 0; i < PAGE / sizeof(*page); i++)
		if (page[i])
			return true;
	return false;
}

uint64_t lpm_memory(const struct lpm *lpm)
{
	uint64_t len = ((uint64_t)1 << lpm->root_bits) * sizeof(*lpm->root), used = 0;

	for (uint64_t at = 0; at < len; at += PAGE)
		used += page_touched(lpm->root + at / sizeof(*lpm->root)) ? PAGE : 0;
	return used + (uint64_t)(lpm->n_nodes - 1) * sizeof(*lpm->nodes) +
	       (uint64_t)lpm->rules.size * (sizeof(*lpm->rules.values) + lpm->addr_len);
}
