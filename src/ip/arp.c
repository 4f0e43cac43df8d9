/* SPDX-License-Identifier: Apache-2.0 */
/* ARP (RFC 826): learn who asks us and who answers, answer for addresses of ours. */
#include "ip/ip_private.h"

#include "wire/arp.h"

/* Requests and answers a second from one port and worker. */
#define ARP_PER_S 1000

/* Its station may have that address: one of a network of the interface, and nobody's else. */
static enum drop sender_check(const struct ip_iface *l3, const struct pkt *pkt, const struct arp *arp)
{
	struct ip_addr sender = ip4_addr(arp->sender);
	struct ip_prefix network;

	if (mac_is_group(arp->sender_mac) || arp->sender_mac != ethernet_src(pkt->data))
		return DROP_ARP_SPOOF;
	if (arp->sender == 0) /* a probe: nobody has the address yet (RFC 5227) */
		return DROP_NONE;
	if (ip_iface_has(l3->iface, &sender)) {
		__atomic_fetch_add(&l3->state->conflicts, 1, __ATOMIC_RELAXED);
		return DROP_ARP_SPOOF;
	}
	return ip_iface_network(l3->iface, &sender, &network) ? DROP_NONE : DROP_ARP_NOT_OURS;
}

/* Somewhere else than where the question came from there is a route. */
static bool proxied(const struct ip *ip, const struct ip_iface *l3, uint32_t target)
{
	const struct hop *hop = &ip->hops.list[ip4_hop(l3->table, target)];

	return l3->proxy_arp &&
	       (hop->kind == HOP_GROUP ||
		       ((hop->kind == HOP_VIA || hop->kind == HOP_CONNECTED) && hop->iface != l3->iface));
}

/* The question becomes the answer. */
static void answer(struct turn *turn, const struct ip_iface *l3, struct pkt *pkt, const struct arp *asked)
{
	pkt->head_len = ARP_FRAME_LEN;
	pkt->body_len = 0;
	pkt->n_segs = 0;
	arp_write(pkt->data, asked->sender_mac,
		&(struct arp){.op = ARP_REPLY,
			.sender_mac = l3->mac,
			.sender = asked->target,
			.target_mac = asked->sender_mac,
			.target = asked->sender});
	ip_send_frame(turn, pkt, l3->iface);
}

static void handle(struct ip *ip, struct turn *turn, const struct ip_iface *l3, struct pkt *pkt)
{
	const uint8_t *p = pkt_l3(pkt);
	struct ip_addr sender, target;
	struct arp arp;
	enum drop drop;
	bool ours;

	if (!arp_ok(p, pkt->head_len - ETHERNET_HEADER_LEN)) {
		turn_drop(turn, pkt, DROP_ARP_MALFORMED);
		return;
	}
	if (!limit_take(&l3->state->arp[turn->worker], ARP_PER_S, turn->now_ns)) {
		turn_drop(turn, pkt, DROP_ARP_RATE);
		return;
	}
	arp = arp_read(p);
	drop = sender_check(l3, pkt, &arp);
	if (drop != DROP_NONE) {
		turn_drop(turn, pkt, drop);
		return;
	}
	sender = ip4_addr(arp.sender);
	target = ip4_addr(arp.target);
	ours = ip_iface_has(l3->iface, &target);
	/* who asks us will talk to us; of the others only those we know already are of interest */
	if (arp.sender != 0)
		neigh_learn(ip, turn, l3, &sender, arp.sender_mac, ours && arp.op == ARP_REQUEST);
	if (arp.op == ARP_REQUEST && (ours || (arp.sender != 0 && proxied(ip, l3, arp.target))))
		answer(turn, l3, pkt, &arp);
	else
		turn_drop(turn, pkt, arp.op == ARP_REPLY ? DROP_NONE : DROP_ARP_NOT_OURS);
}

void arp_input(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t i = 0; i < vec->n; i++) {
		const struct ip_iface *l3 = ip_iface_of(vec->pkts[i]->rx);

		if (likely(l3))
			handle(subject, turn, l3, vec->pkts[i]);
		else
			turn_drop(turn, vec->pkts[i], DROP_NO_ROAD);
	}
}

struct pkt *arp_request(struct turn *turn, const struct neigh *n, bool unicast)
{
	struct ip_addr src;
	struct pkt *pkt;

	if (!ip_iface_source(n->iface, &n->addr, &src))
		return NULL;
	pkt = turn_make(turn, n->iface);
	if (!pkt)
		return NULL;
	pkt->head_len = ARP_FRAME_LEN;
	arp_write(pkt->data, unicast ? neigh_mac(neigh_word(n)) : MAC_BROADCAST,
		&(struct arp){.op = ARP_REQUEST,
			.sender_mac = n->src_mac,
			.sender = ip4_of(&src),
			.target = ip4_of(&n->addr)});
	return pkt;
}
