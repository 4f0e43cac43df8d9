/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/lpm.h"

#include "ip/lpm_node.h"
#include "ip/lpm_rules.h"
#include "ip/lpm_tree.h"
#include "os/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u
/* With so many routes pages are full enough to be large ones. */
#define LARGE_FROM 65536
/* At most so many values for a node: most of them hold few. */
#define VALUE_UNITS_PER_NODE 2

int lpm_init(struct lpm *lpm, uint8_t addr_len, uint32_t max_nodes)
{
	*lpm = (struct lpm){.addr_len = addr_len};
	memo_state_init(&lpm->state);
	lpm->root = pages_alloc(LPM_ROOT_SIZE, sizeof(*lpm->root));
	if (lpm->root && blocks_init(&lpm->nodes, sizeof(struct lpm_node), max_nodes) == 0 &&
		blocks_init(&lpm->values, LPM_VALUE_UNIT * sizeof(uint16_t),
			VALUE_UNITS_PER_NODE * max_nodes) == 0)
		return 0;
	lpm_fini(lpm);
	return -ENOMEM;
}

void lpm_fini(struct lpm *lpm)
{
	pages_free(lpm->root, LPM_ROOT_SIZE, sizeof(*lpm->root));
	blocks_fini(&lpm->nodes);
	blocks_fini(&lpm->values);
	free(lpm->rules.values);
	free(lpm->rules.keys);
	*lpm = (struct lpm){0};
}

static void masked(const struct lpm *lpm, const uint8_t *addr, uint8_t len, uint8_t *key)
{
	struct ip_addr a = ip_addr_at(addr, lpm->addr_len == IP6_LEN);

	ip_addr_mask(&a, len);
	memcpy(key, a.bytes, lpm->addr_len);
}

/* --- prefixes that are written into the root --- */

static uint32_t short_get(const struct lpm *lpm, const uint8_t *key, uint8_t len)
{
	return lpm->rules.values[rules_slot(&lpm->rules, lpm->addr_len, key, len)] & LPM_VALUE_MAX;
}

/* The entries of a prefix. */
static struct lpm_root *root_of(const struct lpm *lpm, const uint8_t *key, uint8_t len, uint32_t *n)
{
	*n = 1u << (LPM_ROOT_BITS - len);
	return &lpm->root[be32_get(key) >> (32 - LPM_ROOT_BITS)];
}

static void put(struct lpm_root *root, uint32_t word)
{
	__atomic_store_n(&root->word, word, __ATOMIC_RELAXED);
}

/* To a prefix, but those that a longer one holds. */
static void spread(struct lpm_root *root, uint32_t n, uint32_t word)
{
	for (uint32_t i = 0; i < n; i++)
		if (rule_len(root[i].word) <= rule_len(word))
			put(&root[i], word);
}

/* Those of a prefix of length len, which has gone, to the one around it. */
static void replace(struct lpm_root *root, uint32_t n, uint8_t len, uint32_t word)
{
	for (uint32_t i = 0; i < n; i++)
		if (rule_len(root[i].word) == len)
			put(&root[i], word);
}

static int short_set(struct lpm *lpm, const uint8_t *key, uint8_t len, uint32_t value)
{
	uint32_t slot, n;
	struct lpm_root *root;
	int err = rules_reserve(&lpm->rules, lpm->addr_len);

	if (err)
		return err;
	if (len == 0) {
		__atomic_store_n(&lpm->default_value, value, __ATOMIC_RELAXED);
	} else {
		root = root_of(lpm, key, len, &n);
		spread(root, n, rule_word(len, value));
	}
	slot = rules_slot(&lpm->rules, lpm->addr_len, key, len);
	err = lpm->rules.values[slot] == 0;
	if (err) {
		memcpy(lpm->rules.keys + (size_t)slot * lpm->addr_len, key, lpm->addr_len);
		lpm->rules.n++;
	}
	lpm->rules.values[slot] = rule_word(len, value);
	return err;
}

/* What covers a prefix' addresses once it has gone; 0 if nothing but the default does. */
static uint32_t cover(const struct lpm *lpm, const uint8_t *key, uint8_t len)
{
	for (uint8_t l = len - 1; l > 0; l--) {
		uint32_t value = lpm_get(lpm, key, l);

		if (value)
			return rule_word(l, value);
	}
	return 0;
}

