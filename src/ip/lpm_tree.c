/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/lpm_tree.h"

#include "ip/lpm_node.h"
#include "os/rcu.h"

#include <errno.h>
#include <string.h>

/* Blocks that one change takes, and takes out. */
#define CHANGE_MAX (LPM_LEVELS + 3)

/* One node of the way to a prefix: the block it is in, and what leads there. */
struct step {
	uint32_t *slot;
	uint32_t n, pos; /* nodes in the block; which one */
	uint32_t bits;   /* of the prefix, in the node */
	struct lpm_node *node;
};

/* From the root to the node of a prefix, or to the last one on the way. */
struct way {
	uint64_t hi, lo;
	uint32_t target; /* the level of the prefix */
	uint32_t last;   /* its bits in the target: 1 .. 6 */
	uint32_t n;      /* steps that are there: target + 1 if all are */
	struct step steps[LPM_LEVELS];
};

static uint32_t depth_of(uint32_t level)
{
	return LPM_ROOT_BITS + level * LPM_NODE_BITS;
}

static uint32_t bits_at(const struct way *w, uint32_t level)
{
	return node_bits(w->hi, w->lo, depth_of(level));
}

static struct step step_to(const struct lpm *lpm, uint32_t *slot, uint32_t n, uint32_t pos, uint32_t bits)
{
	return (struct step){
		.slot = slot, .n = n, .pos = pos, .bits = bits, .node = node_at(lpm, *slot) + pos};
}

static void walk(const struct lpm *lpm, const uint8_t *key, uint8_t len, struct way *w)
{
	struct lpm_burst at = {.lo[0] = 0};
	struct lpm_root *root;

	if (lpm->addr_len == IP6_LEN)
		lpm_burst_put6(&at, 0, key);
	else
		lpm_burst_put4(&at, 0, be32_get(key));
	*w = (struct way){.hi = at.hi[0], .lo = at.lo[0]};
	w->target = (len - 1 - LPM_ROOT_BITS) / LPM_NODE_BITS;
	w->last = len - depth_of(w->target);
	root = &lpm->root[w->hi >> (64 - LPM_ROOT_BITS)];
	if (root->node == 0)
		return;
	w->steps[w->n++] = step_to(lpm, &root->node, 1, 0, bits_at(w, 0));
	while (w->n <= w->target) {
		const struct step *up = &w->steps[w->n - 1];

		if (!node_has_child(up->node, up->bits))
			return;
		w->steps[w->n] =
			step_to(lpm, &up->node->child, (uint32_t)__builtin_popcountll(up->node->children),
				node_child_rank(up->node, up->bits), bits_at(w, w->n));
		w->n++;
	}
}

static bool is_there(const struct way *w)
{
	const struct step *s = &w->steps[w->target];

	return w->n == w->target + 1 && node_has(s->node, node_number(s->bits, w->last));
}

static uint16_t *value_of(const struct lpm *lpm, const struct way *w)
{
	const struct step *s = &w->steps[w->target];

	return values_at(lpm, s->node->value) + node_rank(s->node, node_number(s->bits, w->last));
}

uint32_t tree_get(const struct lpm *lpm, const uint8_t *key, uint8_t len)
{
	struct way w;

	walk(lpm, key, len, &w);
	return is_there(&w) ? *value_of(lpm, &w) : 0;
}

/* --- a change: blocks that are built, those they replace, and one store that shows them --- */

struct change {
	struct lpm *lpm;
	bool must; /* what is set aside may be taken */
	bool failed;
	uint32_t n_taken, n_old;
	struct {
		struct lpm_blocks *blocks;
		uint32_t block, size;
	} taken[CHANGE_MAX], old[CHANGE_MAX];
};

static uint32_t value_units(uint32_t n)
{
	return (n + LPM_VALUE_UNIT - 1) / LPM_VALUE_UNIT;
}

/* spare: which of those set aside if there is no other. 0: failed. */
static uint32_t block_take(struct change *c, struct lpm_blocks *b, uint32_t size, uint32_t spare)
{
	uint32_t block = blocks_get(b, size);

	if (!block && c->must)
		return b->spare[spare];
	c->failed |= !block;
	if (block) {
		c->taken[c->n_taken].blocks = b;
		c->taken[c->n_taken].block = block;
		c->taken[c->n_taken++].size = size;
	}
	return block;
}

static void block_old(struct change *c, struct lpm_blocks *b, uint32_t block, uint32_t size)
{
	c->old[c->n_old].blocks = b;
	c->old[c->n_old].block = block;
	c->old[c->n_old++].size = size;
}

