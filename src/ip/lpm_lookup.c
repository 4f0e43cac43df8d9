/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/lpm_node.h"

/* The prefixes of 1 to 5 bits that the first five bits of a node's begin with. */
#define PART1(b)                                                                                  \
	(1ull << ((b) >> 4) | 4ull << ((b) >> 3) | 64ull << ((b) >> 2) | 16384ull << ((b) >> 1) | \
		1ull << (30 + (b)))
#define PART4(b) PART1(b), PART1((b) + 1), PART1((b) + 2), PART1((b) + 3)

static const uint64_t part_of[32] = {
	PART4(0), PART4(4), PART4(8), PART4(12), PART4(16), PART4(20), PART4(24), PART4(28)};

/* A word of an address has ten levels of the tree, that of IPv6 three words. */
#define WORD_BITS  60
#define FIRST_BITS (64 - LPM_NODE_BITS)

/*
 * Where each address of a burst is. On the way down no branch depends on what was read, so that the processor asks for all of a
 * level at once. Which of the nodes on the way has a prefix that fits is looked at from the end on: mostly the last one.
 */
struct descent {
	uint32_t n; /* that go on */
	uint8_t who[LPM_BURST];
	uint32_t node[LPM_BURST];
	/* of each address: nodes on the way, with the six bits there; the first one is none, whose bits are all zero */
	uint8_t n_nodes[LPM_BURST];
	uint32_t way[1 + LPM_LEVELS][LPM_BURST];
};

static inline __attribute__((always_inline)) void begin(
	const struct lpm *lpm, struct lpm_burst *burst, struct descent *d, const uint8_t *who, uint32_t n)
{
	uint32_t of_none = __atomic_load_n(&lpm->default_value, __ATOMIC_RELAXED), n_on = 0;

	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = who[k];
		const struct lpm_root *root = &lpm->root[burst->hi[i] >> (64 - LPM_ROOT_BITS)];
		uint32_t value = __atomic_load_n(&root->word, __ATOMIC_RELAXED) & LPM_VALUE_MAX;
		uint32_t node = block_load(&root->node);

		burst->values[i] = value | (of_none & -(uint32_t)(value == 0));
		d->way[0][i] = 0;
		d->n_nodes[i] = 0;
		d->who[n_on] = (uint8_t)i;
		d->node[n_on] = node;
		n_on += node != 0;
	}
	d->n = n_on;
}

/* A level whose bits are shift bits above a word's end. */
static inline __attribute__((always_inline)) void step(const struct lpm_node *nodes, const uint64_t *words,
	struct descent *d, uint32_t level, uint32_t shift)
{
	uint32_t *way = d->way[level + 1], n = 0, n_here = d->n;

	for (uint32_t k = 0; k < n_here; k++) {
		uint32_t i = d->who[k], at = d->node[k];
		const struct lpm_node *node = &nodes[at];
		uint32_t bits = words[i] >> shift & 63;

		way[i] = at << LPM_NODE_BITS | bits;
		d->n_nodes[i] = (uint8_t)(level + 1);
		d->who[n] = (uint8_t)i;
		d->node[n] = block_load(&node->child) + node_child_rank(node, bits);
		n += node_has_child(node, bits);
	}
	d->n = n;
}

/* The last node that has a prefix which fits, and the bits there. */
static inline uint32_t last_fit(const struct lpm_node *nodes, const struct descent *d, uint32_t i)
{
	for (uint32_t level = d->n_nodes[i]; level > 0; level--) {
		uint32_t way = d->way[level][i], bits = way & 63;
		const struct lpm_node *node = &nodes[way >> LPM_NODE_BITS];

		if (likely((node->full >> bits & 1) | (node->part & part_of[bits >> 1])))
			return way;
	}
	return 0;
}

static inline __attribute__((always_inline)) void end(const struct lpm *lpm, struct lpm_burst *burst,
	const struct descent *d, const uint8_t *who, uint32_t n)
{
	const struct lpm_node *nodes = node_at(lpm, 0);
	const uint16_t *values = values_at(lpm, 0);

	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = who[k], way = last_fit(nodes, d, i), bits = way & 63;
		const struct lpm_node *node = &nodes[way >> LPM_NODE_BITS];
		uint64_t shorter = (node->full >> bits & 1) - 1; /* all ones if so */
		uint32_t longest = 63u ^ (uint32_t)__builtin_clzll((node->part & part_of[bits >> 1]) | 1);
		uint32_t number = bits ^ ((bits ^ longest) & (uint32_t)shorter);
		uint64_t before = (node->full ^ ((node->full ^ node->part) & shorter)) & bits_below(number);
		uint64_t rank = (uint64_t)__builtin_popcountll(before) +
				((uint64_t)__builtin_popcountll(node->full) & shorter);
		uint32_t value = __atomic_load_n(
			&values[block_load(&node->value) * (size_t)LPM_VALUE_UNIT + rank], __ATOMIC_RELAXED);

		/* that of none is 0 */
		burst->values[i] = value | (burst->values[i] & -(uint32_t)(value == 0));
	}
}

