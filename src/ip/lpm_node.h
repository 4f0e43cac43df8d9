/* SPDX-License-Identifier: Apache-2.0 */
/* lpm_node - the bits of a node: ip/lpm*.c's own. */
#ifndef GINNEL_IP_LPM_NODE_H
#define GINNEL_IP_LPM_NODE_H

#include "ip/lpm.h"

/* Prefixes of one node by their number: 64 of its six bits, then those of 1 to 5 bits. */
#define LPM_NODE_FULL 64
#define LPM_NODE_PART 62

/* Of IPv6, whose last one has two bits. */
#define LPM_LEVELS ((128 - LPM_ROOT_BITS + LPM_NODE_BITS - 1) / LPM_NODE_BITS)

/* Values in a unit of a block. */
#define LPM_VALUE_UNIT 2

static inline uint64_t bits_below(uint32_t bit)
{
	return (1ull << bit) - 1;
}

/* Six bits of an address behind the first `depth`, which lie behind the root; what is behind the end is zero. */
static inline uint32_t node_bits(uint64_t hi, uint64_t lo, uint32_t depth)
{
	if (depth <= 58)
		return hi >> (58 - depth) & 63;
	if (depth >= 64)
		return (depth <= 122 ? lo >> (122 - depth) : lo << (depth - 122)) & 63;
	return (hi << (depth - 58) | lo >> (122 - depth)) & 63;
}

/* The number of the prefix of the first n of six bits. */
static inline uint32_t node_number(uint32_t bits, uint32_t n)
{
	return n == 6 ? bits : LPM_NODE_FULL + (1u << n) - 2 + (bits >> (6 - n));
}

static inline bool node_has(const struct lpm_node *node, uint32_t number)
{
	return (number < LPM_NODE_FULL ? node->full >> number : node->part >> (number - LPM_NODE_FULL)) & 1;
}

/* How many prefixes there are before that one. */
static inline uint32_t node_rank(const struct lpm_node *node, uint32_t number)
{
	if (number < LPM_NODE_FULL)
		return (uint32_t)__builtin_popcountll(node->full & bits_below(number));
	return (uint32_t)(__builtin_popcountll(node->full) +
			  __builtin_popcountll(node->part & bits_below(number - LPM_NODE_FULL)));
}

static inline uint32_t node_n_values(const struct lpm_node *node)
{
	return (uint32_t)(__builtin_popcountll(node->full) + __builtin_popcountll(node->part));
}

static inline uint32_t node_child_rank(const struct lpm_node *node, uint32_t bits)
{
	return (uint32_t)__builtin_popcountll(node->children & bits_below(bits));
}

static inline bool node_has_child(const struct lpm_node *node, uint32_t bits)
{
	return node->children >> bits & 1;
}

/* Pairs with the stores that show a block: what it holds is there before. */
static inline uint32_t block_load(const uint32_t *from)
{
	return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

static inline struct lpm_node *node_at(const struct lpm *lpm, uint32_t block)
{
	return (struct lpm_node *)blocks_at(&lpm->nodes, block);
}

static inline uint16_t *values_at(const struct lpm *lpm, uint32_t block)
{
	return (uint16_t *)blocks_at(&lpm->values, block);
}

#endif
