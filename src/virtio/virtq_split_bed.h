/* SPDX-License-Identifier: Apache-2.0 */
/* virtq_split_bed - the driver's side of a split ring, for tests. */
#ifndef GINNEL_VIRTIO_VIRTQ_SPLIT_BED_H
#define GINNEL_VIRTIO_VIRTQ_SPLIT_BED_H

#include "virtio/virtq_bed.h"

static inline struct vring_desc *table_at(struct bed *b, uint64_t gpa)
{
	return (struct vring_desc *)(void *)(b->low + (gpa - LOW));
}

static inline struct vring_avail *avail_of(struct bed *b)
{
	return (struct vring_avail *)(void *)(b->low + (AVAIL - LOW));
}

static inline struct vring_used *used_of(struct bed *b)
{
	return (struct vring_used *)(void *)(b->low + (USED - LOW));
}

static inline void start(struct bed *b, uint64_t features, uint16_t at)
{
	const char *why = "";

	memset(b->low, 0, HALF);
	avail_of(b)->idx = at;
	used_of(b)->idx = at;
	b->setup.features = features;
	b->setup.base = at;
	virtq_stop(&b->q);
	assert_int_equal(virtq_start(&b->q, b->mem, &b->setup, &why), 0);
}

static inline void bed_open(struct bed *b)
{
	bed_map(b);
	start(b, FEATURES, 0);
}

/* The guest's driver. */

static inline void desc(struct bed *b, uint16_t i, struct vring_desc d)
{
	table_at(b, LOW)[i] = d;
}

static inline void offer(struct bed *b, uint16_t head)
{
	struct vring_avail *avail = avail_of(b);

	avail->ring[avail->idx % SIZE] = head;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
}

static inline void offer_one(struct bed *b, uint16_t head, uint16_t flags)
{
	desc(b, head, (struct vring_desc){.addr = BUF(head), .len = 100, .flags = flags});
	offer(b, head);
}

/* What was offered breaks the queue, for this reason, for good. */
static inline void check_breaks(struct bed *b, enum virtq_error error)
{
	assert_int_equal(virtq_pop(&b->q, &b->chain), error == VIRTQ_AVAIL_JUMPED ? 0 : -EPROTO);
	assert_int_equal(b->q.error, error);
	assert_int_equal(events(b->err_fd), 1);
	assert_non_null(virtq_error_text(error));
	offer_one(b, 0, 0);
	assert_int_equal(virtq_pop(&b->q, &b->chain), 0);
	assert_int_equal(virtq_available(&b->q, 1), 0);
	assert_false(virtq_arm(&b->q));
	virtq_break(&b->q, VIRTQ_ADDRESS);
	assert_int_equal(b->q.error, error);
	assert_int_equal(events(b->err_fd), 0);
	start(b, FEATURES, 0);
	offer_one(b, 0, 0);
	assert_int_equal(virtq_pop(&b->q, &b->chain), 1);
	start(b, FEATURES, 0);
}

#endif
