/* SPDX-License-Identifier: Apache-2.0 */
/* send - takes buffers back and offers them again with the next numbers in them: an open loop. */
#ifndef GINNEL_BENCH_SEND_H
#define GINNEL_BENCH_SEND_H

#include "clocks.h"
#include "port.h"
#include "guestq_any.h"

#include "base/prefetch.h"

/* Frames that are made up for when we were held up. */
#define LATE_MAX 64

static inline void send_reclaim(struct port *p, uint32_t max, const bool packed)
{
	p->tx.taken += guestq_returned(&p->tx, max, packed);
}

/* Addresses and flow go round; counted on, as a division would be too slow. */
static inline void send_vary(struct port *p, uint8_t *frame)
{
	const struct frame_shape *shape = p->shape;

	if (shape->route) {
		frame_set_route(shape, frame, p->partner, p->flow);
		if (++p->flow == shape->flows)
			p->flow = 0;
		return;
	}
	frame_set_mac(frame, p->mac);
	frame_set_flow(frame, p->flow);
	if (++p->mac == shape->macs)
		p->mac = 0;
	if (++p->flow == shape->flows)
		p->flow = 0;
}

/* How many of n may leave now; what could not leave in time for long is left out, not made up for. */
static inline uint32_t send_due(struct port *p, uint32_t n, uint64_t now, double interval)
{
	const double late = (double)now - p->due;
	uint32_t due;

	if (late < 0)
		return 0;
	if (unlikely(late > interval * LATE_MAX)) {
		p->due = (double)now + interval;
		return 1;
	}
	due = late < interval * n ? (uint32_t)(late / interval) + 1 : n;
	p->due += due * interval;
	return due;
}

/* interval: clocks between frames, 0: none. Returns how many. */
static inline __attribute__((always_inline)) uint32_t port_send(
	struct port *p, uint32_t burst, uint64_t now, double interval, const bool packed)
{
	struct guestq *const r = &p->tx;
	const struct frame_shape *const shape = p->shape;
	const struct options *const o = p->options;
	const bool vary = shape->macs > 1 || shape->flows > 1;
	uint32_t n;

	send_reclaim(p, burst, packed);
	n = min_u32(guestq_free(r), burst);
	if (interval > 0 && n > 0)
		n = send_due(p, n, now, interval);
	if (n == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		prefetch_write(guestq_buffer(r, r->offered + i), o->verify ? FRAME_LINES : 1);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *frame = guestq_buffer(r, r->offered + i) + VNET_HDR_LEN;

		frame_set_word(frame, shape->number_at, p->next);
		if (vary)
			send_vary(p, frame);
		if (o->verify)
			frame_fill(shape, frame, p->next);
		if (o->latency)
			frame_set_word(frame, shape->stamp_at, clocks_now());
		p->next++;
	}
	guestq_offer(r, n, packed);
	p->counters.sent += n;
	return n;
}

#endif
