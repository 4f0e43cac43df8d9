/* SPDX-License-Identifier: Apache-2.0 */
#include "ip/own.h"

#include "base/log.h"
#include "ip/ip_private.h"
#include "wire/arp.h"
#include "wire/nd.h"

#include <stdlib.h>

/* To everybody on the link, from nobody else's turn: the frame is freed by the outbox. */
static void send_later(struct ip *ip, const struct ip_iface *l3, uint8_t *frame, uint32_t len)
{
	outbox_put(&ip->outbox,
		&(struct out){.kind = OUT_FRAME, .iface = l3->iface->idx, .len = len, .bytes = frame});
}

/* A message of ICMPv6 from our link-local address. */
static void send_nd(struct ip *ip, const struct ip_iface *l3, const struct ip_addr *src,
	const struct ip_addr *dst, const uint8_t *message, uint32_t len)
{
	uint32_t frame_len = ETHERNET_HEADER_LEN + IP6_HEADER_LEN + len;
	uint8_t *frame = calloc(1, frame_len), *p;

	if (!frame)
		return;
	p = frame + ETHERNET_HEADER_LEN;
	ethernet_rewrite(frame, nd_multicast_mac(dst->bytes), l3->mac);
	be16_set(frame + ETHERNET_TYPE_AT, IP6_ETHERNET_TYPE);
	ip_header_write(ip, p, src, dst, IP_PROTO_ICMP6, len);
	p[7] = ND_HOP_LIMIT;
	memcpy(p + IP6_HEADER_LEN, message, len);
	icmp6_csum(p, len);
	send_later(ip, l3, frame, frame_len);
}

/* Who has it already answers (RFC 4862, 5.4); the others learn where it is. */
static void announce6(struct ip *ip, const struct ip_iface *l3, const struct ip_addr *addr)
{
	static const struct ip_addr none = {.ip6 = true}, all = {.bytes = {0xff, 2, [15] = 1}, .ip6 = true};
	uint8_t m[ND_NEIGHBOR_LEN + ND_OPTION_MAC_LEN] = {ICMP6_NEIGHBOR_SOLICITATION};
	struct ip_addr group = {.ip6 = true};

	nd_solicited_node(group.bytes, addr->bytes);
	memcpy(m + ND_TARGET_AT, addr->bytes, IP6_LEN);
	send_nd(ip, l3, &none, &group, m, ND_NEIGHBOR_LEN);
	m[0] = ICMP6_NEIGHBOR_ADVERTISEMENT;
	m[4] = ND_ROUTER | ND_OVERRIDE;
	nd_option_mac(m + ND_NEIGHBOR_LEN, ND_OPTION_TARGET_MAC, l3->mac);
	send_nd(ip, l3, addr, &all, m, sizeof(m));
}

static void announce4(struct ip *ip, const struct ip_iface *l3, const struct ip_addr *addr)
{
	uint8_t *frame = malloc(ARP_FRAME_LEN);

	if (!frame)
		return;
	arp_write(frame, MAC_BROADCAST,
		&(struct arp){.op = ARP_REQUEST,
			.sender_mac = l3->mac,
			.sender = ip4_of(addr),
			.target = ip4_of(addr)});
	send_later(ip, l3, frame, ARP_FRAME_LEN);
}

void own_announce(struct ip *ip, const struct ip_iface *l3, const struct ip_addr *addr)
{
	if (!iface_is_up(l3->iface)) /* nobody would hear it */
		return;
	if (addr->ip6)
		announce6(ip, l3, addr);
	else
		announce4(ip, l3, addr);
}

/* --- router advertisements (RFC 4861, 4.2) --- */

static uint32_t option_prefix(uint8_t *p, const struct ip_prefix *prefix)
{
	struct ip_prefix network = ip_prefix_network(*prefix);

	memset(p, 0, ND_OPTION_PREFIX_LEN);
	p[0] = ND_OPTION_PREFIX;
	p[1] = ND_OPTION_PREFIX_LEN / 8;
	p[2] = prefix->len;
	p[3] = 0x80 | (prefix->len == 64 ? 0x40 : 0); /* on this link; make an address of it */
	be32_set(p + 4, 2 * OWN_RA_LIFETIME_S);
	be32_set(p + 8, OWN_RA_LIFETIME_S);
	memcpy(p + 16, network.addr.bytes, IP6_LEN);
	return ND_OPTION_PREFIX_LEN;
}

uint32_t own_ra_write(const struct ip_iface *l3, uint8_t *p)
{
	uint32_t len = ND_RA_LEN;

	memset(p, 0, ND_RA_LEN + ND_OPTION_MAC_LEN + ND_OPTION_MTU_LEN);
	p[0] = ICMP6_ROUTER_ADVERTISEMENT;
	p[4] = IP_OWN_TTL;
	be16_set(p + 6, OWN_RA_LIFETIME_S);
	nd_option_mac(p + len, ND_OPTION_SOURCE_MAC, l3->mac);
	len += ND_OPTION_MAC_LEN;
	p[len] = ND_OPTION_MTU;
	p[len + 1] = 1;
	be32_set(p + len + 4, iface_mtu(l3->iface));
	len += ND_OPTION_MTU_LEN;
	for (uint32_t i = 0; i < l3->n_addrs && len + ND_OPTION_PREFIX_LEN <= OWN_RA_MAX; i++)
		if (l3->addrs[i].addr.ip6)
			len += option_prefix(p + len, &l3->addrs[i]);
	return len;
}

static void advertise(struct ip *ip, const struct ip_iface *l3)
{
	static const struct ip_addr all = {.bytes = {0xff, 2, [15] = 1}, .ip6 = true};
	uint8_t ra[OWN_RA_MAX];

	send_nd(ip, l3, &l3->link_local, &all, ra, own_ra_write(l3, ra));
}

static void report_conflicts(const struct ip_iface *l3)
{
	uint32_t n = __atomic_load_n(&l3->state->conflicts, __ATOMIC_RELAXED);

	if (n < 2 * l3->state->conflicts_logged ||
		n == 0) /* a peer says when: each time twice as many have to come */
		return;
	l3->state->conflicts_logged = n;
	log_warning(
		"%s: another station uses one of its addresses (%u times so far): give one of them another",
		l3->iface->name, n);
}

void own_tick(struct ip *ip)
{
	uint64_t now_s = ip->now_ns / NS_PER_S;

	for (const struct iface *i = iface_next(ip->ifaces, 0); i; i = iface_next(ip->ifaces, i->idx + 1)) {
		const struct ip_iface *l3 = i->l3;

		if (!l3)
			continue;
		report_conflicts(l3);
		if (l3->ip6 && l3->ra && iface_is_up(i) && (now_s + i->idx) % OWN_RA_INTERVAL_S == 0)
			advertise(ip, l3);
	}
}
