/* SPDX-License-Identifier: Apache-2.0 */
/* Packets for addresses of ours: whole, and with their checksum right, they go to whoever serves them. */
#include "ip/ip_private.h"

#include "ip/fragments.h"
#include "wire/udp.h"

#include <errno.h>
#include <stdlib.h>

/* What STAGE_IP_LOCAL knows of a packet. */
struct local {
	bool ip6;
	bool to_group; /* multicast or broadcast: nobody is told that nobody serves it */
	uint8_t proto;
	uint32_t l4;  /* where the header behind IP starts, in the frame */
	uint32_t len; /* of it and what follows */
};

static bool is_to_group(const struct ip_iface *l3, const struct pkt *pkt, bool ip6)
{
	const uint8_t *p = pkt_l3(pkt);

	if (pkt->data[0] & 1)
		return true;
	if (ip6)
		return ip6_dst(p)[0] == 0xff;
	return l3 && ip4_hop(l3->table, ip4_dst(p)) != HOP_LOCAL;
}

/* A header's place and protocol. False: it is not in the head, or makes no sense. */
static bool parse(struct local *l, const struct pkt *pkt)
{
	const uint8_t *p = pkt_l3(pkt);
	uint32_t head_len = pkt->head_len - ETHERNET_HEADER_LEN, at;

	l->ip6 = p[0] >> 4 == 6;
	if (l->ip6) {
		at = ip6_upper(p, head_len, &l->proto);
		if (at == 0 || at > IP6_HEADER_LEN + (uint32_t)ip6_payload_len(p))
			return false;
		l->len = IP6_HEADER_LEN + ip6_payload_len(p) - at;
	} else {
		at = ip4_header_len(p, head_len);
		if (at == 0)
			return false;
		l->proto = ip4_proto(p);
		l->len = ip4_total_len(p) - at;
	}
	l->l4 = ETHERNET_HEADER_LEN + at;
	return true;
}

static void refuse(struct turn *turn, struct pkt *pkt, const struct local *l, bool port)
{
	if (l->to_group)
		turn_drop(turn, pkt, DROP_IP_NO_SERVICE);
	else if (!l->ip6)
		turn_push(turn, pkt,
			icmp_tell(pkt, DROP_IP_NO_SERVICE, ICMP4_UNREACHABLE,
				port ? ICMP4_PORT : ICMP4_PROTOCOL, 0));
	else if (port)
		turn_push(turn, pkt, icmp_tell(pkt, DROP_IP_NO_SERVICE, ICMP6_UNREACHABLE, ICMP6_PORT, 0));
	else
		turn_push(turn, pkt,
			icmp_tell(pkt, DROP_IP_NO_SERVICE, ICMP6_PARAMETER, ICMP6_NEXT_HEADER,
				(uint16_t)(l->l4 - ETHERNET_HEADER_LEN)));
}

/* --- UDP --- */

static bool udp_ok(const struct pkt *pkt, const struct local *l)
{
	const uint8_t *p = pkt_l3(pkt), *udp = pkt->data + l->l4;
	uint32_t len;
	uint64_t sum;

	if (l->len < UDP_HEADER_LEN || l->l4 + UDP_HEADER_LEN > pkt->head_len ||
		pkt->offload.gso != PKT_GSO_NONE)
		return false;
	len = udp_len(udp);
	if (len < UDP_HEADER_LEN || len > l->len)
		return false;
	if (pkt->offload.csum) /* it never was on a wire */
		return true;
	if (be16_get(udp + UDP_CSUM_OFFSET) == 0)
		return !l->ip6;
	sum = l->ip6 ? ip6_pseudo_sum(p, IP_PROTO_UDP, len) : ip4_pseudo_sum(p, IP_PROTO_UDP, len);
	return csum_fold(csum_add(sum, pkt_sum(pkt, l->l4, len))) == 0xffff;
}

const struct ip_service *ip_service_find(const struct ip *ip, uint16_t port)
{
	const struct ip_services *services = rcu_load(ip->services);

	for (uint32_t i = 0; i < services->n; i++)
		if (port >= services->list[i].port && port <= services->list[i].last)
			return &services->list[i];
	return NULL;
}

