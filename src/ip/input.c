/* SPDX-License-Identifier: Apache-2.0 */
/* Where frames become packets of the router, and where they leave it. */
#include "ip/ip_private.h"

#include "wire/arp.h"

static inline enum stage l3_next(const struct ip_iface *l3, struct pkt *pkt)
{
	uint64_t dst = ethernet_dst(pkt->data);

	if (unlikely(dst != l3->mac && !mac_is_group(dst))) {
		pkt->drop = DROP_NOT_FOR_US;
		return STAGE_DROP;
	}
	switch (be16_get(pkt->data + ETHERNET_TYPE_AT)) {
	case IP4_ETHERNET_TYPE:
		return STAGE_IP4_INPUT;
	case IP6_ETHERNET_TYPE:
		return STAGE_IP6_INPUT;
	case ARP_ETHERNET_TYPE:
		return STAGE_ARP_INPUT;
	default:
		pkt->drop = DROP_L3_TYPE;
		return STAGE_DROP;
	}
}

/* How many packets from the first on are for the interface's own address and of one type, which most are. */
static uint32_t alike(const struct ip_iface *l3, struct pkt *const *pkts, uint32_t n, uint16_t type)
{
	const uint64_t dst_mask = htobe64(0xffffffffffff0000ull), dst = htobe64(l3->mac << 16);
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint64_t word;
		uint16_t its;

		memcpy(&word, pkts[i]->data, sizeof(word));
		memcpy(&its, pkts[i]->data + ETHERNET_TYPE_AT, sizeof(its));
		if (unlikely((word & dst_mask) != dst || its != type))
			break;
	}
	return i;
}

static void input_run(struct turn *turn, const struct ip_iface *l3, struct pkt *const *pkts, uint32_t n)
{
	while (n > 0) {
		uint32_t done = alike(l3, pkts, n, htobe16(IP4_ETHERNET_TYPE));
		enum stage stage = STAGE_IP4_INPUT;

		if (done == 0) {
			done = alike(l3, pkts, n, htobe16(IP6_ETHERNET_TYPE));
			stage = STAGE_IP6_INPUT;
		}
		if (done > 0)
			turn_push_n(turn, pkts, done, stage);
		else
			turn_push(turn, pkts[0], l3_next(l3, pkts[0]));
		done = max_u32(done, 1);
		pkts += done;
		n -= done;
	}
}

void l3_input(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t at = 0, n; at < vec->n; at += n) {
		const struct ip_iface *l3 = ip_iface_of(vec->pkts[at]->rx);

		n = vec_run(vec, at);
		if (likely(l3))
			input_run(turn, l3, &vec->pkts[at], n);
		else /* control takes its last address right now */
			turn_drop_n(turn, &vec->pkts[at], n, DROP_NO_ROAD);
	}
}

/* --- out --- */

void ip_send_frame(struct turn *turn, struct pkt *pkt, struct iface *iface)
{
	struct iface_counters *c = &turn_lane(turn, iface)->counters;

	if (iface_mode(iface) != IFACE_MODE_BRIDGE) {
		turn_output_n(turn, &pkt, 1, iface);
		return;
	}
	/* into the bridge, as what its BVI has received: ports' counters are their own */
	iface_count(&c->tx_packets, 1);
	iface_count(&c->tx_bytes, pkt_len(pkt));
	if (unlikely(!iface_is_up(iface))) {
		iface_count(&c->drops[DROP_TX_DOWN], 1);
		turn_finish(turn, pkt);
		return;
	}
	pkt->rx = iface;
	turn_push(turn, pkt, STAGE_BVI_OUTPUT);
}

struct iface *ip_pkt_out(const struct ip *ip, const struct pkt *pkt)
{
	return ip->neighs.list[pkt->neigh].iface;
}