/* Shows it, or forgets it. */
static void change_end(struct change *c, uint32_t *slot, uint32_t block)
{
	for (uint32_t i = 0; i < c->n_taken && c->failed; i++)
		blocks_put(c->taken[i].blocks, c->taken[i].block, c->taken[i].size);
	if (c->failed)
		return;
	__atomic_store_n(slot, block, __ATOMIC_RELEASE); /* pairs with block_load() */
	for (uint32_t i = 0; i < c->n_old; i++)
		blocks_retire(&c->lpm->waiting, c->old[i].blocks, c->old[i].block, c->old[i].size);
}

/* The block of a step with `node` in the node's place: shown. */
static void replace(struct change *c, const struct step *s, const struct lpm_node *node)
{
	uint32_t block = block_take(c, &c->lpm->nodes, s->n, 0);
	struct lpm_node *to = node_at(c->lpm, block);

	if (!c->failed) {
		memcpy(to, s->node - s->pos, s->n * sizeof(*to));
		to[s->pos] = *node;
		block_old(c, &c->lpm->nodes, *s->slot, s->n);
	}
	change_end(c, s->slot, block);
}

/* --- setting --- */

/* The node's values with one more, which has this number. */
static uint32_t values_with(struct change *c, const struct lpm_node *node, uint32_t number, uint16_t value)
{
	uint32_t n = node_n_values(node), rank = node_rank(node, number);
	uint32_t block = block_take(c, &c->lpm->values, value_units(n + 1), 0);
	const uint16_t *from = values_at(c->lpm, node->value);
	uint16_t *to = values_at(c->lpm, block);

	if (c->failed)
		return 0;
	memcpy(to, from, rank * sizeof(*to));
	to[rank] = value;
	memcpy(to + rank + 1, from + rank, (n - rank) * sizeof(*to));
	block_old(c, &c->lpm->values, node->value, value_units(n));
	return block;
}

static struct lpm_node with_prefix(
	struct change *c, const struct lpm_node *node, uint32_t number, uint32_t value)
{
	struct lpm_node with = *node;

	with.value = values_with(c, node, number, (uint16_t)value);
	if (number < LPM_NODE_FULL)
		with.full |= 1ull << number;
	else
		with.part |= 1ull << (number - LPM_NODE_FULL);
	return with;
}

/* A block of one node on the given level, which leads to the prefix and to nothing else. */
static uint32_t branch(struct change *c, const struct way *w, uint32_t level, uint32_t value)
{
	uint32_t block = 0;

	for (uint32_t l = w->target + 1; l-- > level;) {
		struct lpm_node node = {0};

		if (l == w->target)
			node = with_prefix(c, &node, node_number(bits_at(w, l), w->last), value);
		else
			node.children = 1ull << bits_at(w, l);
		node.child = block;
		block = block_take(c, &c->lpm->nodes, 1, 0);
		if (c->failed)
			return 0;
		*node_at(c->lpm, block) = node;
	}
	return block;
}

/* The node with one child more. */
static struct lpm_node with_child(struct change *c, const struct step *s, uint32_t child)
{
	struct lpm_node with = *s->node;
	uint32_t n = (uint32_t)__builtin_popcountll(with.children), rank = node_child_rank(&with, s->bits);
	const struct lpm_node *from = node_at(c->lpm, with.child);
	struct lpm_node *to;

	with.child = block_take(c, &c->lpm->nodes, n + 1, 0);
	if (c->failed)
		return with;
	to = node_at(c->lpm, with.child);
	memcpy(to, from, rank * sizeof(*to));
	to[rank] = *node_at(c->lpm, child);
	memcpy(to + rank + 1, from + rank, (n - rank) * sizeof(*to));
	block_old(c, &c->lpm->nodes, s->node->child, n);
	with.children |= 1ull << s->bits;
	return with;
}

static void add_branch(struct change *c, const struct way *w, uint32_t value)
{
	uint32_t block = branch(c, w, w->n, value);
	const struct step *from;
	struct lpm_node with;

	if (w->n == 0) {
		change_end(c, &c->lpm->root[w->hi >> (64 - LPM_ROOT_BITS)].node, block);
		return;
	}
	from = &w->steps[w->n - 1];
	if (!c->failed) {
		with = with_child(c, from, block);
		block_old(c, &c->lpm->nodes, block, 1); /* its node lies among the children now */
	}
	if (c->failed)
		change_end(c, NULL, 0);
	else
		replace(c, from, &with);
}

