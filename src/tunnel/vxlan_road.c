/* SPDX-License-Identifier: Apache-2.0 */
/* Into a tunnel and out of it. */
#include "tunnel/vxlan.h"

#include "ip/service.h"
#include "port/flow.h"
#include "port/frame.h"
#include "wire/ip.h"
#include "wire/udp.h"
#include "wire/vxlan.h"

#include <string.h>

/* Source ports that tell flows apart (RFC 7348, 4.2 and 5). */
#define ENTROPY_FIRST 49152
#define ENTROPY_PORTS 16384

/* --- in --- */

/* What stays the same for a burst. */
struct burst {
	const struct vxlan *v;
	struct iface *underlay;
	uint32_t ip_len, outer_len; /* of the IP header, and of all headers */
};

/* The checksum of layer 4 inside is begun and can stay so: it lies in the head, and at an even place. */
static bool begun_is_plain(const struct frame *f)
{
	const struct pkt_offload *o = &f->offload;

	return (uint32_t)o->csum_start + o->csum_offset + sizeof(uint16_t) <= f->head_len &&
	       o->csum_start % 2 == 0 && o->csum_offset % 2 == 0;
}

/*
 * Of the UDP header outside, with a checksum inside that is begun: from csum_start on, the frame will sum up to the
 * complement of what is begun.
 */
static uint16_t csum_over_begun(const uint8_t *udp, const struct frame *f, uint64_t pseudo)
{
	uint16_t begun, csum;
	uint64_t sum = csum_add(pseudo, csum_sum(udp, UDP_HEADER_LEN + VXLAN_HEADER_LEN));

	sum = csum_add(sum, csum_sum(f->head, f->offload.csum_start));
	memcpy(&begun, f->head + f->offload.csum_start + f->offload.csum_offset, sizeof(begun));
	csum = (uint16_t)~csum_fold(csum_add(sum, (uint16_t)~begun));
	return csum ? csum : 0xffff;
}

/* UDP and IP headers, and what is left to do for the whole. frame_len: of what is inside. */
static void write_headers(
	const struct burst *b, struct pkt *pkt, const struct frame *f, uint32_t frame_len, uint32_t hash)
{
	uint8_t *ip = pkt->data + ETHERNET_HEADER_LEN, *udp = ip + b->ip_len;
	uint32_t len = UDP_HEADER_LEN + VXLAN_HEADER_LEN + frame_len;
	const struct vxlan_ends *e = &b->v->ends;
	uint16_t csum = 0;
	uint64_t pseudo;

	memset(pkt->data, 0, ETHERNET_HEADER_LEN);
	be16_set(pkt->data + ETHERNET_TYPE_AT, e->src.ip6 ? IP6_ETHERNET_TYPE : IP4_ETHERNET_TYPE);
	ip_header_write(b->v->vxlans->ip, ip, &e->src, &e->dst, IP_PROTO_UDP, len);
	be16_set(udp, (uint16_t)(ENTROPY_FIRST + hash % ENTROPY_PORTS));
	be16_set(udp + 2, VXLAN_PORT);
	udp_set_len(udp, (uint16_t)len);
	be16_set(udp + UDP_CSUM_OFFSET, 0);
	vxlan_write(udp + UDP_HEADER_LEN, e->vni);
	pkt->offload = (struct pkt_offload){0};
	if (f->offload.csum) {
		pkt->offload.csum = true;
		pkt->offload.csum_start = (uint16_t)(f->offload.csum_start + b->outer_len);
		pkt->offload.csum_offset = f->offload.csum_offset;
	}
	if (!e->src.ip6)
		return;
	pseudo = ip6_pseudo_sum(ip, IP_PROTO_UDP, len);
	if (f->offload.csum) {
		csum = csum_over_begun(udp, f, pseudo);
	} else {
		csum = csum_fold(pseudo);
		pkt->offload.csum = true;
		pkt->offload.csum_start = (uint16_t)(udp - pkt->data);
		pkt->offload.csum_offset = UDP_CSUM_OFFSET;
	}
	memcpy(udp + UDP_CSUM_OFFSET, &csum, sizeof(csum));
}

