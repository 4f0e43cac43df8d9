/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packed - places in a packed ring, and the words that lie there (virtio 1.2, 2.8), for both of its sides.
 *
 * A place is a slot and the parity of the lap. It is kept as one number that counts slots over two laps, 0 to
 * 2 * size - 1; the ring's wrap counter is 1 in the first of them. To the other side it is written as off_wrap: the
 * slot, and the wrap counter above it.
 */
#ifndef GINNEL_VIRTIO_PACKED_H
#define GINNEL_VIRTIO_PACKED_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define PACKED_AVAIL    (1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED     (1u << VRING_PACKED_DESC_F_USED)
#define PACKED_WRAP_BIT (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

/* virtio 1.2, 2.8: alignment of the ring and of both event areas. */
#define PACKED_RING_ALIGN  16
#define PACKED_EVENT_ALIGN 4

static inline uint32_t packed_slot(uint32_t size, uint32_t place)
{
	return place < size ? place : place - size;
}

static inline bool packed_wrap(uint32_t size, uint32_t place)
{
	return place < size;
}

static inline uint16_t packed_forward(uint32_t size, uint32_t place, uint32_t slots)
{
	uint32_t to = place + slots;

	return (uint16_t)(to < 2 * size ? to : to - 2 * size);
}

static inline uint16_t packed_back(uint32_t size, uint32_t place, uint32_t slots)
{
	return (uint16_t)(place >= slots ? place - slots : place + 2 * size - slots);
}

/* Slots from one place on to another; a place is never more than two laps away. */
static inline uint32_t packed_distance(uint32_t size, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + 2 * size - from;
}

static inline uint16_t packed_off_wrap(uint32_t size, uint32_t place)
{
	return (uint16_t)(packed_slot(size, place) | (packed_wrap(size, place) ? PACKED_WRAP_BIT : 0));
}

/* False: there is no such slot. */
static inline bool packed_place_of(uint32_t size, uint16_t off_wrap, uint16_t *place)
{
	uint32_t slot = off_wrap & (PACKED_WRAP_BIT - 1);

	*place = (uint16_t)(off_wrap & PACKED_WRAP_BIT ? slot : slot + size);
	return slot < size;
}

/* --- all of a descriptor but its address, as one word: len, buffer id, flags --- */

static inline uint64_t packed_rest(uint32_t len, uint16_t id, uint16_t flags)
{
	return len | (uint64_t)id << 32 | (uint64_t)flags << 48;
}

static inline uint32_t packed_len_of(uint64_t rest)
{
	return (uint32_t)rest;
}

static inline uint16_t packed_id_of(uint64_t rest)
{
	return (uint16_t)(rest >> 32);
}

static inline uint16_t packed_flags_of(uint64_t rest)
{
	return (uint16_t)(rest >> 48);
}

/* The AVAIL and USED bits of a descriptor that was made available, or used, in the lap of this wrap counter. */
static inline uint16_t packed_avail_bits(bool wrap)
{
	return wrap ? PACKED_AVAIL : PACKED_USED;
}

static inline uint16_t packed_used_bits(bool wrap)
{
	return wrap ? PACKED_AVAIL | PACKED_USED : 0;
}

/* The driver made this descriptor available in the lap of this wrap counter, and it was not used since. */
static inline bool packed_is_avail(uint64_t rest, bool wrap)
{
	return (packed_flags_of(rest) & (PACKED_AVAIL | PACKED_USED)) == packed_avail_bits(wrap);
}

static inline bool packed_is_used(uint64_t rest, bool wrap)
{
	return (packed_flags_of(rest) & (PACKED_AVAIL | PACKED_USED)) == packed_used_bits(wrap);
}

/* --- an event area is one word: off_wrap, and flags above it. Both sides read and write it whole. --- */

static inline uint32_t packed_event_load(const struct vring_packed_desc_event *event)
{
	return __atomic_load_n((const uint32_t *)(const void *)event, __ATOMIC_RELAXED);
}

static inline void packed_event_store(
	struct vring_packed_desc_event *event, uint16_t off_wrap, uint16_t flags)
{
	__atomic_store_n((uint32_t *)(void *)event, off_wrap | (uint32_t)flags << 16, __ATOMIC_RELAXED);
}

/*
 * The other side's event area; we went on from old to new. Does it want to hear of that? (virtio 1.2, 2.8.10) What
 * makes no sense is a yes.
 */
static inline bool packed_event_wanted(
	uint32_t size, uint32_t event, bool event_idx, uint16_t old, uint16_t new)
{
	uint16_t flags = event >> 16 & 3, place;

	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !event_idx ||
		!packed_place_of(size, (uint16_t)event, &place))
		return true;
	return packed_distance(size, old, place) < packed_distance(size, old, new);
}

#endif
