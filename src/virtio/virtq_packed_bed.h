/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_packed_bed - the driver's side of a packed ring, as its specification tells it, for tests. */
#ifndef GINNEL_VIRTIO_VIRTQ_PACKED_BED_H
#define GINNEL_VIRTIO_VIRTQ_PACKED_BED_H

#include "virtio/virtq_bed.h"

#define PACKED    (1ull << VIRTIO_F_RING_PACKED)
#define WRITE     VRING_DESC_F_WRITE
#define NEXT      VRING_DESC_F_NEXT
#define INDIRECT  VRING_DESC_F_INDIRECT
#define BIT_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define BIT_USED  (1u << VRING_PACKED_DESC_F_USED)
#define OFF_WRAP  0x8000u
#define NEW_RING  0x80008000u
#define SLOTS_MAX 256u

/* A slot and the wrap counter of the lap. */
struct place {
	uint16_t slot;
	bool wrap;
};

struct packed_bed {
	struct bed bed;
	uint32_t size;
	struct place next, used; /* what the driver fills next, what is used next */
};

static inline struct vring_packed_desc *slot_of(struct packed_bed *b, uint32_t slot)
{
	return &((struct vring_packed_desc *)(void *)b->bed.low)[slot];
}

static inline struct vring_packed_desc_event *driver_event(struct packed_bed *b)
{
	return (struct vring_packed_desc_event *)(void *)(b->bed.low + (AVAIL - LOW));
}

static inline struct vring_packed_desc_event *device_event(struct packed_bed *b)
{
	return (struct vring_packed_desc_event *)(void *)(b->bed.low + (USED - LOW));
}

static inline void place_forward(const struct packed_bed *b, struct place *p, uint32_t slots)
{
	for (; slots > 0; slots--) {
		p->slot = (uint16_t)((p->slot + 1u) % b->size);
		p->wrap ^= p->slot == 0;
	}
}

static inline uint32_t place_base(const struct place *p)
{
	uint32_t half = p->slot | (p->wrap ? OFF_WRAP : 0);

	return half | half << 16;
}

/* A new ring of that size, which has run `slots` slots already: all were used, one by one. */
static inline void packed_restart(struct packed_bed *b, uint64_t features, uint32_t size, uint32_t slots)
{
	const char *why = "";

	virtq_stop(&b->bed.q);
	memset(b->bed.low, 0, HALF);
	b->size = size;
	b->next = (struct place){.wrap = true};
	for (; slots > 0; slots--) {
		slot_of(b, b->next.slot)->flags = b->next.wrap ? BIT_AVAIL | BIT_USED : 0;
		place_forward(b, &b->next, 1);
	}
	b->used = b->next;
	b->bed.setup.size = size;
	b->bed.setup.features = features | PACKED;
	b->bed.setup.base = place_base(&b->next);
	assert_int_equal(virtq_start(&b->bed.q, b->bed.mem, &b->bed.setup, &why), 0);
}

static inline void packed_open(struct packed_bed *b)
{
	bed_map(&b->bed);
	packed_restart(b, FEATURES, SIZE, 0);
}

/* Puts a descriptor where the driver is; available at once. */
static inline void put(struct packed_bed *b, uint64_t addr, uint32_t len, uint16_t id, uint16_t flags)
{
	struct vring_packed_desc *d = slot_of(b, b->next.slot);

	d->addr = addr;
	d->len = len;
	d->id = id;
	__atomic_store_n(
		&d->flags, (uint16_t)(flags | (b->next.wrap ? BIT_AVAIL : BIT_USED)), __ATOMIC_RELEASE);
	place_forward(b, &b->next, 1);
}

static inline void put_one(struct packed_bed *b, uint16_t id, uint16_t flags)
{
	put(b, BUF(id % 16), 100, id, flags);
}

/* The driver takes a used buffer of that many slots. False: there is none. */
static inline bool take_used(struct packed_bed *b, uint32_t slots, struct vring_packed_desc *out)
{
	struct vring_packed_desc *d = slot_of(b, b->used.slot);
	uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);

	if (!!(flags & BIT_AVAIL) != b->used.wrap || !!(flags & BIT_USED) != b->used.wrap)
		return false;
	*out = *d;
	place_forward(b, &b->used, slots);
	return true;
}

static inline int pop(struct packed_bed *b)
{
	return virtq_pop(&b->bed.q, &b->bed.chain);
}

/* Takes what the driver put, one buffer, and pushes it. */
static inline void pop_push(struct packed_bed *b, uint32_t len)
{
	assert_int_equal(pop(b), 1);
	virtq_push(&b->bed.q, b->bed.chain.buffer, len);
}

/* The driver takes a used buffer, with this id and length. */
static inline void check_used(struct packed_bed *b, uint32_t slots, uint16_t id, uint32_t len)
{
	struct vring_packed_desc d = {0};

	assert_true(take_used(b, slots, &d));
	assert_int_equal(d.id, id);
	assert_int_equal(d.len, len);
	assert_int_equal(!!(d.flags & WRITE), len > 0);
	assert_int_equal(d.flags & ~(BIT_AVAIL | BIT_USED | WRITE), 0);
}

static inline void check_none_used(struct packed_bed *b)
{
	struct vring_packed_desc d;

	assert_false(take_used(b, 1, &d));
}

#endif
