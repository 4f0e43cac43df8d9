/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inflight - what a back-end writes down about the buffers of a ring it has taken and not returned, so that its
 * successor can return them when it dies ("Inflight I/O tracking").
 *
 * It is for devices that keep buffers across turns and return them in another order than they came. A device that
 * returns everything within the turn, in order, has nothing to write: whatever lies between the used index and the
 * avail index was taken by nobody.
 *
 *	for each buffer taken                  inflight_fetch()
 *	before the used index is published     inflight_returning()
 *	after that                             inflight_returned()
 *	when a ring starts                     inflight_recover(): what a predecessor left, oldest first
 *
 * The area lies in memory that the front-end shares. We only write to it, but for inflight_recover(), which reads each
 * value once, checks it and believes no more than that some buffers of this ring are to be handled again.
 *
 * The layout is that of split rings; it is fixed by the specification.
 */
#ifndef GINNEL_VHOST_INFLIGHT_H
#define GINNEL_VHOST_INFLIGHT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "Inflight I/O tracking", split virtqueue. */
struct inflight_split_desc {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next; /* in the last batch */
	uint64_t counter;
};

static_assert(sizeof(struct inflight_split_desc) == 16, "inflight descriptor");

struct inflight_split {
	uint64_t features;
	uint16_t version; /* 0: nobody has used it yet */
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct inflight_split_desc desc[];
};

static_assert(sizeof(struct inflight_split) == 16, "inflight queue region");

/* Packed rings have twice the header and twice the descriptors. */
#define INFLIGHT_PACKED_HEADER 32
#define INFLIGHT_PACKED_DESC   32

/* Bytes of one ring's area: a multiple of 64, so that two rings never share a cache line. */
uint64_t inflight_area_len(uint32_t size, bool packed);

/* One ring's area as its owner uses it; one owner at a time, as of the ring. */
struct inflight {
	struct inflight_split *area;
	uint16_t size;
	uint16_t last_batch_head;
	uint64_t counter;
};

/* Takes an area up, or begins it when nobody has used it. 0; -EINVAL when it belongs to a ring of another size. */
int inflight_open(struct inflight *i, void *area, uint16_t size);
void inflight_fetch(struct inflight *i, uint16_t head);
void inflight_returning(struct inflight *i, const uint16_t *heads, uint32_t n);
void inflight_returned(struct inflight *i, const uint16_t *heads, uint32_t n, uint16_t used_idx);
struct inflight_entry {
	uint64_t counter;
	uint16_t head;
};

/*
 * The buffers that were taken and not returned, in the order in which they were taken; returns how many. entries has
 * room for `size` of them. Those that were returned, but not yet noted so, are taken out by the used index the guest
 * sees. For the control thread, before the ring runs.
 */
uint32_t inflight_recover(struct inflight *i, uint16_t used_idx, struct inflight_entry *entries);

#endif
