/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk_bed - for tests: a guest of the disk, both what the vhost engine does for it (control's part: rings are given and
 * taken) and its driver (requests of one block each, one thread for each queue).
 *
 * A ring that is taken is gone: the struct is freed, so that who still uses it is found out.
 */
#ifndef GINNEL_BACKEND_BLK_BED_H
#define GINNEL_BACKEND_BLK_BED_H

#include "backend/blk_private.h"
#include "base/test.h"
#include "vhost/inflight_ring.h"
#include "virtio/driverq.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define BED_DEPTH  40u
#define BED_RING   128u
#define BED_BLOCK  4096u
#define BED_QUEUES 4u

/* In shared memory, for each request. */
struct bed_slot {
	struct blk_header header;
	uint8_t status;
	_Alignas(4096) uint8_t data[BED_BLOCK];
};

struct bed_queue {
	/* control's */
	struct vhost_ring *ring; /* NULL: taken */
	struct inflight_ring inflight;
	uint32_t base;
	uint64_t area[(INFLIGHT_PACKED_HEADER + BED_RING * INFLIGHT_PACKED_DESC) / 8];
	/* the driver's */
	struct driverq vq;
	struct bed_slot *slots;
	bool busy[BED_DEPTH];
	uint16_t by_number[BED_RING];
	int kick_fd, call_fd;
};

struct bed {
	struct blk *blk;
	char image[32];
	uint64_t features;
	bool noted; /* requests are noted as in flight, and each ring given is a new life */
	int memfd;
	uint8_t *memory;
	size_t len;
	struct gmem *gmem;
	uint32_t n_queues;
	struct bed_queue queues[BED_QUEUES];
};

static inline size_t bed_queue_len(const struct bed *b)
{
	return (driverq_layout(BED_RING, b->features & BIT(VIRTIO_F_RING_PACKED)).len + 4095u) / 4096 * 4096 +
	       BED_DEPTH * sizeof(struct bed_slot);
}

static inline void bed_map(struct bed *b)
{
	struct gmem_spec spec;
	char why[128];

	b->gmem = NULL;
	spec = (struct gmem_spec){
		.gpa = (uintptr_t)b->memory, .uaddr = (uintptr_t)b->memory, .size = b->len, .fd = b->memfd};
	assert_int_equal(gmem_create(&b->gmem, &spec, 1, why, sizeof(why)), 0);
}

static inline void bed_open_queue(struct bed *b, struct bed_queue *q, uint8_t *at)
{
	struct driverq_setup setup = {
		.size = BED_RING, .features = b->features, .ring = at, .writable = true};

	setup.kick_fd = q->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->slots = (struct bed_slot *)(void *)(at + bed_queue_len(b)) - BED_DEPTH;
	assert_int_equal(driverq_init(&q->vq, &setup), 0);
	q->base = driverq_base(&q->vq);
}

/* A disk of that many blocks, where no thread runs yet. options: but for the file. */
static inline void bed_open(struct bed *b, struct blk_options options, uint64_t features, uint64_t blocks)
{
	char why[256];
	int fd;

	*b = (struct bed){.features = features | BIT(VIRTIO_F_VERSION_1), .n_queues = options.n_queues};
	strcpy(b->image, "/tmp/ginnel-blk-XXXXXX");
	fd = mkstemp(b->image);
	assert_true(fd >= 0 && ftruncate(fd, (off_t)(blocks * BED_BLOCK)) == 0);
	close(fd);
	options.file.path = b->image;
	assert_int_equal(blk_create(&b->blk, &options, why, sizeof(why)), 0);
	blk_vhost_device.set_features(b->blk, b->features);

	b->len = bed_queue_len(b) * b->n_queues;
	b->memfd = memfd_create("blk guest", MFD_CLOEXEC);
	assert_true(b->memfd >= 0 && ftruncate(b->memfd, (off_t)b->len) == 0);
	b->memory = mmap(NULL, b->len, PROT_READ | PROT_WRITE, MAP_SHARED, b->memfd, 0);
	assert_true(b->memory != MAP_FAILED);
	for (uint32_t i = 0; i < b->n_queues; i++)
		bed_open_queue(b, &b->queues[i], b->memory + i * bed_queue_len(b));
	bed_map(b);
}

