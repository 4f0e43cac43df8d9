/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost/inflight_ring.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>

/* A base that says too little: virtio/virtq_packed.c, complete_base(). */
static uint32_t complete(uint32_t base)
{
	if (base > UINT16_MAX)
		return base;
	return base == 0 ? 0x80008000 : base << 16 | base;
}

static int open_packed(struct inflight_ring *r, uint16_t size, uint32_t *base)
{
	int err;

	r->descs = calloc(size, sizeof(r->descs[0]));
	if (!r->descs)
		return -ENOMEM;
	err = inflight_packed_open(&r->packed, r->area, size, (uint16_t)(complete(*base) >> 16));
	if (err == 0)
		*base = r->packed.used | (uint32_t)r->packed.used << 16;
	return err;
}

int inflight_ring_open(struct inflight_ring *r, void *area, uint16_t size, bool packed, uint32_t *base)
{
	int err;

	inflight_ring_close(r);
	*r = (struct inflight_ring){.area = area, .is_packed = packed};
	r->left = calloc(size, sizeof(r->left[0]));
	if (!r->left)
		err = -ENOMEM;
	else
		err = packed ? open_packed(r, size, base) : inflight_open(&r->split, area, size);
	if (err)
		inflight_ring_close(r);
	return err;
}

void inflight_ring_close(struct inflight_ring *r)
{
	inflight_packed_close(&r->packed);
	free(r->descs);
	free(r->left);
	*r = (struct inflight_ring){0};
}

bool inflight_ring_recover(struct inflight_ring *r, struct virtq *q)
{
	uint32_t slots;

	if (!r->is_packed) {
		r->n_left = inflight_recover(&r->split, q->next_used, r->left);
		virtq_split_set_left(q, (uint16_t)r->n_left);
		return true;
	}
	r->n_left = inflight_packed_recover(
		&r->packed, virtq_packed_used_at(q, inflight_packed_old_used(&r->packed)), r->left, &slots);
	return virtq_packed_set_left(q, r->packed.used, slots);
}

uint16_t inflight_ring_fetch(struct inflight_ring *r, const struct virtq *q, struct virtq_buffer buffer)
{
	if (!r->is_packed) {
		inflight_fetch(&r->split, buffer.id);
		return buffer.id;
	}
	virtq_packed_taken(q, buffer.slots, r->descs);
	return inflight_packed_fetch(&r->packed, r->descs, buffer.slots);
}

void inflight_ring_returning(struct inflight_ring *r, const uint16_t *notes, uint32_t n)
{
	if (r->is_packed)
		inflight_packed_returning(&r->packed, notes, n);
	else
		inflight_returning(&r->split, notes, n);
}

void inflight_ring_returned(struct inflight_ring *r, const uint16_t *notes, uint32_t n, const struct virtq *q)
{
	if (r->is_packed)
		inflight_packed_returned(&r->packed, notes, n);
	else
		inflight_returned(&r->split, notes, n, q->flushed_used);
}

int inflight_ring_retake(struct inflight_ring *r, struct virtq *q, struct virtq_chain *chain, uint16_t *note)
{
	uint16_t entry;

	if (r->next_left == r->n_left)
		return 0;
	entry = r->left[r->next_left++].head;
	*note = entry;
	if (!r->is_packed)
		return virtq_split_retake(q, chain, entry);
	return virtq_packed_retake(q, chain, r->descs, inflight_packed_noted(&r->packed, entry, r->descs));
}