static bool try_set(struct lpm *lpm, const struct way *w, uint32_t value)
{
	struct change c = {.lpm = lpm};
	const struct step *s = &w->steps[w->target];
	struct lpm_node with;

	waiting_reserve(&lpm->waiting, CHANGE_MAX);
	if (w->n <= w->target) {
		add_branch(&c, w, value);
		return !c.failed;
	}
	with = with_prefix(&c, s->node, node_number(s->bits, w->last), value);
	if (c.failed)
		change_end(&c, NULL, 0);
	else
		replace(&c, s, &with);
	return !c.failed;
}

int tree_set(struct lpm *lpm, const uint8_t *key, uint8_t len, uint32_t value)
{
	struct way w;

	walk(lpm, key, len, &w);
	if (is_there(&w)) {
		__atomic_store_n(value_of(lpm, &w), (uint16_t)value, __ATOMIC_RELAXED);
		return 0;
	}
	if (try_set(lpm, &w, value))
		return 1;
	if (lpm->waiting.n == 0)
		return -ENOSPC;
	blocks_settle(&lpm->waiting);
	return try_set(lpm, &w, value) ? 1 : -ENOSPC;
}

/* --- deleting --- */

static struct lpm_node without_prefix(struct change *c, const struct lpm_node *node, uint32_t number)
{
	struct lpm_node without = *node;
	uint32_t n = node_n_values(node), rank = node_rank(node, number);
	const uint16_t *from = values_at(c->lpm, node->value);
	uint16_t *to;

	without.value = 0;
	if (n > 1) {
		without.value = block_take(c, &c->lpm->values, value_units(n - 1), 0);
		to = values_at(c->lpm, without.value);
		memcpy(to, from, rank * sizeof(*to));
		memcpy(to + rank, from + rank + 1, (n - rank - 1) * sizeof(*to));
	}
	block_old(c, &c->lpm->values, node->value, value_units(n));
	if (number < LPM_NODE_FULL)
		without.full &= ~(1ull << number);
	else
		without.part &= ~(1ull << (number - LPM_NODE_FULL));
	return without;
}

static struct lpm_node without_child(struct change *c, const struct step *s)
{
	struct lpm_node without = *s->node;
	uint32_t n = (uint32_t)__builtin_popcountll(without.children),
		 rank = node_child_rank(&without, s->bits);
	const struct lpm_node *from = node_at(c->lpm, without.child);
	struct lpm_node *to;

	without.child = 0;
	if (n > 1) {
		without.child = block_take(c, &c->lpm->nodes, n - 1, 1);
		to = node_at(c->lpm, without.child);
		memcpy(to, from, rank * sizeof(*to));
		memcpy(to + rank, from + rank + 1, (n - rank - 1) * sizeof(*to));
	}
	block_old(c, &c->lpm->nodes, s->node->child, n);
	without.children &= ~(1ull << s->bits);
	return without;
}

/*
 * Shown was a block that is set aside, as there was no other. The one that it replaced is at least as large, and free when
 * the workers' turns have ended: there it goes.
 */
static void leave_spare(struct lpm *lpm, struct lpm_blocks *b, uint32_t *slot, uint32_t size)
{
	uint32_t block;

	if (!block_is_spare(b, *slot))
		return;
	blocks_settle(&lpm->waiting);
	block = blocks_get(b, size);
	ASSERT(block);
	memcpy(blocks_at(b, block), blocks_at(b, *slot), (size_t)size * b->unit);
	__atomic_store_n(slot, block, __ATOMIC_RELEASE);
	rcu_wait();
}

static void leave_spares(struct lpm *lpm, const struct step *s)
{
	struct lpm_node *node;

	leave_spare(lpm, &lpm->nodes, s->slot, s->n);
	node = node_at(lpm, *s->slot) + s->pos;
	leave_spare(lpm, &lpm->nodes, &node->child, (uint32_t)__builtin_popcountll(node->children));
	leave_spare(lpm, &lpm->values, &node->value, value_units(node_n_values(node)));
}