/* All rings are taken. */
static inline void bed_close(struct bed *b)
{
	blk_destroy(b->blk);
	for (uint32_t i = 0; i < b->n_queues; i++) {
		struct bed_queue *q = &b->queues[i];

		assert_null(q->ring);
		inflight_ring_close(&q->inflight);
		driverq_fini(&q->vq);
		close(q->kick_fd);
		close(q->call_fd);
	}
	gmem_destroy(b->gmem);
	munmap(b->memory, b->len);
	close(b->memfd);
	unlink(b->image);
}

/* --- control --- */

static inline void bed_give(struct bed *b, uint32_t idx)
{
	struct bed_queue *q = &b->queues[idx];
	const bool packed = b->features & BIT(VIRTIO_F_RING_PACKED);
	const struct driverq_layout layout = driverq_layout(BED_RING, packed);
	const uint64_t at = (uintptr_t)q->vq.desc;
	struct virtq_setup setup = {.size = BED_RING,
		.fresh = b->noted && !packed,
		.desc_uaddr = at,
		.avail_uaddr = at + layout.avail_at,
		.used_uaddr = at + layout.used_at,
		.features = b->features,
		.call = bell_eventfd(q->call_fd),
		.err = bell_none()};
	const char *why = "";

	q->ring = calloc(1, sizeof(*q->ring));
	*q->ring = (struct vhost_ring){.idx = (uint16_t)idx, .enabled = true, .kick_fd = q->kick_fd};
	if (b->noted)
		assert_int_equal(inflight_ring_open(&q->inflight, q->area, BED_RING, packed, &q->base), 0);
	setup.base = q->base;
	assert_int_equal(virtq_start(&q->ring->vq, b->gmem, &setup, &why), 0);
	if (b->noted) {
		assert_true(inflight_ring_recover(&q->inflight, &q->ring->vq));
		q->ring->inflight = &q->inflight;
	}
	blk_vhost_device.publish(b->blk, idx, q->ring);
}

/* Those rings are let go of, and their memory is another one afterwards. */
static inline void bed_take(struct bed *b, uint32_t mask)
{
	for (uint32_t i = 0; i < b->n_queues; i++)
		if (mask & BIT(i) && b->queues[i].ring)
			blk_vhost_device.publish(b->blk, i, NULL);
	blk_vhost_device.quiesce(b->blk);
	for (uint32_t i = 0; i < b->n_queues; i++) {
		struct bed_queue *q = &b->queues[i];

		if (!(mask & BIT(i)) || !q->ring)
			continue;
		q->base = virtq_stop(&q->ring->vq);
		memset(q->ring, 0xee, sizeof(*q->ring));
		free(q->ring);
		q->ring = NULL;
	}
}

/* --- the driver --- */

/* A free request; there has to be one. */
static inline uint32_t bed_free_slot(const struct bed_queue *q)
{
	uint32_t i = 0;

	while (q->busy[i])
		i++;
	ASSERT(i < BED_DEPTH);
	return i;
}

/* The device sees it after bed_publish(). */
static inline void bed_add(struct bed_queue *q, uint32_t slot, enum blk_type type, uint64_t block)
{
	struct bed_slot *s = &q->slots[slot];
	struct driverq_piece pieces[3] = {{&s->header, sizeof(s->header)}};
	struct driverq_chain chain = {.pieces = pieces, .n_read = 1, .n_write = 1};
	uint32_t n = 1;

	s->header = (struct blk_header){
		.type = type, .sector = type == BLK_T_FLUSH ? 0 : block * (BED_BLOCK / BLK_SECTOR)};
	s->status = 0xff;
	if (type != BLK_T_FLUSH)
		pieces[n++] = (struct driverq_piece){s->data, BED_BLOCK};
	pieces[n] = (struct driverq_piece){&s->status, 1};
	*(type == BLK_T_IN ? &chain.n_write : &chain.n_read) += n - 1;
	q->busy[slot] = true;
	q->by_number[driverq_add_chain(&q->vq, &chain)] = (uint16_t)slot;
}

static inline void bed_publish(struct bed_queue *q)
{
	if (driverq_publish(&q->vq))
		ASSERT(driverq_kick(&q->vq));
}

/* The next one that is done, or -1. */
static inline int bed_done(struct bed_queue *q)
{
	struct driverq_used used;
	int got = driverq_take(&q->vq, &used);

	ASSERT(got >= 0);
	if (got == 0)
		return -1;
	q->busy[q->by_number[used.buffer]] = false;
	return q->by_number[used.buffer];
}

static inline uint8_t bed_status(const struct bed_queue *q, uint32_t slot)
{
	return __atomic_load_n(&q->slots[slot].status, __ATOMIC_RELAXED);
}

#endif
