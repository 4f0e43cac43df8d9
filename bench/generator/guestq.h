/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guestq - the driver's side of a virtqueue, cut down to what a traffic generator needs of it.
 *
 * Each slot of a ring is one descriptor with its own buffer, for ever. Addresses, the available ring and the buffers'
 * headers are written once at set-up; a buffer is offered again by a new index (split) or by writing the rest of its
 * descriptor again (packed). Slots are offered and come back in their order, and are counted by two numbers that run
 * freely:
 *
 *	taken                      offered
 *	  |-- the device has these --|
 *
 * The device is trusted, as this is a measuring tool: what it says of lengths and places is used as it is. One that
 * returns out of order marks the ring broken, and that ends the run.
 *
 * What moves between the cores for a frame in a ring: the first cache line of its buffer (virtio-net header, addresses,
 * number), there and back. Of the lines behind it we touch none, unless bodies are checked or the number lies there
 * (TCP). And for a burst: an index, and a line for every 4 descriptors (packed) or 8 used elements (split).
 */
#ifndef GINNEL_BENCH_GUESTQ_H
#define GINNEL_BENCH_GUESTQ_H

#include "base/check.h"

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

struct guestq {
	union {
		struct {
			struct vring_desc *desc;
			struct vring_avail *avail;
			struct vring_used *used;
		};
		struct {
			struct vring_packed_desc *slots;
			struct vring_packed_desc_event *driver_event;
			struct vring_packed_desc_event *device_event;
		};
	};
	uint8_t *buffers;
	uint32_t stride;      /* from one buffer to the next */
	uint32_t mask;        /* slots - 1 */
	uint32_t buffer_mask; /* buffers - 1: slots may share a buffer, as long as `room` keeps them apart */
	uint32_t shift;       /* slots as a power of two */
	uint32_t room;        /* most slots that the device has at a time */
	uint32_t taken, offered;
	uint32_t desc_len;   /* of every descriptor */
	uint16_t desc_flags; /* of every descriptor, without those that say whose it is */
	bool in_order;       /* several may be returned by the last of them */
	bool broken;
	int kick_fd, call_fd;
};

struct guestq_shape {
	bool packed, in_order;
	bool writable; /* the device writes into the buffers */
	bool indirect; /* a descriptor stands for a table of two: virtio-net header, frame */
	uint32_t size;
	uint32_t n_buffers, stride;
	uint32_t len; /* that the device may use of a buffer */
};

/* Of the memory guestq_init() needs, a multiple of a cache line; all zeros. */
uint64_t guestq_memory_len(const struct guestq_shape *s);
/* Writable rings begin with all their buffers offered. 0 or -errno. */
int guestq_init(struct guestq *r, const struct guestq_shape *s, uint8_t *memory);
void guestq_fini(struct guestq *r);
/* Where the device begins, as SET_VRING_BASE carries it. */
uint32_t guestq_base(const struct guestq_shape *s);

static inline uint8_t *guestq_buffer(const struct guestq *r, uint32_t count)
{
	return r->buffers + (uint64_t)(count & r->buffer_mask) * r->stride;
}

static inline uint32_t guestq_free(const struct guestq *r)
{
	return r->room - (r->offered - r->taken);
}

#endif
