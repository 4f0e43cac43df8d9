/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbour discovery (RFC 4861): solicitations and advertisements, and router advertisements for who asks. */
#include "wire/nd.h"

#include "ip/ip_private.h"
#include "ip/own.h"

#define ND_PER_S   1000
#define ND_MAX_LEN 256

/* A frame of one message in ICMPv6 from src to dst: where the message is; NULL: there is no room. */
static uint8_t *nd_frame(
	struct ip *ip, struct turn *turn, const struct ip_addr *src, const struct ip_addr *dst, uint32_t len)
{
	uint8_t *bytes = turn_bytes(turn, ETHERNET_HEADER_LEN + IP6_HEADER_LEN + len);

	if (!bytes)
		return NULL;
	memset(bytes, 0, ETHERNET_HEADER_LEN + IP6_HEADER_LEN + len);
	be16_set(bytes + ETHERNET_TYPE_AT, IP6_ETHERNET_TYPE);
	ip_header_write(ip, bytes + ETHERNET_HEADER_LEN, src, dst, IP_PROTO_ICMP6, len);
	bytes[ETHERNET_HEADER_LEN + 7] = ND_HOP_LIMIT;
	return bytes + ETHERNET_HEADER_LEN + IP6_HEADER_LEN;
}

/* The message is written: the packet, for a station or a group. NULL: none is left. */
static struct pkt *nd_pkt(struct turn *turn, struct iface *iface, uint8_t *message, uint32_t len,
	uint64_t mac, uint64_t src_mac)
{
	uint8_t *bytes = message - IP6_HEADER_LEN - ETHERNET_HEADER_LEN;

	icmp6_csum(message - IP6_HEADER_LEN, len);
	ethernet_rewrite(bytes, mac, src_mac);
	return turn_make_frame(turn, iface, bytes, ETHERNET_HEADER_LEN + IP6_HEADER_LEN + len);
}

struct pkt *nd_solicit(struct turn *turn, const struct neigh *n, bool unicast)
{
	const uint32_t len = ND_NEIGHBOR_LEN + ND_OPTION_MAC_LEN;
	const struct ip_iface *l3 = ip_iface_of(n->iface);
	struct ip_addr src, dst = n->addr;
	uint8_t *m;

	if (!l3 || !ip_iface_source(n->iface, &n->addr, &src))
		return NULL;
	if (!unicast)
		nd_solicited_node(dst.bytes, n->addr.bytes);
	m = nd_frame(l3->ip, turn, &src, &dst, len);
	if (!m)
		return NULL;
	m[0] = ICMP6_NEIGHBOR_SOLICITATION;
	memcpy(m + ND_TARGET_AT, n->addr.bytes, IP6_LEN);
	nd_option_mac(m + ND_NEIGHBOR_LEN, ND_OPTION_SOURCE_MAC, n->src_mac);
	return nd_pkt(turn, n->iface, m, len,
		unicast ? neigh_mac(neigh_word(n)) : nd_multicast_mac(dst.bytes), n->src_mac);
}

/* --- answers --- */

static struct ip_addr all_nodes(void)
{
	return (struct ip_addr){.bytes = {0xff, 2, [15] = 1}, .ip6 = true};
}

static void advertise(struct ip *ip, struct turn *turn, const struct ip_iface *l3,
	const struct ip_addr *target, const struct ip_addr *to, uint64_t mac)
{
	const uint32_t len = ND_NEIGHBOR_LEN + ND_OPTION_MAC_LEN;
	bool probe =
		ip_addr_is_zero(to); /* duplicate address detection: everybody is told (RFC 4861, 7.2.4) */
	struct ip_addr dst = probe ? all_nodes() : *to;
	uint8_t *m = nd_frame(ip, turn, target, &dst, len);
	struct pkt *pkt;

	if (!m)
		return;
	m[0] = ICMP6_NEIGHBOR_ADVERTISEMENT;
	m[4] = ND_ROUTER | ND_OVERRIDE | (probe ? 0 : ND_SOLICITED);
	memcpy(m + ND_TARGET_AT, target->bytes, IP6_LEN);
	nd_option_mac(m + ND_NEIGHBOR_LEN, ND_OPTION_TARGET_MAC, l3->mac);
	pkt = nd_pkt(turn, l3->iface, m, len, probe ? nd_multicast_mac(dst.bytes) : mac, l3->mac);
	if (pkt)
		ip_send_frame(turn, pkt, l3->iface);
}

/* What a message says, its options looked through. */
struct nd {
	struct ip_addr src, target;
	uint64_t mac; /* of an option, or the frame's */
	bool to_group;
};

/* An address of one of our networks may have this MAC address. */
static bool may_be(const struct ip_iface *l3, const struct ip_addr *addr)
{
	struct ip_prefix network;

	return ip_iface_network(l3->iface, addr, &network) && !ip_addr_is_multicast(addr);
}