/* Pieces from the cursor on. */
static uint32_t count_pieces(const struct frame_cursor *from, uint32_t len)
{
	struct frame_cursor c = *from;
	uint32_t n = 0;

	for (; len > 0; n++) {
		len -= min_u32(len, c.seg->len - c.at);
		c = (struct frame_cursor){.seg = c.seg + 1};
	}
	return n;
}

/* Behind the headers as much of the frame's head as fits; the rest of it, and the body, are pieces. */
static bool put_frame(struct turn *turn, struct pkt *pkt, const struct frame *f, uint32_t outer_len)
{
	uint32_t here = min_u32(f->head_len, PKT_HEAD_MAX - outer_len), rest = f->head_len - here;
	uint32_t n = count_pieces(&f->body, f->body_len) + (rest > 0), left = f->body_len;
	struct pkt_seg *segs = n > 0 ? turn_segs(turn, n) : NULL, *to = segs;
	struct frame_cursor body = f->body;

	if (n > 0 && !segs)
		return false;
	memcpy(pkt->data + outer_len, f->head, here);
	if (rest > 0) {
		/* a segment's head is the iterator's and does not last */
		uint8_t *bytes = turn_bytes(turn, rest);

		if (!bytes)
			return false;
		memcpy(bytes, f->head + here, rest);
		*to++ = (struct pkt_seg){.addr = bytes, .len = rest};
	}
	for (uint32_t part; left > 0; left -= part) {
		part = min_u32(left, body.seg->len - body.at);
		*to++ = (struct pkt_seg){.addr = body.seg->addr + body.at, .len = part};
		body = (struct frame_cursor){.seg = body.seg + 1};
	}
	pkt->head_len = (uint16_t)(outer_len + here);
	pkt->body_len = rest + f->body_len;
	pkt->segs = segs;
	pkt->n_segs = (uint16_t)n;
	return true;
}

static enum drop send_frame(const struct burst *b, struct turn *turn, const struct frame *f, uint32_t hash)
{
	struct pkt *pkt;

	if (f->offload.csum && !begun_is_plain(f))
		return DROP_TX_OFFLOAD;
	if (!turn_may_walk_again(turn))
		return DROP_TUNNEL_DEPTH;
	pkt = turn_make(turn, b->underlay);
	if (!pkt || !put_frame(turn, pkt, f, b->outer_len))
		return DROP_TURN_FULL;
	write_headers(b, pkt, f, f->head_len + f->body_len, hash);
	turn_walk_again(turn);
	ip_packet_send(b->v->vxlans->ip, turn, b->underlay, pkt);
	return DROP_NONE;
}

static enum drop send_packet(const struct burst *b, struct turn *turn, const struct pkt *pkt, uint32_t mtu)
{
	uint32_t hash = flow_hash(pkt->data, pkt->head_len);
	struct frame_iter it;
	struct frame f;
	enum drop drop = frame_begin(&it, pkt, FRAME_CAP_CSUM, mtu);

	while (drop == DROP_NONE && frame_next(&it, &f))
		drop = send_frame(b, turn, &f, hash);
	return drop;
}

void vxlan_tx(struct port *port, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	struct vxlan *v = CONTAINER_OF(port, struct vxlan, port);
	struct iface_counters *c = &turn_lane(turn, &port->iface)->counters;
	uint32_t idx = __atomic_load_n(&v->underlay, __ATOMIC_RELAXED), mtu = iface_mtu(&port->iface);
	struct burst b = {.v = v, .ip_len = v->ends.src.ip6 ? IP6_HEADER_LEN : IP4_HEADER_MIN};

	b.underlay = idx ? iface_get(port->ports->config.ifaces, idx) : NULL;
	b.outer_len = ETHERNET_HEADER_LEN + b.ip_len + UDP_HEADER_LEN + VXLAN_HEADER_LEN;
	for (uint32_t i = 0; i < n; i++) {
		enum drop drop = b.underlay ? send_packet(&b, turn, pkts[i], mtu) : DROP_TX_NO_PEER;

		if (drop != DROP_NONE) {
			iface_count(&c->drops[drop], 1);
			continue;
		}
		iface_count(&c->tx_packets, 1);
		iface_count(&c->tx_bytes, pkt_len(pkts[i]));
	}
}