int tree_del(struct lpm *lpm, const uint8_t *key, uint8_t len)
{
	struct change c = {.lpm = lpm, .must = true};
	struct lpm_node node;
	struct way w;
	uint32_t level;

	walk(lpm, key, len, &w);
	if (!is_there(&w))
		return -ENOENT;
	waiting_reserve(&lpm->waiting, CHANGE_MAX);
	level = w.target;
	node = without_prefix(&c, w.steps[level].node, node_number(w.steps[level].bits, w.last));
	while ((node.full | node.part | node.children) == 0 && level > 0)
		node = without_child(&c, &w.steps[--level]);
	if (node.full | node.part | node.children) {
		replace(&c, &w.steps[level], &node);
		leave_spares(lpm, &w.steps[level]);
	} else {
		block_old(&c, &lpm->nodes, *w.steps[0].slot, 1);
		change_end(&c, w.steps[0].slot, 0);
	}
	return 0;
}

/* --- a list --- */

static void addr_put(const struct lpm *lpm, uint8_t *addr, uint32_t depth, uint32_t bits)
{
	for (uint32_t i = 0; i < LPM_NODE_BITS && depth + i < lpm->addr_len * 8u; i++) {
		uint8_t bit = (uint8_t)(0x80 >> (depth + i) % 8);

		addr[(depth + i) / 8] &= (uint8_t)~bit;
		addr[(depth + i) / 8] |= bits << i & 32 ? bit : 0;
	}
}

/* The first prefix of a node from a number on; false: there is none. addr has the bits up to the node. */
static bool node_next(const struct lpm *lpm, const struct lpm_node *node, uint32_t level, uint32_t number,
	uint8_t *addr, uint8_t *len)
{
	uint32_t n = 6, bits;

	while (number < LPM_NODE_FULL + LPM_NODE_PART && !node_has(node, number))
		number++;
	if (number == LPM_NODE_FULL + LPM_NODE_PART)
		return false;
	bits = number;
	if (number >= LPM_NODE_FULL) {
		number += 2 - LPM_NODE_FULL;
		n = 31 - (uint32_t)__builtin_clz(number);
		bits = (number - (1u << n)) << (6 - n);
	}
	addr_put(lpm, addr, depth_of(level), bits);
	*len = (uint8_t)(depth_of(level) + n);
	return true;
}

/* The first prefix below a node's children from one on; false: there is none. */
static bool below_next(const struct lpm *lpm, const struct lpm_node *node, uint32_t level, uint32_t first,
	uint8_t *addr, uint8_t *len)
{
	uint64_t children = first < 64 ? node->children & ~bits_below(first) : 0;
	uint32_t bits;

	do {
		if (children == 0)
			return false;
		bits = (uint32_t)__builtin_ctzll(children);
		addr_put(lpm, addr, depth_of(level++), bits);
		node = node_at(lpm, node->child) + node_child_rank(node, bits);
		children = node->children;
	} while (!node_next(lpm, node, level, 0, addr, len));
	return true;
}

static bool root_next(const struct lpm *lpm, uint32_t idx, uint8_t *addr, uint8_t *len)
{
	for (; idx < LPM_ROOT_SIZE; idx++) {
		const struct lpm_node *node = node_at(lpm, lpm->root[idx].node);

		if (lpm->root[idx].node == 0)
			continue;
		be32_set(addr, idx << (32 - LPM_ROOT_BITS));
		return node_next(lpm, node, 0, 0, addr, len) || below_next(lpm, node, 0, 0, addr, len);
	}
	return false;
}

/* In a node first its own, then those below, then those behind. */
static bool find_next(const struct lpm *lpm, uint8_t *addr, uint8_t *len)
{
	struct way w;
	uint32_t level;

	if (*len == 0)
		return root_next(lpm, 0, addr, len);
	walk(lpm, addr, *len, &w);
	level = w.n;
	if (level == w.target + 1) {
		const struct step *s = &w.steps[--level];

		if (node_next(lpm, s->node, level, node_number(s->bits, w.last) + 1, addr, len) ||
			below_next(lpm, s->node, level, 0, addr, len))
			return true;
	}
	while (level-- > 0)
		if (below_next(lpm, w.steps[level].node, level, w.steps[level].bits + 1, addr, len))
			return true;
	return root_next(lpm, (uint32_t)(w.hi >> (64 - LPM_ROOT_BITS)) + 1, addr, len);
}

bool tree_next(const struct lpm *lpm, uint8_t *addr, uint8_t *len, uint32_t *value)
{
	struct ip_addr a = ip_addr_at(addr, lpm->addr_len == IP6_LEN);

	if (!find_next(lpm, a.bytes, len))
		return false;
	ip_addr_mask(&a, *len);
	memcpy(addr, a.bytes, lpm->addr_len);
	*value = tree_get(lpm, addr, *len);
	return true;
}
