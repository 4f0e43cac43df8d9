/* SPDX-License-Identifier: Apache-2.0 */
#include "port/frame.h"

#include "base/check.h"
#include "base/copy.h"
#include "base/csum.h"
#include "wire/bytes.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include <arpa/inet.h>
#include <string.h>

/* No path needs smaller segments, and it bounds how many one frame can become. */
#define GSO_SIZE_MIN 64

#define ETHERNET_TYPE_AT  12
#define ETHERNET_TAG_LEN  4
#define ETHERNET_TAGS_MAX 2

/* --- what must be done --- */

static uint32_t caps_needed(const struct pkt_offload *o)
{
	uint32_t caps = o->csum ? FRAME_CAP_CSUM : 0;

	if (o->gso == PKT_GSO_NONE)
		return caps;
	caps |= o->gso == PKT_GSO_TCP4 ? FRAME_CAP_TSO4 : FRAME_CAP_TSO6;
	return o->ecn ? caps | FRAME_CAP_ECN : caps;
}

static bool is_tag(uint16_t type)
{
	return type == ETHERNET_TYPE_VLAN || type == ETHERNET_TYPE_PROVIDER;
}

/* Where layer 3 starts and what it is; 0: not within len bytes. */
static uint32_t l3_find(const uint8_t *p, uint32_t len, uint16_t *type)
{
	uint32_t at = ETHERNET_TYPE_AT;

	for (uint32_t tags = 0; at + sizeof(*type) <= len; tags++, at += ETHERNET_TAG_LEN) {
		*type = be16_get(p + at);
		if (!is_tag(*type) || tags == ETHERNET_TAGS_MAX)
			return at + (uint32_t)sizeof(*type);
	}
	return 0;
}

/* A length field of 0 is how some senders say "longer than I can, see the frame". */
static bool len_agrees(uint32_t field, uint32_t there)
{
	return field == there || field == 0;
}

/* Where TCP starts, counted from l3; 0: this is no TCP in unfragmented IPv4, or its lengths are wrong. */
static uint32_t tcp_in_ip4(const uint8_t *p, uint32_t len, uint32_t frame_len)
{
	uint32_t header_len = ip4_header_len(p, len);

	if (header_len == 0 || ip4_is_fragment(p) || ip4_proto(p) != IP_PROTO_TCP)
		return 0;
	return len_agrees(ip4_total_len(p), frame_len) ? header_len : 0;
}

static uint32_t tcp_in_ip6(const uint8_t *p, uint32_t len, uint32_t frame_len)
{
	uint8_t proto = 0;
	uint32_t at = ip6_upper(p, len, &proto);

	if (at == 0 || proto != IP_PROTO_TCP)
		return 0;
	return len_agrees(ip6_payload_len(p), frame_len - IP6_HEADER_LEN) ? at : 0;
}

/* Finds the headers of a frame that must be segmented. False: they are not what the sender says they are. */
static bool headers_find(struct frame_iter *it)
{
	const struct pkt *pkt = it->pkt;
	const struct pkt_offload *o = &pkt->offload;
	bool ip4 = o->gso == PKT_GSO_TCP4;
	uint16_t type = 0;
	uint32_t l3 = l3_find(pkt->data, pkt->head_len, &type);
	uint32_t l4, tcp_len;

	if (l3 == 0 || type != (ip4 ? IP4_ETHERNET_TYPE : IP6_ETHERNET_TYPE))
		return false;
	l4 = (ip4 ? tcp_in_ip4 : tcp_in_ip6)(pkt->data + l3, pkt->head_len - l3, pkt_len(pkt) - l3);
	if (l4 == 0)
		return false;
	l4 += l3;
	tcp_len = tcp_header_len(pkt->data + l4, pkt->head_len - l4);
	if (tcp_len == 0 || o->csum_start != l4 || o->csum_offset != TCP_CSUM_OFFSET)
		return false;
	it->l3 = (uint16_t)l3;
	it->l4 = (uint16_t)l4;
	it->payload = (uint16_t)(l4 + tcp_len);
	it->gso_size = min_u32(max_u32(o->gso_size, GSO_SIZE_MIN), UINT16_MAX - (it->payload - it->l3));
	return true;
}

