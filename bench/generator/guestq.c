/* SPDX-License-Identifier: Apache-2.0 */
#include "guestq.h"

#include "guestq_any.h"
#include "virtio/driverq.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <sys/eventfd.h>

#define TABLE_ENTRIES 2
#define TABLE_LEN     (TABLE_ENTRIES * sizeof(struct vring_desc))

static uint64_t tables_len(const struct guestq_shape *s)
{
	return s->indirect ? (uint64_t)s->size * TABLE_LEN : 0;
}

uint64_t guestq_memory_len(const struct guestq_shape *s)
{
	return (uint64_t)s->n_buffers * s->stride + driverq_layout(s->size, s->packed).len + tables_len(s);
}

uint32_t guestq_base(const struct guestq_shape *s)
{
	const uint32_t first = packed_off_wrap(s->size, 0);

	return s->packed ? first | first << 16 : 0;
}

/* The entries' own flags differ between the kinds: a packed ring's table needs no links. */
static void table_write(const struct guestq_shape *s, void *table, const uint8_t *buffer)
{
	const uint64_t at = (uintptr_t)buffer, hdr_len = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	const uint32_t frame_len = s->len - (uint32_t)hdr_len;
	struct vring_desc *desc = table;
	struct vring_packed_desc *packed = table;

	if (s->packed) {
		packed[0] = (struct vring_packed_desc){.addr = at, .len = (uint32_t)hdr_len};
		packed[1] = (struct vring_packed_desc){.addr = at + hdr_len, .len = frame_len};
	} else {
		desc[0] = (struct vring_desc){
			.addr = at, .len = (uint32_t)hdr_len, .flags = VRING_DESC_F_NEXT, .next = 1};
		desc[1] = (struct vring_desc){.addr = at + hdr_len, .len = frame_len};
	}
}

static void slots_write(struct guestq *r, const struct guestq_shape *s, uint8_t *tables)
{
	for (uint32_t i = 0; i < s->size; i++) {
		const uint8_t *buffer = guestq_buffer(r, i);
		uint64_t addr = (uintptr_t)buffer;

		if (s->indirect) {
			addr = (uintptr_t)(tables + i * TABLE_LEN);
			table_write(s, tables + i * TABLE_LEN, buffer);
		}
		if (s->packed) {
			r->slots[i].addr = addr;
		} else {
			r->desc[i] =
				(struct vring_desc){.addr = addr, .len = r->desc_len, .flags = r->desc_flags};
			r->avail->ring[i] = (uint16_t)i;
		}
	}
}

static void calls_off(struct guestq *r, bool packed)
{
	if (packed)
		packed_event_store(r->driver_event, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
	else
		r->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
}

int guestq_init(struct guestq *r, const struct guestq_shape *s, uint8_t *memory)
{
	const struct driverq_layout layout = driverq_layout(s->size, s->packed);
	uint8_t *at = memory + (uint64_t)s->n_buffers * s->stride;

	*r = (struct guestq){
		.desc = (struct vring_desc *)(void *)at,
		.avail = (struct vring_avail *)(void *)(at + layout.avail_at),
		.used = (struct vring_used *)(void *)(at + layout.used_at),
		.buffers = memory,
		.stride = s->stride,
		.mask = s->size - 1,
		.buffer_mask = s->n_buffers - 1,
		.shift = (uint32_t)__builtin_ctz(s->size),
		.room = min_u32(s->size, s->n_buffers),
		.desc_len = s->indirect ? (uint32_t)TABLE_LEN : s->len,
		.desc_flags = (uint16_t)((s->writable ? VRING_DESC_F_WRITE : 0) |
					 (s->indirect ? VRING_DESC_F_INDIRECT : 0)),
		.in_order = s->in_order,
		.kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
	};
	if (r->kick_fd < 0 || r->call_fd < 0)
		return -errno;
	slots_write(r, s, at + layout.len);
	calls_off(r, s->packed);
	if (s->writable && s->packed)
		packed_offer(r, s->size);
	else if (s->writable)
		split_offer(r, s->size);
	return 0;
}

void guestq_fini(struct guestq *r)
{
	if (r->kick_fd > 0)
		close(r->kick_fd);
	if (r->call_fd > 0)
		close(r->call_fd);
	r->kick_fd = r->call_fd = -1;
}
