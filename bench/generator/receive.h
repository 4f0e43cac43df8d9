/* SPDX-License-Identifier: Apache-2.0 */
/* receive - takes frames, checks their numbers and gives the buffers back, all at once. */
#ifndef GINNEL_BENCH_RECEIVE_H
#define GINNEL_BENCH_RECEIVE_H

#include "clocks.h"
#include "port.h"
#include "guestq_any.h"

#include "base/prefetch.h"

#include <endian.h>

/* A frame that is not the partner's next one. True: it is from the partner, and new. */
bool receive_unexpected_slow(struct port *p, uint64_t number);
/* A frame that is to be checked whole, `buffers` of them from slot `count` on, or one whose length is odd. */
void receive_check_slow(struct port *p, uint32_t count, uint32_t buffers, bool packed);

static inline uint32_t receive_buffers_of(const uint8_t *buffer)
{
	return le16toh(((const struct virtio_net_hdr_mrg_rxbuf *)(const void *)buffer)->num_buffers);
}

/* Writes the frame that goes back: it carries the time stamp of the one that came. */
static inline void receive_echo(struct port *p, uint64_t stamp, uint32_t *pending)
{
	uint8_t *frame = guestq_buffer(&p->tx, p->tx.offered + *pending) + VNET_HDR_LEN;

	if (*pending >= guestq_free(&p->tx)) {
		p->counters.no_room++;
		return;
	}
	frame_set_word(frame, p->shape->number_at, p->next++);
	frame_set_word(frame, p->shape->stamp_at, stamp);
	if (p->options->verify)
		frame_fill(p->shape, frame, p->next - 1);
	++*pending;
}

/* How many frames of up to `burst`. */
static inline __attribute__((always_inline)) uint32_t port_receive(
	struct port *p, uint32_t burst, uint32_t buffers_per_frame, const bool packed)
{
	struct guestq *const r = &p->rx;
	const struct frame_shape *const shape = p->shape;
	const struct options *const o = p->options;
	const uint32_t n = guestq_returned(r, burst * buffers_per_frame, packed);
	const uint32_t number_at = VNET_HDR_LEN + shape->number_at;
	/* one load tells that a frame of one buffer is complete; what a batch leaves out cannot be looked at */
	const bool look = buffers_per_frame == 1 && !o->in_order;
	uint32_t i, buffers, frames = 0, echoes = 0;
	uint64_t now = 0;

	if (n == 0)
		return 0;
	for (i = 0; i < n; i += buffers_per_frame)
		prefetch_read(guestq_buffer(r, r->taken + i), o->verify ? FRAME_LINES : 1);
	if (o->latency)
		now = clocks_now();
	for (i = 0; i < n; i += buffers) {
		const uint8_t *buffer = guestq_buffer(r, r->taken + i);
		const uint64_t number = frame_word(buffer, number_at);
		bool ours = true;

		buffers = o->no_mrg ? 1 : receive_buffers_of(buffer);
		if (unlikely(buffers == 0 || i + buffers > n)) {
			r->broken |= buffers == 0;
			break; /* the rest of it is not there yet */
		}
		if (likely(number == p->expected))
			p->expected++;
		else
			ours = receive_unexpected_slow(p, number);
		if (unlikely(!ours))
			continue;
		if (unlikely(o->verify ||
			     (look && !guestq_used_is(r, r->taken + i, VNET_HDR_LEN + shape->len, packed))))
			receive_check_slow(p, r->taken + i, buffers, packed);
		if (p->echoes)
			receive_echo(p, frame_word(buffer, VNET_HDR_LEN + shape->stamp_at), &echoes);
		else if (o->latency)
			histogram_add(&p->latency, now - frame_word(buffer, VNET_HDR_LEN + shape->stamp_at));
		frames++;
	}
	p->counters.received += frames;
	r->taken += i;
	guestq_offer(r, i, packed);
	if (echoes > 0) {
		guestq_offer(&p->tx, echoes, packed);
		p->counters.sent += echoes;
	}
	return frames;
}

#endif
