/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side: frames into the ring. */
#include "watch/capture.h"

#include "watch/capture_record.h"
#include "watch/private.h"

#include <string.h>

static void put(struct capture_lane *c, uint64_t at, const void *bytes, uint32_t len)
{
	uint32_t pos = (uint32_t)at & (CAPTURE_RING_SIZE - 1);
	uint32_t first = min_u32(len, CAPTURE_RING_SIZE - pos);

	memcpy(c->ring + pos, bytes, first);
	memcpy(c->ring, (const uint8_t *)bytes + first, len - first);
}

/* Head, then as much of the body as is wanted. */
static void put_frame(struct capture_lane *c, uint64_t at, const struct pkt *pkt, uint32_t len)
{
	uint32_t part = min_u32(pkt->head_len, len);

	put(c, at, pkt->data, part);
	for (uint32_t i = 0; i < pkt->n_segs && (len -= part) > 0; i++) {
		at += part;
		part = min_u32(pkt->segs[i].len, len);
		put(c, at, pkt->segs[i].addr, part);
	}
}

static void put_pkt(struct capture_lane *c, struct capture_record *r, const struct pkt *pkt)
{
	uint64_t head = c->head;
	uint64_t room = CAPTURE_RING_SIZE - (head - __atomic_load_n(&c->tail, __ATOMIC_ACQUIRE));

	r->len = pkt_len(pkt);
	r->cap_len = min_u32(r->len, c->settings.snap_len);
	r->lost_before = c->lost_before;
	if (unlikely(room < capture_record_size(r))) {
		iface_count(&c->lost, 1);
		c->lost_before++;
		return;
	}
	c->lost_before = 0;
	put(c, head, r, sizeof(*r));
	put_frame(c, head + sizeof(*r), pkt, r->cap_len);
	__atomic_store_n(&c->head, head + capture_record_size(r), __ATOMIC_RELEASE);
}

static void put_burst(struct capture_lane *c, const struct turn *turn, const struct vec *vec, bool dropped)
{
	for (uint32_t i = 0; i < vec->n; i++) {
		const struct pkt *pkt = vec->pkts[i];
		struct capture_record r = {
			.time_ns = turn->now_ns,
			.iface = pkt->rx->idx,
			.drop = dropped ? pkt->drop : DROP_NONE,
		};

		if (dropped && c->settings.reason != DROP_NONE && c->settings.reason != pkt->drop)
			continue;
		if (filter_matches(&c->settings.filter, r.iface, pkt))
			put_pkt(c, &r, pkt);
	}
}

void capture_stage(struct capture_lane *c, const struct turn *turn, enum stage stage, const struct vec *vec)
{
	if (stage == STAGE_ETH_INPUT && c->settings.what & CAPTURE_RX)
		put_burst(c, turn, vec, false);
	else if (stage == STAGE_DROP && c->settings.what & CAPTURE_DROP)
		put_burst(c, turn, vec, true);
}

static void put_output(struct capture_lane *c, const struct turn *turn, const struct iface *iface,
	const struct pkt *pkt, enum drop reason)
{
	struct capture_record r = {
		.time_ns = turn->now_ns, .iface = iface->idx, .out = true, .drop = (uint16_t)reason};

	if (filter_matches(&c->settings.filter, r.iface, pkt))
		put_pkt(c, &r, pkt);
}

void capture_tx_drop(
	struct capture_lane *c, const struct turn *turn, const struct capture_burst *burst, enum drop reason)
{
	bool wanted = c->settings.what & CAPTURE_DROP &&
		      (c->settings.reason == DROP_NONE || c->settings.reason == reason);

	for (uint32_t i = 0; i < burst->n; i++) {
		uint32_t place = watch_place(turn, burst->pkts[i]);

		if (place < TURN_PKTS_ALL)
			c->not_sent[place / 64] |= BIT(place % 64);
		if (wanted)
			put_output(c, turn, burst->iface, burst->pkts[i], reason);
	}
}

void capture_output(struct capture_lane *c, const struct turn *turn, const struct capture_burst *burst)
{
	for (uint32_t i = 0; c->settings.what & CAPTURE_TX && i < burst->n; i++) {
		uint32_t place = watch_place(turn, burst->pkts[i]);

		if (place == TURN_PKTS_ALL || !(c->not_sent[place / 64] & BIT(place % 64)))
			put_output(c, turn, burst->iface, burst->pkts[i], DROP_NONE);
	}
	memset(c->not_sent, 0, sizeof(c->not_sent));
}
