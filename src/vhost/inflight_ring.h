/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inflight_ring - a ring's buffers in flight, split (vhost/inflight.h) or packed (vhost/inflight_packed.h), for a device
 * that keeps them across turns.
 *
 *	start       inflight_ring_retake() until there is none: what a predecessor had taken, oldest first
 *	taking      virtq_pop(), inflight_ring_fetch()
 *	returning   virtq_push() ..., inflight_ring_returning(), virtq_publish(), inflight_ring_returned()
 *
 * Each buffer has a note, a number of less than the ring's size, that says where it is written down.
 */
#ifndef GINNEL_VHOST_INFLIGHT_RING_H
#define GINNEL_VHOST_INFLIGHT_RING_H

#include "vhost/inflight_packed.h"
#include "virtio/virtq.h"

struct inflight_ring {
	void *area; /* NULL: closed */
	bool is_packed;
	struct inflight split;
	struct inflight_packed packed;
	struct vring_packed_desc *descs; /* of one buffer */
	/* what a predecessor left */
	struct inflight_entry *left;
	uint32_t n_left, next_left;
};

/*
 * The control thread's. A new life of a ring that would begin at *base, which may be put right: a packed ring's area
 * knows better. 0; -EINVAL when the area belongs to a ring of another size; -ENOMEM.
 */
int inflight_ring_open(struct inflight_ring *r, void *area, uint16_t size, bool packed, uint32_t *base);
/* After virtq_start() at that base, exactly. False: the area makes no sense for this ring. */
bool inflight_ring_recover(struct inflight_ring *r, struct virtq *q);
void inflight_ring_close(struct inflight_ring *r);

/* The ring's owner's. */
uint16_t inflight_ring_fetch(struct inflight_ring *r, const struct virtq *q, struct virtq_buffer buffer);
void inflight_ring_returning(struct inflight_ring *r, const uint16_t *notes, uint32_t n);
void inflight_ring_returned(
	struct inflight_ring *r, const uint16_t *notes, uint32_t n, const struct virtq *q);
/* As virtq_pop(), of what is left. */
int inflight_ring_retake(struct inflight_ring *r, struct virtq *q, struct virtq_chain *chain, uint16_t *note);
/* Will inflight_ring_retake() find one? No kick tells of it. */
static inline bool inflight_ring_left(const struct inflight_ring *r)
{
	return r->next_left < r->n_left;
}

#endif
