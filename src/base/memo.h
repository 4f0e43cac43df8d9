/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memo - what a worker has found out, so that it need not find it out again: a value for a key of two words, each in the
 * one place where it can be.
 *
 *	who changes                     who looks
 *	  the change itself               state = memo_state()
 *	  memo_state_change()             memo_knows(), or look, and memo_note() under that state
 *
 * What an answer was found in has a state: another one after each change, and never that of anything else. It is part of
 * an entry, so one step makes all void that was known before; who loads a state sees all changes before it.
 *
 * Places are not keyed. Who aims at them makes others look as if nobody knew, which is what they did without a memo.
 *
 * Threads: a memo is its worker's own, and begins as zeros. A state is anybody's.
 */
#ifndef GINNEL_BASE_MEMO_H
#define GINNEL_BASE_MEMO_H

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

#define MEMO_BITS 14
#define MEMO_SIZE (1u << MEMO_BITS)

/* 512 KB, of which those pages take memory that are used: for pages_alloc(). */
struct memo {
	uint32_t pause; /* bursts for which it is not asked */
	struct memo_entry {
		uint64_t hi, lo; /* the key */
		uint64_t state;
		uint64_t value;
	} __attribute__((aligned(32))) entries[MEMO_SIZE];
};

struct memo_state {
	uint64_t now; /* atomic; never 0 */
};

void memo_state_init(struct memo_state *s);

/* Behind the change. */
static inline void memo_state_change(struct memo_state *s)
{
	__atomic_fetch_add(&s->now, 1, __ATOMIC_ACQ_REL);
}

/* Before whatever is looked at. */
static inline uint64_t memo_state(const struct memo_state *s)
{
	return __atomic_load_n(&s->now, __ATOMIC_ACQUIRE);
}

static inline uint32_t memo_place(uint64_t hi, uint64_t lo)
{
	return (uint32_t)((hi * 0x9e3779b97f4a7c15u + lo * 0xd6e8feb86659fd93u) >> (64 - MEMO_BITS));
}

/* No branch depends on it. *value means something if it is known. */
static inline bool memo_knows(
	const struct memo *memo, uint64_t state, uint64_t hi, uint64_t lo, uint64_t *value)
{
	const struct memo_entry *e = &memo->entries[memo_place(hi, lo)];

	*value = e->value;
	return (e->hi == hi) & (e->lo == lo) & (e->state == state);
}

static inline void memo_note(struct memo *memo, uint64_t state, uint64_t hi, uint64_t lo, uint64_t value)
{
	memo->entries[memo_place(hi, lo)] =
		(struct memo_entry){.hi = hi, .lo = lo, .state = state, .value = value};
}

/*
 * One that knew less than half of a burst rests for so many: there are more keys than it holds, and to ask and fill it costs
 * a third of a lookup of routes.
 */
#define MEMO_PAUSE 7

/* Before a burst: true, it is neither asked nor filled. */
static inline bool memo_rests(struct memo *memo)
{
	if (likely(memo->pause == 0))
		return false;
	memo->pause--;
	return true;
}

/* After one that it was asked for. */
static inline void memo_asked(struct memo *memo, uint32_t n, uint32_t n_unknown)
{
	memo->pause = n_unknown > n / 2 ? MEMO_PAUSE : 0;
}

#endif