static void short_del(struct lpm *lpm, const uint8_t *key, uint8_t len)
{
	struct lpm_root *root;
	uint32_t n;

	rules_del(&lpm->rules, lpm->addr_len, rules_slot(&lpm->rules, lpm->addr_len, key, len));
	if (len == 0) {
		__atomic_store_n(&lpm->default_value, 0, __ATOMIC_RELAXED);
		return;
	}
	root = root_of(lpm, key, len, &n);
	replace(root, n, len, cover(lpm, key, len));
}

/* --- prefixes --- */

uint32_t lpm_get(const struct lpm *lpm, const uint8_t *addr, uint8_t len)
{
	uint8_t key[IP6_LEN];

	if (lpm->n_by_len[len] == 0)
		return 0;
	masked(lpm, addr, len, key);
	return len <= LPM_ROOT_BITS ? short_get(lpm, key, len) : tree_get(lpm, key, len);
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

int lpm_set(struct lpm *lpm, const uint8_t *addr, uint8_t len, uint32_t value)
{
	uint8_t key[IP6_LEN];
	int added;

	ASSERT(value > 0 && value <= LPM_VALUE_MAX && len <= lpm->addr_len * 8);
	masked(lpm, addr, len, key);
	added = len <= LPM_ROOT_BITS ? short_set(lpm, key, len, value) : tree_set(lpm, key, len, value);
	if (added >= 0)
		memo_state_change(&lpm->state);
	if (added <= 0)
		return added;
	lpm->n_by_len[len]++;
	if (++lpm->n == LARGE_FROM) {
		pages_prefer_large(lpm->root, LPM_ROOT_SIZE, sizeof(*lpm->root));
		blocks_prefer_large(&lpm->nodes);
		blocks_prefer_large(&lpm->values);
	}
	return 0;
}

int lpm_del(struct lpm *lpm, const uint8_t *addr, uint8_t len)
{
	uint8_t key[IP6_LEN];

	if (lpm_get(lpm, addr, len) == 0)
		return -ENOENT;
	masked(lpm, addr, len, key);
	if (len <= LPM_ROOT_BITS)
		short_del(lpm, key, len);
	else
		tree_del(lpm, key, len);
	memo_state_change(&lpm->state);
	lpm->n_by_len[len]--;
	lpm->n--;
	return 0;
}

/* --- a list --- */

/* From the end: where one is deleted, one that was listed already moves, but for those that wrapped around. */
static bool rules_next(const struct lpm *lpm, uint32_t *n, uint8_t *addr, uint8_t *len, uint32_t *value)
{
	const struct lpm_rules *r = &lpm->rules;

	while (*n < r->size) {
		uint32_t slot = r->size - ++*n;

		if (r->values[slot] == 0)
			continue;
		memcpy(addr, rule_key(r, lpm->addr_len, slot), lpm->addr_len);
		*len = rule_len(r->values[slot]);
		*value = r->values[slot] & LPM_VALUE_MAX;
		return true;
	}
	return false;
}

bool lpm_next(const struct lpm *lpm, struct lpm_cursor *cursor, uint8_t *addr, uint8_t *len, uint32_t *value)
{
	if (rules_next(lpm, &cursor->n_rules, addr, len, value))
		return true;
	if (!tree_next(lpm, cursor->addr, &cursor->len, value))
		return false;
	memcpy(addr, cursor->addr, lpm->addr_len);
	*len = cursor->len;
	return true;
}

/* --- memory --- */

static bool page_touched(const struct lpm_root *page)
{
	for (uint32_t i = 0; i < PAGE / sizeof(*page); i++)
		if (page[i].word | page[i].node)
			return true;
	return false;
}

uint64_t lpm_memory(const struct lpm *lpm)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < LPM_ROOT_SIZE; i += PAGE / sizeof(*lpm->root))
		used += page_touched(lpm->root + i) ? PAGE : 0;
	return used + blocks_memory(&lpm->nodes) + blocks_memory(&lpm->values) +
	       (uint64_t)lpm->rules.size * (sizeof(*lpm->rules.values) + lpm->addr_len);
}