/* The next words of those that are still on the way. */
static void words_behind(
	const struct lpm_burst *burst, const struct descent *d, uint32_t start, uint64_t *words)
{
	for (uint32_t k = 0; k < d->n; k++) {
		uint32_t i = d->who[k];

		words[i] = start == WORD_BITS ? burst->hi[i] << WORD_BITS | burst->lo[i] >> (64 - WORD_BITS)
					      : burst->lo[i] << (2 * WORD_BITS - 64);
	}
}

/* Of those addresses of a burst. */
static inline __attribute__((always_inline)) void descend(
	const struct lpm *lpm, struct lpm_burst *burst, const uint8_t *who, uint32_t n)
{
	const struct lpm_node *nodes = node_at(lpm, 0);
	uint32_t level = 0, depth = LPM_ROOT_BITS;
	struct descent d;
	uint64_t words[LPM_BURST];

	begin(lpm, burst, &d, who, n);
	if (d.n == 0)
		return;
	for (; d.n > 0 && depth < WORD_BITS; depth += LPM_NODE_BITS)
		step(nodes, burst->hi, &d, level++, FIRST_BITS - depth);
	for (; unlikely(d.n > 0); depth += LPM_NODE_BITS) {
		if (depth % WORD_BITS == 0)
			words_behind(burst, &d, depth, words);
		step(nodes, words, &d, level++, FIRST_BITS - depth % WORD_BITS);
	}
	end(lpm, burst, &d, who, n);
}

/* --- what is known --- */

#define EIGHT(i) i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7

static const uint8_t everyone[LPM_BURST] = {EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24)};

/* Fills in what is known. Returns how many are not, and who. */
static inline __attribute__((always_inline)) uint32_t ask(
	const struct memo *memo, uint64_t state, struct lpm_burst *burst, uint8_t *who, uint32_t n)
{
	uint32_t n_unknown = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t value;
		bool known = memo_knows(memo, state, burst->hi[i], burst->lo[i], &value);

		burst->values[i] = (uint32_t)value;
		who[n_unknown] = (uint8_t)i;
		n_unknown += !known;
	}
	return n_unknown;
}

static inline __attribute__((always_inline)) void lookup(
	const struct lpm *lpm, struct memo *memo, struct lpm_burst *burst, uint32_t n)
{
	uint64_t state = memo_state(&lpm->state);
	bool asked = memo && !memo_rests(memo);
	uint8_t unknown[LPM_BURST];
	uint32_t n_down = n;

	if (asked)
		n_down = ask(memo, state, burst, unknown, n);
	if (n_down == 0)
		return;
	descend(lpm, burst, asked ? unknown : everyone, n_down);
	if (!asked)
		return;
	for (uint32_t k = 0; k < n_down; k++) {
		uint32_t i = unknown[k];

		memo_note(memo, state, burst->hi[i], burst->lo[i], burst->values[i]);
	}
	memo_asked(memo, n, n_down);
}

static void lookup_plain(const struct lpm *lpm, struct memo *memo, struct lpm_burst *burst, uint32_t n)
{
	lookup(lpm, memo, burst, n);
}

#ifdef __x86_64__

/* An instruction that the first processors of the architecture do not have yet counts bits. */
__attribute__((target("popcnt"))) static void lookup_popcnt(
	const struct lpm *lpm, struct memo *memo, struct lpm_burst *burst, uint32_t n)
{
	lookup(lpm, memo, burst, n);
}

void lpm_lookup_n(const struct lpm *lpm, struct memo *memo, struct lpm_burst *burst, uint32_t n)
{
	if (likely(__builtin_cpu_supports("popcnt")))
		lookup_popcnt(lpm, memo, burst, n);
	else
		lookup_plain(lpm, memo, burst, n);
}

#else

void lpm_lookup_n(const struct lpm *lpm, struct memo *memo, struct lpm_burst *burst, uint32_t n)
{
	lookup_plain(lpm, memo, burst, n);
}

#endif

uint32_t lpm_lookup(const struct lpm *lpm, const uint8_t *addr)
{
	struct lpm_burst burst;

	if (lpm->addr_len == IP6_LEN)
		lpm_burst_put6(&burst, 0, addr);
	else
		lpm_burst_put4(&burst, 0, be32_get(addr));
	lpm_lookup_n(lpm, NULL, &burst, 1);
	return burst.values[0];
}
