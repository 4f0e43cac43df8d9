/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random - a small deterministic generator (splitmix64): the seed is an argument, so every run can be replayed.
 * Not for secrets.
 */
#ifndef GINNEL_BASE_RANDOM_H
#define GINNEL_BASE_RANDOM_H

#include <stdint.h>

struct random {
	uint64_t state;
};

static inline void random_init(struct random *r, uint64_t seed)
{
	r->state = seed;
}

static inline uint64_t random_u64(struct random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* A number in 0 .. n-1; n must not be 0. */
static inline uint32_t random_below(struct random *r, uint32_t n)
{
	return (uint32_t)((random_u64(r) >> 32) * n >> 32);
}

#endif