static enum drop solicited(struct ip *ip, struct turn *turn, const struct ip_iface *l3, const struct nd *nd)
{
	if (!ip_iface_has(l3->iface, &nd->target))
		return DROP_ARP_NOT_OURS;
	if (ip_addr_is_zero(&nd->src)) {
		if (!nd->to_group)
			return DROP_ND_MALFORMED;
	} else {
		if (!may_be(l3, &nd->src))
			return DROP_ARP_SPOOF;
		neigh_learn(ip, turn, l3, &nd->src, nd->mac, true);
	}
	advertise(ip, turn, l3, &nd->target, &nd->src, nd->mac);
	return DROP_NONE;
}

static enum drop advertised(struct ip *ip, struct turn *turn, const struct ip_iface *l3, const struct nd *nd)
{
	if (ip_iface_has(l3->iface, &nd->target)) {
		__atomic_fetch_add(&l3->state->conflicts, 1, __ATOMIC_RELAXED);
		return DROP_ARP_SPOOF;
	}
	if (!may_be(l3, &nd->target))
		return DROP_ARP_SPOOF;
	neigh_learn(ip, turn, l3, &nd->target, nd->mac, false);
	return DROP_NONE;
}

static enum drop router_solicited(
	struct ip *ip, struct turn *turn, const struct ip_iface *l3, const struct nd *nd)
{
	struct ip_addr dst = all_nodes();
	uint8_t ra[OWN_RA_MAX], *m;
	struct pkt *pkt;
	uint32_t len;

	if (!l3->ra)
		return DROP_ARP_NOT_OURS;
	len = own_ra_write(l3, ra);
	m = nd_frame(ip, turn, &l3->link_local, &dst, len);
	if (!m)
		return DROP_TURN_FULL;
	memcpy(m, ra, len);
	pkt = nd_pkt(turn, l3->iface, m, len, nd_multicast_mac(dst.bytes), l3->mac);
	if (pkt)
		ip_send_frame(turn, pkt, l3->iface);
	return DROP_NONE;
}

/* --- what comes in --- */

/* Of neighbours: a target that is one station's; the option is of the wanted kind. */
static bool read_neighbor(struct nd *nd, const uint8_t *m, uint32_t len, enum nd_option option)
{
	if (len < ND_NEIGHBOR_LEN)
		return false;
	nd->target = ip_addr_at(m + ND_TARGET_AT, true);
	return !ip_addr_is_multicast(&nd->target) &&
	       nd_options(m + ND_NEIGHBOR_LEN, len - ND_NEIGHBOR_LEN, option, &nd->mac);
}

static enum drop nd_message(struct ip *ip, struct turn *turn, const struct ip_iface *l3,
	const struct pkt *pkt, const uint8_t *m, uint32_t len)
{
	const uint8_t *p = pkt_l3(pkt);
	struct nd nd = {.src = ip_addr_at(ip6_src(p), true),
		.mac = ethernet_src(pkt->data),
		.to_group = ip6_dst(p)[0] == 0xff};
	bool ok = ip6_hop_limit(p) == ND_HOP_LIMIT && m[1] == 0;
	enum drop (*handle)(struct ip *, struct turn *, const struct ip_iface *, const struct nd *) = NULL;

	if (m[0] == ICMP6_NEIGHBOR_SOLICITATION) {
		ok = ok && read_neighbor(&nd, m, len, ND_OPTION_SOURCE_MAC);
		handle = solicited;
	} else if (m[0] == ICMP6_NEIGHBOR_ADVERTISEMENT) {
		ok = ok && read_neighbor(&nd, m, len, ND_OPTION_TARGET_MAC);
		handle = advertised;
	} else if (m[0] == ICMP6_ROUTER_SOLICITATION) {
		ok = ok && len >= ND_RS_LEN &&
		     nd_options(m + ND_RS_LEN, len - ND_RS_LEN, ND_OPTION_SOURCE_MAC, &nd.mac);
		handle = router_solicited;
	}
	if (!ok)
		return DROP_ND_MALFORMED;
	if (mac_is_group(nd.mac) || nd.mac != ethernet_src(pkt->data))
		return DROP_ARP_SPOOF;
	return handle ? handle(ip, turn, l3, &nd) : DROP_NONE; /* what routers say to hosts is not for us */
}

void nd_input(struct ip *ip, struct turn *turn, struct pkt *pkt, uint32_t l4, uint32_t len)
{
	const struct ip_iface *l3 = ip_iface_of(pkt->rx);
	uint8_t m[ND_MAX_LEN];

	if (!limit_take(&l3->state->arp[turn->worker], ND_PER_S, turn->now_ns)) {
		turn_drop(turn, pkt, DROP_ARP_RATE);
		return;
	}
	if (len > sizeof(m)) { /* ours are short, and theirs to us have no reason not to be */
		turn_drop(turn, pkt, DROP_ND_MALFORMED);
		return;
	}
	pkt_bytes(pkt, l4, m, len);
	turn_drop(turn, pkt, nd_message(ip, turn, l3, pkt, m, len));
}