/* --- out --- */

/* The frame inside, of which len bytes are at byte `at`, as a packet of its own; the body is shared. */
static struct pkt *take_frame(
	struct turn *turn, const struct vxlan *v, const struct pkt *outer, uint32_t at, uint32_t len)
{
	uint32_t head_len = min_u32(len, PKT_HEAD_MAX), left = len - head_len;
	struct pkt *pkt = turn_make(turn, (struct iface *)(uintptr_t)&v->port.iface);
	struct pkt_seg *segs = left > 0 ? turn_segs(turn, outer->n_segs + 1u) : NULL, *to = segs;
	uint32_t skip = at + head_len;

	if (!pkt || (left > 0 && !segs))
		return NULL;
	pkt_bytes(outer, at, pkt->data, head_len);
	if (left > 0 && skip < outer->head_len) {
		uint32_t part = min_u32(left, outer->head_len - skip);

		*to++ = (struct pkt_seg){.addr = outer->data + skip, .len = part};
		left -= part;
		skip += part;
	}
	skip -= min_u32(skip, outer->head_len);
	for (const struct pkt_seg *from = outer->segs; left > 0; from++) {
		uint32_t over = min_u32(skip, from->len), part = min_u32(left, from->len - over);

		skip -= over;
		if (part == 0)
			continue;
		*to++ = (struct pkt_seg){.addr = from->addr + over, .len = part};
		left -= part;
	}
	pkt->head_len = (uint16_t)head_len;
	pkt->body_len = len - head_len;
	pkt->segs = segs;
	pkt->n_segs = (uint16_t)(to - segs);
	return pkt;
}

/* A checksum inside that is begun stays so; one outside was begun for us. False: it is in contradiction to the frame. */
static bool take_offload(struct pkt *pkt, const struct pkt_offload *outer, uint32_t at)
{
	uint32_t start = outer->csum_start - at;

	if (!outer->csum || outer->csum_start < at)
		return true;
	pkt->offload = (struct pkt_offload){
		.csum = true, .csum_start = (uint16_t)start, .csum_offset = outer->csum_offset};
	return start + outer->csum_offset + sizeof(uint16_t) <= pkt_len(pkt);
}

static enum drop receive(
	const struct vxlans *vs, struct turn *turn, const struct pkt *outer, const struct ip_datagram *d)
{
	struct vxlan_ends ends = {.src = d->dst, .dst = d->src};
	uint8_t header[VXLAN_HEADER_LEN];
	const struct vxlan *v;
	struct pkt *pkt;

	if (d->payload_len < VXLAN_HEADER_LEN + ETHERNET_HEADER_LEN)
		return DROP_TUNNEL_MALFORMED;
	pkt_bytes(outer, d->payload_at, header, sizeof(header));
	if (!vxlan_is_good(header))
		return DROP_TUNNEL_MALFORMED;
	ends.vni = vxlan_vni(header);
	v = vxlan_find(vs, &ends);
	if (!v)
		return DROP_TUNNEL_UNKNOWN;
	if (!turn_may_walk_again(turn))
		return DROP_TUNNEL_DEPTH;
	pkt = take_frame(turn, v, outer, d->payload_at + VXLAN_HEADER_LEN, d->payload_len - VXLAN_HEADER_LEN);
	if (!pkt)
		return DROP_TURN_FULL;
	if (!take_offload(pkt, &outer->offload, d->payload_at + VXLAN_HEADER_LEN))
		return DROP_TUNNEL_MALFORMED;
	turn_walk_again(turn);
	turn_push(turn, pkt, STAGE_ETH_INPUT);
	return DROP_NONE;
}

void vxlan_rx(void *subject, struct turn *turn, struct pkt *pkt, const struct ip_datagram *d)
{
	turn_drop(turn, pkt, receive(subject, turn, pkt, d));
}