/* Of header and payload, whatever pads the frame. */
static uint32_t packet_len(const struct pkt *pkt)
{
	const uint8_t *p = pkt_l3(pkt);

	return p[0] >> 4 == 4 ? ip4_total_len(p) : IP6_HEADER_LEN + ip6_payload_len(p);
}

void ip_push_output(struct ip *ip, struct turn *turn, struct pkt *pkt)
{
	uint32_t mtu = iface_mtu(ip_pkt_out(ip, pkt));

	if (unlikely(pkt->offload.gso == PKT_GSO_NONE && packet_len(pkt) > mtu))
		turn_push(turn, pkt, STAGE_IP_FRAGMENT);
	else
		turn_push(turn, pkt, STAGE_NEIGH_OUTPUT);
}

bool ip_send(struct ip *ip, struct turn *turn, const struct ip_iface *l3, struct pkt *pkt)
{
	const uint8_t *p = pkt_l3(pkt);
	bool ip6 = p[0] >> 4 == 6;
	uint32_t len = pkt->head_len - ETHERNET_HEADER_LEN;
	enum drop drop = ip6 ? ip6_way(ip, l3, p, len, &pkt->neigh) : ip4_way(ip, l3, p, len, &pkt->neigh);

	if (drop != DROP_NONE) {
		turn_drop(turn, pkt, drop);
		return false;
	}
	be16_set(pkt->data + ETHERNET_TYPE_AT, ip6 ? IP6_ETHERNET_TYPE : IP4_ETHERNET_TYPE);
	ip_push_output(ip, turn, pkt);
	return true;
}

void ip_header_write(struct ip *ip, uint8_t *p, const struct ip_addr *src, const struct ip_addr *dst,
	uint8_t proto, uint32_t payload_len)
{
	uint32_t header_len = ip_header_len(src->ip6);

	memset(p, 0, header_len);
	if (src->ip6) {
		p[0] = 0x60;
		ip6_set_payload_len(p, (uint16_t)payload_len);
		p[6] = proto;
		p[7] = IP_OWN_TTL;
		memcpy(p + 8, src->bytes, IP6_LEN);
		memcpy(p + 24, dst->bytes, IP6_LEN);
		return;
	}
	p[0] = 0x45;
	ip4_set_total_len(p, (uint16_t)(header_len + payload_len));
	ip4_set_id(p, __atomic_fetch_add(&ip->next_id, 1, __ATOMIC_RELAXED));
	p[8] = IP_OWN_TTL;
	p[9] = proto;
	memcpy(p + 12, src->bytes, IP4_LEN);
	memcpy(p + 16, dst->bytes, IP4_LEN);
	ip4_set_csum(p, header_len);
}

struct iface *ip_way_iface(struct ip *ip, const struct iface *iface, const struct ip_addr *dst)
{
	const struct ip_iface *l3 = ip_iface_of(iface);
	uint8_t p[IP6_HEADER_LEN] = {dst->ip6 ? 0x60 : 0x45};
	uint32_t neigh;
	enum drop drop;

	if (!l3)
		return NULL;
	memcpy(p + (dst->ip6 ? 24 : 16), dst->bytes, ip_addr_len(dst));
	drop = dst->ip6 ? ip6_way(ip, l3, p, sizeof(p), &neigh) : ip4_way(ip, l3, p, IP4_HEADER_MIN, &neigh);
	return drop == DROP_NONE ? ip->neighs.list[neigh].iface : NULL;
}

bool ip_way_source(struct ip *ip, const struct iface *iface, const struct ip_addr *dst, struct ip_addr *src)
{
	const struct iface *out = ip_way_iface(ip, iface, dst);

	return out && ip_iface_source(out, dst, src);
}

bool ip_packet_send(struct ip *ip, struct turn *turn, const struct iface *iface, struct pkt *pkt)
{
	const struct ip_iface *l3 = ip_iface_of(iface);

	if (l3)
		return ip_send(ip, turn, l3, pkt);
	turn_drop(turn, pkt, DROP_NO_ROAD);
	return false;
}
