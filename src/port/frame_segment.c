/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that stand for several: what their headers must be, and how they are cut. */
#include "port/frame_private.h"

#include "base/csum.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include <arpa/inet.h>
#include <string.h>

/* No sender needs smaller segments, and it bounds how many one frame can become; .. */
#define GSO_SIZE_MIN 64
/* .. no path has a smaller MTU than one that lets so much through behind the headers. */
#define GSO_ROOM_MIN 8

/* --- layer 4 --- */

struct frame_l4 {
	uint8_t proto; /* enum ip_proto */
	uint16_t csum_offset;
	/* Of the header at p; there: bytes of it that we have, l4_len: of layer 4 in the frame. 0: it is no good. */
	uint32_t (*header_len)(const uint8_t *p, uint32_t there, uint32_t l4_len);
	/* Makes the header of a segment with len bytes of payload from the one of the whole. */
	void (*segment)(const struct frame_iter *it, uint8_t *p, uint32_t len);
};

/* A length field of 0 is how some senders say "longer than I can, see the frame". */
static bool len_agrees(uint32_t field, uint32_t there)
{
	return field == there || field == 0;
}

static uint32_t tcp_header(const uint8_t *p, uint32_t there, uint32_t l4_len)
{
	return tcp_header_len(p, there);
}

static uint32_t udp_header(const uint8_t *p, uint32_t there, uint32_t l4_len)
{
	return there >= UDP_HEADER_LEN && len_agrees(udp_len(p), l4_len) ? UDP_HEADER_LEN : 0;
}

static void tcp_segment(const struct frame_iter *it, uint8_t *tcp, uint32_t len)
{
	tcp_set_seq(tcp, tcp_seq(tcp) + it->payload_at);
	if (it->segment > 0)
		tcp_clear_flags(tcp, TCP_CWR);
	if (it->payload_left > len)
		tcp_clear_flags(tcp, TCP_FIN | TCP_PSH);
}

static void udp_segment(const struct frame_iter *it, uint8_t *udp, uint32_t len)
{
	udp_set_len(udp, (uint16_t)(UDP_HEADER_LEN + len));
}

static const struct frame_l4 tcp = {IP_PROTO_TCP, TCP_CSUM_OFFSET, tcp_header, tcp_segment};
static const struct frame_l4 udp = {IP_PROTO_UDP, UDP_CSUM_OFFSET, udp_header, udp_segment};

/* --- finding the headers --- */

/* Where layer 4 starts, counted from l3; 0: this is no such protocol in unfragmented IP, or its lengths are wrong. */
static uint32_t l4_in_ip4(const uint8_t *p, uint32_t len, uint32_t frame_len, uint8_t proto)
{
	uint32_t header_len = ip4_header_len(p, len);

	if (header_len == 0 || ip4_is_fragment(p) || ip4_proto(p) != proto)
		return 0;
	return len_agrees(ip4_total_len(p), frame_len) ? header_len : 0;
}

static uint32_t l4_in_ip6(const uint8_t *p, uint32_t len, uint32_t frame_len, uint8_t proto)
{
	uint8_t found = 0;
	uint32_t at = ip6_upper(p, len, &found);

	if (at == 0 || found != proto)
		return 0;
	return len_agrees(ip6_payload_len(p), frame_len - IP6_HEADER_LEN) ? at : 0;
}

/* Does the sender's word on the kind of segments agree with the type of the frame? */
static bool type_agrees(enum pkt_gso gso, uint16_t type)
{
	if (type == IP4_ETHERNET_TYPE)
		return gso != PKT_GSO_TCP6;
	return type == IP6_ETHERNET_TYPE && gso != PKT_GSO_TCP4;
}

static bool find_l3(struct frame_iter *it)
{
	const struct pkt *pkt = it->pkt;
	uint16_t type = 0;
	uint32_t l3 = ethernet_payload(pkt->data, pkt->head_len, &type);

	if (l3 == 0 || !type_agrees((enum pkt_gso)pkt->offload.gso, type))
		return false;
	it->l3 = (uint16_t)l3;
	it->ip4 = type == IP4_ETHERNET_TYPE;
	return true;
}

