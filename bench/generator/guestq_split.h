/* SPDX-License-Identifier: Apache-2.0 */
/* guestq_split - a split ring (virtio 1.2, 2.7) of slots in their order; see guestq.h. */
#ifndef GINNEL_BENCH_GUESTQ_SPLIT_H
#define GINNEL_BENCH_GUESTQ_SPLIT_H

#include "guestq.h"

#include <string.h>

/* Slots that came back and were not taken. Acquire: pairs with the device's release of the index. */
static inline uint32_t split_returned(struct guestq *r, uint32_t max)
{
	uint32_t n = (uint16_t)(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) - (uint16_t)r->taken);

	if (n > max)
		return max; /* the last of a batch is not looked at */
	if (n > 0 &&
		unlikely(r->used->ring[(r->taken + n - 1) & r->mask].id != ((r->taken + n - 1) & r->mask)))
		r->broken = true;
	return n;
}

/* Did slot `count` come back with len bytes in it? One load for number and length. */
static inline bool split_used_is(const struct guestq *r, uint32_t count, uint32_t len)
{
	uint64_t word;

	memcpy(&word, &r->used->ring[count & r->mask], sizeof(word));
	return word == ((count & r->mask) | (uint64_t)len << 32);
}

static inline uint32_t split_used_id(const struct guestq *r, uint32_t count)
{
	return r->used->ring[count & r->mask].id;
}

static inline uint32_t split_used_len(const struct guestq *r, uint32_t count)
{
	return r->used->ring[count & r->mask].len;
}

/* The available ring names each slot at its place, always. */
static inline void split_offer(struct guestq *r, uint32_t n)
{
	r->offered += n;
	__atomic_store_n(&r->avail->idx, (uint16_t)r->offered, __ATOMIC_RELEASE);
}

static inline bool split_wants_kick(const struct guestq *r)
{
	return !(__atomic_load_n(&r->used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
}

#endif
