/* SPDX-License-Identifier: Apache-2.0 */
#include "port/frame.h"

#include "base/check.h"
#include "base/copy.h"
#include "base/csum.h"
#include "base/prefetch.h"
#include "port/frame_private.h"
#include "wire/ethernet.h"
#include "wire/udp.h"

#include <string.h>

/* --- what must be done --- */

static uint32_t gso_caps(const struct frame_iter *it)
{
	const struct pkt_offload *o = &it->pkt->offload;
	uint32_t caps = FRAME_CAP_CSUM | (o->ecn ? FRAME_CAP_ECN : 0);

	if (o->gso == PKT_GSO_UDP)
		return caps | (it->ip4 ? FRAME_CAP_USO4 : FRAME_CAP_USO6);
	return caps | (it->ip4 ? FRAME_CAP_TSO4 : FRAME_CAP_TSO6);
}

static enum drop gso_begin(struct frame_iter *it, uint32_t caps, uint32_t mtu)
{
	enum drop drop;

	if (unlikely(!it->pkt->offload.csum)) /* virtio 1.2, 5.1.6.2: segmentation includes the checksum */
		return DROP_TX_OFFLOAD;
	drop = frame_find_headers(it, mtu);
	if (unlikely(drop != DROP_NONE))
		return drop;
	it->whole = (gso_caps(it) & ~caps) == 0;
	if (!it->whole)
		frame_segment_begin(it);
	return DROP_NONE;
}

/* Tags are not counted. */
static bool fits_slow(const struct pkt *pkt, uint32_t mtu)
{
	uint16_t type;

	return pkt_len(pkt) <= mtu + ethernet_payload(pkt->data, pkt->head_len, &type);
}

enum drop frame_begin(struct frame_iter *it, const struct pkt *pkt, uint32_t caps, uint32_t mtu)
{
	const struct pkt_offload *o = &pkt->offload;

	ASSERT(!o->csum || (uint32_t)o->csum_start + o->csum_offset + sizeof(uint16_t) <= pkt_len(pkt));
	it->pkt = pkt;
	it->done = false;
	it->begun = caps & FRAME_CAP_CSUM;
	if (unlikely(o->gso != PKT_GSO_NONE))
		return gso_begin(it, caps, mtu);
	it->whole = true;
	if (unlikely(pkt_len(pkt) > mtu + ETHERNET_HEADER_LEN && !fits_slow(pkt, mtu)))
		return DROP_TX_MTU;
	return DROP_NONE;
}

/* --- frames --- */

void frame_csum(const struct frame_iter *it, struct frame *f, uint16_t start, uint16_t offset)
{
	if (it->begun) {
		f->offload.csum = true;
		f->offload.csum_start = start;
		f->offload.csum_offset = offset;
		return;
	}
	f->csum = true;
	f->csum_start = start;
	f->csum_offset = offset;
	f->udp_zero = offset == UDP_CSUM_OFFSET;
}

static void frame_whole(const struct frame_iter *it, struct frame *f)
{
	const struct pkt *pkt = it->pkt;
	const struct pkt_offload *o = &pkt->offload;

	*f = (struct frame){
		.head = pkt->data,
		.head_len = pkt->head_len,
		.body = {.seg = pkt->segs},
		.body_len = pkt->body_len,
	};
	if (o->csum)
		frame_csum(it, f, o->csum_start, o->csum_offset);
	if (o->gso == PKT_GSO_NONE)
		return;
	f->offload.gso = o->gso;
	f->offload.ecn = o->ecn;
	f->offload.gso_size = it->gso_size;
	f->offload.hdr_len = it->payload;
}

bool frame_next(struct frame_iter *it, struct frame *f)
{
	if (it->done)
		return false;
	if (likely(it->whole)) {
		frame_whole(it, f);
		it->done = true;
	} else {
		frame_segment(it, f);
		it->done = it->payload_left == 0;
	}
	return true;
}

/* --- the copy --- */

/* Beyond this a copy is long enough for the processor to see where it goes. */
#define FETCH_MAX 2048

/* Where the next byte goes, and the sum of those that were to be summed. */
struct writer {
	const struct virtq_seg *seg, *end;
	uint32_t at; /* bytes of *seg that lie before */
	uint32_t summed;
	uint64_t sum;
};

static inline void writer_advance(struct writer *w, uint32_t len)
{
	w->at += len;
	if (w->at == w->seg->len) {
		w->seg++;
		w->at = 0;
	}
}

/* The next piece is fetched while this one is filled; of a long one, what comes first. */
PREFETCH_FN fetch_piece(const struct virtq_seg *seg, uint32_t len)
{
	prefetch_write(seg->addr, min_u32(min_u32(seg->len, len), FETCH_MAX) / CACHE_LINE + 1);
}

static inline void writer_put(struct writer *w, const uint8_t *from, uint32_t len, bool sum)
{
	while (len > 0) {
		uint32_t part;

		ASSERT(w->seg < w->end);
		part = min_u32(len, w->seg->len - w->at);
		if (part < len && w->seg + 1 < w->end)
			fetch_piece(w->seg + 1, len - part);
		if (sum) {
			w->sum = csum_add_at(w->sum, csum_copy(w->seg->addr + w->at, from, part), w->summed);
			w->summed += part;
		} else {
			copy_bytes(w->seg->addr + w->at, from, part);
		}
		writer_advance(w, part);
		from += part;
		len -= part;
	}
}

static inline void writer_put_body(struct writer *w, struct frame_cursor *body, uint32_t len, bool sum)
{
	while (len > 0) {
		uint32_t part = min_u32(len, body->seg->len - body->at);

		writer_put(w, body->seg->addr + body->at, part, sum);
		frame_cursor_advance(body, part);
		len -= part;
	}
}

static struct writer writer_at(const struct virtq_seg *dst, uint32_t n_dst, uint32_t skip)
{
	struct writer w = {.seg = dst, .end = dst + n_dst};

	while (w.seg < w.end && skip >= w.seg->len)
		skip -= w.seg++->len;
	w.at = skip;
	return w;
}

static void copy_summed(struct writer *w, const struct frame *f)
{
	struct frame_cursor body = f->body;
	uint32_t head_before = min_u32(f->csum_start, f->head_len);
	uint32_t body_before = f->csum_start - head_before;

	writer_put(w, f->head, head_before, false);
	writer_put(w, f->head + head_before, f->head_len - head_before, true);
	writer_put_body(w, &body, body_before, false);
	writer_put_body(w, &body, f->body_len - body_before, true);
}

static void copy_plain(struct writer *w, const struct frame *f)
{
	struct frame_cursor body = f->body;

	writer_put(w, f->head, f->head_len, false);
	writer_put_body(w, &body, f->body_len, false);
}

uint32_t frame_copy(const struct frame *f, const struct virtq_seg *dst, uint32_t n_dst, uint32_t skip)
{
	struct writer w = writer_at(dst, n_dst, skip);
	uint16_t csum;

	if (likely(!f->csum)) {
		copy_plain(&w, f);
		return f->body_len;
	}
	copy_summed(&w, f);
	csum = (uint16_t)~csum_fold(w.sum);
	if (f->udp_zero && csum == 0)
		csum = 0xffff;
	/* the field was summed with what it held; it may lie anywhere, over two pieces too */
	w = writer_at(dst, n_dst, skip + f->csum_start + f->csum_offset);
	writer_put(&w, (const uint8_t *)&csum, sizeof(csum), false);
	return f->body_len;
}