static void udp_local(struct ip *ip, struct turn *turn, struct pkt *pkt, const struct local *l)
{
	const uint8_t *p = pkt_l3(pkt), *udp = pkt->data + l->l4;
	const struct ip_service *service;
	struct ip_datagram d;

	if (!udp_ok(pkt, l)) {
		turn_drop(turn, pkt, l->ip6 ? DROP_IP6_HEADER : DROP_IP4_HEADER);
		return;
	}
	service = ip_service_find(ip, be16_get(udp + 2));
	if (!service) {
		refuse(turn, pkt, l, true);
		return;
	}
	d = (struct ip_datagram){
		.src = ip_addr_at(l->ip6 ? ip6_src(p) : p + 12, l->ip6),
		.dst = ip_addr_at(l->ip6 ? ip6_dst(p) : p + 16, l->ip6),
		.src_port = be16_get(udp),
		.dst_port = be16_get(udp + 2),
		.payload_at = l->l4 + UDP_HEADER_LEN,
		.payload_len = udp_len(udp) - UDP_HEADER_LEN,
		.to_group = l->to_group,
	};
	if (turn_is_trial(turn)) /* it would remember what it is asked */
		turn_finish(turn, pkt);
	else
		service->fn(service->subject, turn, pkt, &d);
}

/* --- the stage --- */

static void deliver(struct ip *ip, struct turn *turn, struct pkt *pkt, const struct local *l)
{
	if (l->proto == IP_PROTO_UDP)
		udp_local(ip, turn, pkt, l);
	else if (l->proto == IP_PROTO_ICMP && !l->ip6)
		icmp4_local(ip, turn, pkt, l->l4, l->len, l->to_group);
	else if (l->proto == IP_PROTO_ICMP6 && l->ip6)
		icmp6_local(ip, turn, pkt, l->l4, l->len, l->to_group);
	else if (l->ip6 && l->proto == 59) /* no next header: that is all */
		turn_finish(turn, pkt);
	else
		refuse(turn, pkt, l,
			l->proto == IP_PROTO_TCP); /* "nobody listens" is what a client understands */
}

static void handle(struct ip *ip, struct turn *turn, struct pkt *pkt)
{
	const struct ip_iface *l3 = ip_iface_of(pkt->rx);
	struct local l = {0};
	struct pkt *whole;

	if (!l3) {
		turn_drop(turn, pkt, DROP_NO_ROAD);
		return;
	}
	if (!parse(&l, pkt)) {
		turn_drop(turn, pkt, l.ip6 ? DROP_IP6_HEADER : DROP_IP4_HEADER);
		return;
	}
	l.to_group = is_to_group(l3, pkt, l.ip6);
	if (l.ip6 ? l.proto != IP_PROTO_FRAGMENT : !ip4_is_fragment(pkt_l3(pkt))) {
		deliver(ip, turn, pkt, &l);
		return;
	}
	if (turn_is_trial(turn)) {
		turn_finish(turn, pkt);
		return;
	}
	whole = fragments_put(ip->fragments, turn, pkt, l.l4);
	if (!whole)
		return;
	if (parse(&l, whole))
		deliver(ip, turn, whole, &l);
	else
		turn_drop(turn, whole, DROP_FRAGMENT_MALFORMED);
}

void ip_local(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t i = 0; i < vec->n; i++)
		handle(subject, turn, vec->pkts[i]);
}

/* --- who serves --- */

static void swap(struct ip *ip, struct ip_services *next)
{
	struct ip_services *old = ip->services;

	rcu_publish(ip->services, next);
	rcu_wait();
	free(old);
}

int ip_udp_listen(struct ip *ip, uint16_t port, ip_udp_fn *fn, void *subject)
{
	return ip_udp_listen_range(ip, port, port, fn, subject);
}

int ip_udp_listen_range(struct ip *ip, uint16_t port, uint16_t last, ip_udp_fn *fn, void *subject)
{
	struct ip_services *next;

	for (uint32_t i = 0; i < ip->services->n; i++)
		if (ip->services->list[i].port <= last && ip->services->list[i].last >= port)
			return -EADDRINUSE;
	if (ip->services->n == IP_SERVICES_MAX)
		return -ENOSPC;
	next = malloc(sizeof(*next));
	if (!next)
		return -ENOSPC;
	*next = *ip->services;
	next->list[next->n++] = (struct ip_service){.port = port, .last = last, .fn = fn, .subject = subject};
	swap(ip, next);
	return 0;
}

void ip_udp_unlisten(struct ip *ip, uint16_t port)
{
	struct ip_services *next = malloc(sizeof(*next));
	uint32_t n = 0;

	ASSERT(next); /* a few bytes, with as many to be freed right after */
	for (uint32_t i = 0; i < ip->services->n; i++)
		if (ip->services->list[i].port != port)
			next->list[n++] = ip->services->list[i];
	next->n = n;
	swap(ip, next);
}