static bool find_l4(struct frame_iter *it)
{
	const struct pkt *pkt = it->pkt;
	const struct pkt_offload *o = &pkt->offload;
	uint32_t l3 = it->l3, len = pkt_len(pkt) - l3, l4, header_len;

	it->proto = o->gso == PKT_GSO_UDP ? &udp : &tcp;
	l4 = (it->ip4 ? l4_in_ip4 : l4_in_ip6)(pkt->data + l3, pkt->head_len - l3, len, it->proto->proto);
	if (l4 == 0)
		return false;
	header_len = it->proto->header_len(pkt->data + l3 + l4, pkt->head_len - l3 - l4, len - l4);
	if (header_len == 0 || o->csum_start != l3 + l4 || o->csum_offset != it->proto->csum_offset)
		return false;
	it->l4 = (uint16_t)(l3 + l4);
	it->payload = (uint16_t)(it->l4 + header_len);
	return true;
}

enum drop frame_find_headers(struct frame_iter *it, uint32_t mtu)
{
	uint32_t headers, most = min_u32(mtu, UINT16_MAX);

	if (unlikely(!find_l3(it) || !find_l4(it)))
		return DROP_TX_OFFLOAD;
	headers = it->payload - it->l3;
	if (unlikely(headers + GSO_ROOM_MIN > most))
		return DROP_TX_MTU;
	it->gso_size = (uint16_t)min_u32(max_u32(it->pkt->offload.gso_size, GSO_SIZE_MIN), most - headers);
	return DROP_NONE;
}

/* --- segments --- */

void frame_segment_begin(struct frame_iter *it)
{
	it->body = (struct frame_cursor){.seg = it->pkt->segs};
	it->payload_left = pkt_len(it->pkt) - it->payload;
	it->payload_at = 0;
	it->segment = 0;
}

static void cursor_skip(struct frame_cursor *c, uint32_t len)
{
	while (len > 0) {
		uint32_t part = min_u32(len, c->seg->len - c->at);

		frame_cursor_advance(c, part);
		len -= part;
	}
}

/* Headers of a segment with len bytes of payload, in place of those of the whole. */
static void segment_ip(struct frame_iter *it, uint32_t len)
{
	uint8_t *ip = it->head + it->l3;
	uint32_t ip_len = it->payload - it->l3 + len;

	if (!it->ip4) {
		ip6_set_payload_len(ip, (uint16_t)(ip_len - IP6_HEADER_LEN));
		return;
	}
	ip4_set_total_len(ip, (uint16_t)ip_len);
	ip4_set_id(ip, (uint16_t)(ip4_id(ip) + it->segment));
	ip4_set_csum(ip, it->l4 - it->l3);
}

/* The pseudo header's sum that the sender began with covers the length of the whole: ours differs in that. */
static void segment_csum(const struct frame_iter *it, uint8_t *l4, uint32_t len)
{
	uint8_t *field = l4 + it->proto->csum_offset;
	uint32_t whole_len = pkt_len(it->pkt) - it->l4;
	uint64_t sum = csum_sum(field, sizeof(uint16_t));
	uint16_t csum;

	sum = csum_add(sum, (uint32_t)~htonl(whole_len));
	sum = csum_add(sum, htonl(it->payload - it->l4 + len));
	csum = csum_fold(sum);
	memcpy(field, &csum, sizeof(csum));
}

/* Copies the headers and the payload that lies in the packet's head. Returns how much of the payload that is. */
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

void frame_segment(struct frame_iter *it, struct frame *f)
{
	uint32_t len = min_u32(it->gso_size, it->payload_left);
	uint32_t in_head = segment_head(it, len);

	segment_ip(it, len);
	segment_csum(it, it->head + it->l4, len);
	it->proto->segment(it, it->head + it->l4, len);
	*f = (struct frame){
		.head = it->head,
		.head_len = it->payload + in_head,
		.body = it->body,
		.body_len = len - in_head,
	};
	frame_csum(it, f, it->l4, it->proto->csum_offset);
	cursor_skip(&it->body, f->body_len);
	it->payload_at += len;
	it->payload_left -= len;
	it->segment++;
}
