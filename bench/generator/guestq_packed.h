/* SPDX-License-Identifier: Apache-2.0 */
/* guestq_packed - a packed ring (virtio 1.2, 2.8) of slots in their order; see guestq.h. */
#ifndef GINNEL_BENCH_GUESTQ_PACKED_H
#define GINNEL_BENCH_GUESTQ_PACKED_H

#include "guestq.h"
#include "virtio/packed.h"

/* All of a descriptor but its address. */
static inline uint64_t *packed_word(const struct guestq *r, uint32_t count)
{
	return (uint64_t *)(void *)&r->slots[count & r->mask].len;
}

/* The wrap counter of the lap that `count` is in. */
static inline bool packed_lap(const struct guestq *r, uint32_t count)
{
	return !(count >> r->shift & 1);
}

/*
 * Slots that came back and were not taken: at least max, if there are so many. Acquire: pairs with the device's release
 * of a descriptor's flags. With IN_ORDER the first slot of a batch names the last.
 */
static inline uint32_t packed_returned(struct guestq *r, uint32_t max)
{
	uint32_t n = 0;

	while (n < max) {
		const uint32_t count = r->taken + n;
		const uint64_t word = __atomic_load_n(packed_word(r, count), __ATOMIC_ACQUIRE);
		uint32_t more = (packed_id_of(word) - count) & r->mask;

		if (!packed_is_used(word, packed_lap(r, count)))
			break;
		if (unlikely(more && !r->in_order))
			r->broken = true;
		n += 1 + more;
	}
	return n;
}

static inline bool packed_used_is(const struct guestq *r, uint32_t count, uint32_t len)
{
	return *packed_word(r, count) << 16 == packed_rest(len, (uint16_t)(count & r->mask), 0) << 16;
}

static inline uint32_t packed_used_len(const struct guestq *r, uint32_t count)
{
	return packed_len_of(*packed_word(r, count));
}

static inline uint64_t packed_offer_word(const struct guestq *r, uint32_t count)
{
	return packed_rest(r->desc_len, (uint16_t)(count & r->mask),
		r->desc_flags | packed_avail_bits(packed_lap(r, count)));
}

/* The first one last: the device sees all of them at once. Release: pairs with its acquire of the flags. */
static inline void packed_offer(struct guestq *r, uint32_t n)
{
	for (uint32_t i = n; i-- > 1;)
		*packed_word(r, r->offered + i) = packed_offer_word(r, r->offered + i);
	if (n > 0)
		__atomic_store_n(
			packed_word(r, r->offered), packed_offer_word(r, r->offered), __ATOMIC_RELEASE);
	r->offered += n;
}

/* Event indexes are not negotiated: the device wants all notifications, or none. */
static inline bool packed_wants_kick(const struct guestq *r)
{
	return packed_event_load(r->device_event) >> 16 != VRING_PACKED_EVENT_FLAG_DISABLE;
}

#endif
