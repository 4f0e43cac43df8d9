/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets larger than their way, cut (RFC 791, RFC 8200 4.5): those of others in IPv4, in IPv6 only our own. Each
 * fragment has a head of its own, the headers; what follows are pieces of the packet that is cut, head and body, which
 * stay where they are until the turn ends.
 */
#include "ip/ip_private.h"

#define FRAGMENT_UNIT 8u

struct cut {
	struct pkt *pkt;
	bool ip6;
	uint32_t header_len; /* of IP */
	uint32_t from;       /* where the payload starts in the frame */
	uint32_t len;        /* of the payload */
	uint32_t part;       /* bytes of it in a fragment, but in the last */
	uint32_t id;
};

/* The pieces of len bytes of a packet from `at` on. Returns how many. */
static uint32_t pieces(const struct pkt *pkt, uint32_t at, uint32_t len, struct pkt_seg *out)
{
	const struct pkt_seg *seg = pkt->segs;
	uint32_t n = 0;

	if (at < pkt->head_len) {
		uint32_t part = min_u32(len, pkt->head_len - at);

		out[n++] = (struct pkt_seg){.addr = pkt->data + at, .len = part};
		len -= part;
		at = pkt->head_len;
	}
	for (at -= pkt->head_len; len > 0; seg++) {
		uint32_t part;

		if (at >= seg->len) {
			at -= seg->len;
			continue;
		}
		part = min_u32(len, seg->len - at);
		out[n++] = (struct pkt_seg){.addr = seg->addr + at, .len = part};
		len -= part;
		at = 0;
	}
	return n;
}

/* A checksum that is begun covers all of the packet: it has to be there before. False: it is not in the head. */
static bool complete_csum(struct pkt *pkt)
{
	uint32_t start = pkt->offload.csum_start, at = start + pkt->offload.csum_offset;
	uint16_t csum;

	if (!pkt->offload.csum)
		return true;
	if (at + sizeof(csum) > pkt->head_len)
		return false;
	csum = (uint16_t)~csum_fold(pkt_sum(pkt, start, pkt_len(pkt) - start));
	if (csum == 0) /* of UDP that would say "none"; TCP's 0xffff is as good */
		csum = 0xffff;
	memcpy(pkt->data + at, &csum, sizeof(csum));
	pkt->offload.csum = false;
	return true;
}

static void header4(uint8_t *p, const struct cut *c, uint32_t at, uint32_t len)
{
	bool more = at + len < c->len || ip4_more_fragments(pkt_l3(c->pkt));
	uint32_t offset = ip4_fragment_at(pkt_l3(c->pkt)) + at;

	memcpy(p, pkt_l3(c->pkt), c->header_len);
	ip4_set_total_len(p, (uint16_t)(c->header_len + len));
	be16_set(p + 6, (uint16_t)(offset / FRAGMENT_UNIT | (more ? 0x2000u : 0)));
	ip4_set_csum(p, c->header_len);
}

static void header6(uint8_t *p, const struct cut *c, uint32_t at, uint32_t len)
{
	uint8_t *h = p + IP6_HEADER_LEN;

	memcpy(p, pkt_l3(c->pkt), IP6_HEADER_LEN);
	ip6_set_payload_len(p, (uint16_t)(IP6_FRAGMENT_LEN + len));
	h[0] = p[6];
	h[1] = 0;
	be16_set(h + 2, (uint16_t)(at | (at + len < c->len)));
	be32_set(h + 4, c->id);
	p[6] = IP_PROTO_FRAGMENT;
}

static bool make_fragment(struct turn *turn, const struct cut *c, uint32_t at)
{
	uint32_t len = min_u32(c->part, c->len - at), n = c->pkt->n_segs + 1u;
	struct pkt_seg *segs = turn_segs(turn, n);
	struct pkt *f = segs ? turn_make(turn, c->pkt->rx) : NULL;

	if (!f)
		return false;
	memcpy(f->data, c->pkt->data, ETHERNET_HEADER_LEN);
	if (c->ip6)
		header6(pkt_l3(f), c, at, len);
	else
		header4(pkt_l3(f), c, at, len);
	f->head_len = (uint16_t)(ETHERNET_HEADER_LEN + c->header_len + (c->ip6 ? IP6_FRAGMENT_LEN : 0));
	f->segs = segs;
	f->n_segs = (uint16_t)pieces(c->pkt, c->from + at, len, segs);
	f->body_len = len;
	f->neigh = c->pkt->neigh;
	turn_push(turn, f, STAGE_NEIGH_OUTPUT);
	return true;
}

static enum drop cut_up(struct ip *ip, struct turn *turn, struct pkt *pkt)
{
	const uint8_t *p = pkt_l3(pkt);
	uint32_t mtu = iface_mtu(ip_pkt_out(ip, pkt)), overhead;
	struct cut c = {.pkt = pkt, .ip6 = p[0] >> 4 == 6};

	if (!complete_csum(pkt))
		return DROP_TX_OFFLOAD;
	c.header_len = c.ip6 ? IP6_HEADER_LEN : (p[0] & 15u) * 4;
	overhead = c.header_len + (c.ip6 ? IP6_FRAGMENT_LEN : 0);
	c.from = ETHERNET_HEADER_LEN + c.header_len;
	c.len = c.ip6 ? ip6_payload_len(p) : ip4_total_len(p) - c.header_len;
	if (mtu < overhead + FRAGMENT_UNIT)
		return DROP_TX_MTU;
	c.part = (mtu - overhead) / FRAGMENT_UNIT * FRAGMENT_UNIT;
	c.id = (uint32_t)__atomic_fetch_add(&ip->next_id, 1, __ATOMIC_RELAXED) * 2654435761u;
	for (uint32_t at = 0; at < c.len; at += c.part)
		if (!make_fragment(turn, &c, at))
			return DROP_TURN_FULL;
	return DROP_NONE;
}

void ip_fragment(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t i = 0; i < vec->n; i++)
		turn_drop(turn, vec->pkts[i], cut_up(subject, turn, vec->pkts[i]));
}
