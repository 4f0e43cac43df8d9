/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/lpm_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64

static uint32_t key_hash(const uint8_t *key, uint32_t addr_len, uint8_t len)
{
	uint64_t hash = len, word;

	for (uint32_t at = 0; at < addr_len; at += 4) {
		word = be32_get(key + at);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 29;
	}
	return (uint32_t)(hash >> 16);
}

uint32_t rules_slot(const struct lpm_rules *r, uint32_t addr_len, const uint8_t *key, uint8_t len)
{
	uint32_t at = key_hash(key, addr_len, len) & (r->size - 1);

	while (r->values[at] != 0 &&
		(rule_len(r->values[at]) != len || memcmp(rule_key(r, addr_len, at), key, addr_len) != 0))
		at = (at + 1) & (r->size - 1);
	return at;
}

static int resize(struct lpm_rules *r, uint32_t addr_len, uint32_t size)
{
	struct lpm_rules old = *r;

	r->values = calloc(size, sizeof(*r->values));
	r->keys = malloc((size_t)size * addr_len);
	if (!r->values || !r->keys) {
		free(r->values);
		free(r->keys);
		*r = old;
		return -ENOMEM;
	}
	r->size = size;
	for (uint32_t i = 0; i < old.size; i++) {
		uint32_t to;

		if (old.values[i] == 0)
			continue;
		to = rules_slot(r, addr_len, rule_key(&old, addr_len, i), rule_len(old.values[i]));
		r->values[to] = old.values[i];
		memcpy(r->keys + (size_t)to * addr_len, rule_key(&old, addr_len, i), addr_len);
	}
	free(old.values);
	free(old.keys);
	return 0;
}

int rules_reserve(struct lpm_rules *r, uint32_t addr_len)
{
	if (r->size == 0)
		return resize(r, addr_len, FIRST_SIZE);
	return r->n + 1 > r->size / 4 * 3 ? resize(r, addr_len, 2 * r->size) : 0;
}

/* Those behind it that would not be found over the gap move up. */
void rules_del(struct lpm_rules *r, uint32_t addr_len, uint32_t slot)
{
	uint32_t mask = r->size - 1;

	for (uint32_t next = (slot + 1) & mask; r->values[next] != 0; next = (next + 1) & mask) {
		const uint8_t *key = rule_key(r, addr_len, next);
		uint32_t home = key_hash(key, addr_len, rule_len(r->values[next])) & mask;

		if (((next - home) & mask) < ((next - slot) & mask))
			continue;
		r->values[slot] = r->values[next];
		memcpy(r->keys + (size_t)slot * addr_len, key, addr_len);
		slot = next;
	}
	r->values[slot] = 0;
	r->n--;
}
