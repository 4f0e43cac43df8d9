/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inflight_packed - the same as vhost/inflight.h, of a packed ring ("Inflight I/O tracking", packed virtqueue).
 *
 * A packed ring forgets: used descriptors overwrite those of buffers that are still out. So an entry is kept of each
 * descriptor, in chains as the ring had them; and where the device returns next, which no index in the guest tells.
 *
 *	for each buffer taken              inflight_packed_fetch()
 *	before they are published          inflight_packed_returning(): the new place, free entries
 *	after that                         inflight_packed_returned(): the old place becomes the new one
 *
 * Who dies between the last two leaves two places, and the descriptor at the old one tells which holds: the first of
 * a batch is shown last. As in the other file, all that recover() reads is checked; the links we follow are our own copy.
 */
#ifndef GINNEL_VHOST_INFLIGHT_PACKED_H
#define GINNEL_VHOST_INFLIGHT_PACKED_H

#include "vhost/inflight.h"

#include <linux/virtio_ring.h>

struct inflight_packed_desc {
	uint8_t inflight; /* of a chain's first: the guest waits for it */
	uint8_t padding;
	uint16_t next; /* in the chain, or in the list of free entries */
	uint16_t last; /* of a chain's first: its last, and how many they are */
	uint16_t num;
	uint64_t counter;
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

static_assert(sizeof(struct inflight_packed_desc) == INFLIGHT_PACKED_DESC, "inflight descriptor");

struct inflight_packed_area {
	uint64_t features;
	uint16_t version; /* 0: nobody has used it yet */
	uint16_t desc_num;
	uint16_t free_head, old_free_head;
	uint16_t used_idx, old_used_idx;
	uint8_t used_wrap_counter, old_used_wrap_counter;
	uint8_t padding[7];
	struct inflight_packed_desc desc[];
};

static_assert(sizeof(struct inflight_packed_area) == INFLIGHT_PACKED_HEADER, "inflight queue region");

/* What we believe of an entry. */
struct inflight_packed_links {
	uint16_t next, last, num;
	bool taken;
};

struct inflight_packed {
	struct inflight_packed_area *area;
	struct inflight_packed_links *links; /* size of them */
	uint16_t size;
	uint16_t free_head;
	uint16_t used; /* where the device returns next: virtio/packed.h, off_wrap */
	uint64_t counter;
};

/*
 * Takes an area up, or begins it at that place when nobody has used it. 0; -EINVAL when it belongs to a ring of another
 * size; -ENOMEM.
 */
int inflight_packed_open(struct inflight_packed *i, void *area, uint16_t size, uint16_t off_wrap);
void inflight_packed_close(struct inflight_packed *i);

/* The entry that stands for the buffer from here on. There is room: a ring has no more descriptors than entries. */
uint16_t inflight_packed_fetch(struct inflight_packed *i, const struct vring_packed_desc *descs, uint32_t n);
void inflight_packed_returning(struct inflight_packed *i, const uint16_t *entries, uint32_t n);
void inflight_packed_returned(struct inflight_packed *i, const uint16_t *entries, uint32_t n);

/* Where the place is that decides. */
uint16_t inflight_packed_old_used(const struct inflight_packed *i);
/*
 * What was taken and not returned, in the order in which it was taken; returns how many, and in *slots how many
 * descriptors they are. i->used is where the ring goes on. shown: the descriptor at the old place is used.
 */
uint32_t inflight_packed_recover(
	struct inflight_packed *i, bool shown, struct inflight_entry *entries, uint32_t *slots);
/* The descriptors of one of these; returns how many. descs has room for a ring full. */
uint32_t inflight_packed_noted(
	const struct inflight_packed *i, uint16_t entry, struct vring_packed_desc *descs);

#endif