bool frame_begin(struct frame_iter *it, const struct pkt *pkt, uint32_t caps)
{
	const struct pkt_offload *o = &pkt->offload;

	ASSERT(!o->csum || (uint32_t)o->csum_start + o->csum_offset + sizeof(uint16_t) <= pkt_len(pkt));
	it->pkt = pkt;
	it->done = false;
	it->begun = caps & FRAME_CAP_CSUM;
	it->whole = o->gso == PKT_GSO_NONE || (caps_needed(o) & ~caps) == 0;
	if (likely(o->gso == PKT_GSO_NONE))
		return true;
	if (unlikely(!o->csum)) /* virtio 1.2, 5.1.6.2: segmentation includes the checksum */
		return false;
	if (it->whole)
		return true;
	if (unlikely(!headers_find(it)))
		return false;
	it->body = (struct frame_cursor){.seg = pkt->segs};
	it->payload_left = pkt_len(pkt) - it->payload;
	it->payload_at = 0;
	it->segment = 0;
	return true;
}

/* --- frames --- */

/* The checksum at start + offset is begun: the receiver completes it, or we do in the copy. */
static void frame_csum(const struct frame_iter *it, struct frame *f, uint16_t start, uint16_t offset)
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
	if (it->begun)
		f->offload = *o;
	else if (o->csum)
		frame_csum(it, f, o->csum_start, o->csum_offset);
}

/* len: not beyond the piece. */
static inline void cursor_advance(struct frame_cursor *c, uint32_t len)
{
	c->at += len;
	if (c->at == c->seg->len)
		*c = (struct frame_cursor){.seg = c->seg + 1};
}

static void cursor_skip(struct frame_cursor *c, uint32_t len)
{
	while (len > 0) {
		uint32_t part = min_u32(len, c->seg->len - c->at);

		cursor_advance(c, part);
		len -= part;
	}
}

/* Headers of a segment with len bytes of payload, in place of those of the whole. */
static void segment_ip(struct frame_iter *it, uint32_t len)
{
	uint8_t *ip = it->head + it->l3;
	uint32_t ip_len = it->payload - it->l3 + len;

	if (it->pkt->offload.gso == PKT_GSO_TCP6) {
		ip6_set_payload_len(ip, (uint16_t)(ip_len - IP6_HEADER_LEN));
		return;
	}
	ip4_set_total_len(ip, (uint16_t)ip_len);
	ip4_set_id(ip, (uint16_t)(ip4_id(ip) + it->segment));
	ip4_set_csum(ip, it->l4 - it->l3);
}

/* The pseudo header's sum that the sender began with covers the length of the whole: ours differs in that. */
static void segment_tcp(struct frame_iter *it, uint32_t len)
{
	uint8_t *tcp = it->head + it->l4;
	uint32_t whole_len = pkt_len(it->pkt) - it->l4;
	uint32_t tcp_len = it->payload - it->l4 + len;
	uint64_t sum = csum_sum(tcp + TCP_CSUM_OFFSET, sizeof(uint16_t));
	uint16_t csum;

	sum = csum_add(sum, (uint32_t)~htonl(whole_len));
	sum = csum_add(sum, htonl(tcp_len));
	csum = csum_fold(sum);
	memcpy(tcp + TCP_CSUM_OFFSET, &csum, sizeof(csum));
	tcp_set_seq(tcp, tcp_seq(tcp) + it->payload_at);
	if (it->segment > 0)
		tcp_clear_flags(tcp, TCP_CWR);
	if (it->payload_left > len)
		tcp_clear_flags(tcp, TCP_FIN | TCP_PSH);
}

/* Copies the headers and the payload that lies in the packet's head. Returns how much of the payload that is.
 */
static uint32_t segment_head(struct frame_iter *it, uint32_t len)
{
	const struct pkt *pkt = it->pkt;
	uint32_t at = it->payload + it->payload_at;
	uint32_t part = 0;

	memcpy(it->head, pkt->data, it->payload);
	if (at < pkt->head_len) {
		part = min_u32(len, pkt->head_len - at);
		memcpy(it->head + it->payload, pkt->data + at, part);
	}
	return part;
}

static void frame_segment(struct frame_iter *it, struct frame *f)
{
	uint32_t len = min_u32(it->gso_size, it->payload_left);
	uint32_t in_head = segment_head(it, len);

	segment_ip(it, len);
	segment_tcp(it, len);
	*f = (struct frame){
		.head = it->head,
		.head_len = it->payload + in_head,
		.body = it->body,
		.body_len = len - in_head,
	};
	frame_csum(it, f, it->l4, TCP_CSUM_OFFSET);
	cursor_skip(&it->body, f->body_len);
	it->payload_at += len;
	it->payload_left -= len;
	it->segment++;
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

static inline void writer_put(struct writer *w, const uint8_t *from, uint32_t len, bool sum)
{
	while (len > 0) {
		uint32_t part;

		ASSERT(w->seg < w->end);
		part = min_u32(len, w->seg->len - w->at);
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
		cursor_advance(body, part);
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