/* --- what they send --- */

/* A whole frame at `frame`: where it goes is the caller's to say. Returns its length. */
static uint32_t udp_write(struct ip *ip, uint8_t *frame, const struct ip_udp *udp)
{
	bool ip6 = udp->src.ip6;
	uint8_t *p = frame + ETHERNET_HEADER_LEN, *l4 = p + ip_header_len(ip6);
	uint32_t len = UDP_HEADER_LEN + udp->payload_len;
	uint16_t csum;
	uint64_t sum;

	memset(frame, 0, ETHERNET_HEADER_LEN);
	be16_set(frame + ETHERNET_TYPE_AT, ip6 ? IP6_ETHERNET_TYPE : IP4_ETHERNET_TYPE);
	ip_header_write(ip, p, &udp->src, &udp->dst, IP_PROTO_UDP, len);
	if (udp->ttl) {
		p[ip6 ? 7 : 8] = udp->ttl;
		if (!ip6)
			ip4_set_csum(p, IP4_HEADER_MIN);
	}
	be16_set(l4, udp->src_port);
	be16_set(l4 + 2, udp->dst_port);
	udp_set_len(l4, (uint16_t)len);
	be16_set(l4 + UDP_CSUM_OFFSET, 0);
	memcpy(l4 + UDP_HEADER_LEN, udp->payload, udp->payload_len);
	sum = ip6 ? ip6_pseudo_sum(p, IP_PROTO_UDP, len) : ip4_pseudo_sum(p, IP_PROTO_UDP, len);
	csum = (uint16_t)~csum_fold(csum_add(sum, csum_sum(l4, len)));
	if (csum == 0)
		csum = 0xffff;
	memcpy(l4 + UDP_CSUM_OFFSET, &csum, sizeof(csum));
	return ETHERNET_HEADER_LEN + ip_header_len(ip6) + len;
}

static uint32_t udp_frame_len(const struct ip_udp *udp)
{
	return ETHERNET_HEADER_LEN + ip_header_len(udp->src.ip6) + UDP_HEADER_LEN + udp->payload_len;
}

/* Broadcast and multicast need no neighbour. */
static uint64_t udp_mac(const struct ip_udp *udp)
{
	if (udp->mac)
		return udp->mac;
	if (!ip_addr_is_multicast(&udp->dst))
		return !udp->dst.ip6 && ip4_of(&udp->dst) == UINT32_MAX ? MAC_BROADCAST : 0;
	return udp->dst.ip6 ? 0x333300000000ull | be32_get(udp->dst.bytes + 12)
			    : 0x01005e000000ull | (ip4_of(&udp->dst) & 0x7fffff);
}

bool ip_udp_send(struct ip *ip, struct turn *turn, const struct ip_udp *udp)
{
	const struct ip_iface *l3 = ip_iface_of(udp->iface);
	uint8_t *bytes =
		l3 && udp->payload_len <= UINT16_MAX - 100 ? turn_bytes(turn, udp_frame_len(udp)) : NULL;
	struct pkt *pkt;

	if (!bytes)
		return false;
	pkt = turn_make_frame(turn, udp->iface, bytes, udp_write(ip, bytes, udp));
	if (!pkt)
		return false;
	if (!udp_mac(udp))
		return ip_send(ip, turn, l3, pkt);
	ethernet_rewrite(pkt->data, udp_mac(udp), l3->mac);
	ip_send_frame(turn, pkt, udp->iface);
	return true;
}

bool ip_udp_send_later(struct ip *ip, const struct ip_udp *udp)
{
	const struct ip_iface *l3 = udp->iface->l3;
	struct out out = {.kind = udp_mac(udp) ? OUT_FRAME : OUT_IP, .iface = udp->iface->idx};
	uint8_t *frame = l3 && udp->payload_len <= UINT16_MAX - 100 ? malloc(udp_frame_len(udp)) : NULL;

	if (!frame)
		return false;
	out.len = udp_write(ip, frame, udp);
	out.bytes = frame;
	if (out.kind == OUT_FRAME) {
		ethernet_rewrite(frame, udp_mac(udp), l3->mac);
	} else { /* the worker puts a header before it */
		out.len -= ETHERNET_HEADER_LEN;
		memmove(frame, frame + ETHERNET_HEADER_LEN, out.len);
	}
	return outbox_put(&ip->outbox, &out);
}
