/* SPDX-License-Identifier: Apache-2.0 */
/* IPv6: is it a packet, and where does it go (RFC 8200, RFC 4291). Routers do not cut packets of others. */
#include "ip/ip_private.h"

#include "base/prefetch.h"
#include "ip/flow_hash.h"

#define LOOKUP_AHEAD 8

static inline enum stage dropped(struct pkt *pkt, enum drop drop)
{
	pkt->drop = (uint16_t)drop;
	return STAGE_DROP;
}

/* ::1, and addresses of IPv4 in a place where they may not come from a network. */
static bool is_loopback_or_mapped(const uint8_t *addr)
{
	static const uint8_t zeros[10];

	return memcmp(addr, zeros, 10) == 0 &&
	       ((addr[10] == 0xff && addr[11] == 0xff) ||
		       (be16_get(addr + 10) == 0 && be32_get(addr + 12) == 1));
}

static inline bool source_ok(const uint8_t *src)
{
	return likely(src[0] != 0xff) && (likely(src[0] != 0) || !is_loopback_or_mapped(src));
}

static inline enum drop header_check(const struct pkt *pkt)
{
	const uint8_t *p = pkt_l3(pkt);

	if (unlikely(pkt->head_len < ETHERNET_HEADER_LEN + IP6_HEADER_LEN || p[0] >> 4 != 6 ||
		     IP6_HEADER_LEN + (uint32_t)ip6_payload_len(p) > pkt_len(pkt) - ETHERNET_HEADER_LEN))
		return DROP_IP6_HEADER;
	return likely(source_ok(ip6_src(p))) ? DROP_NONE : DROP_IP_MARTIAN;
}

static const struct hop *hop_of(
	const struct ip *ip, const struct ip_iface *l3, const uint8_t *p, uint32_t len)
{
	const struct hop *hop = &ip->hops.list[fib6_lookup(&l3->table->fib6, ip6_dst(p))];

	if (unlikely(hop->kind == HOP_GROUP))
		hop = &ip->hops.list[hop->buckets[flow_hash_ip6(p, len, ip->seed) % HOP_BUCKETS]];
	return hop;
}

static uint32_t neigh_of(struct ip *ip, const struct hop *hop, const uint8_t *p)
{
	const struct ip_iface *out = ip_iface_of(hop->iface);
	struct ip_addr dst = ip_addr_at(ip6_dst(p), true);

	return likely(out) ? neigh_get(ip, out, &dst) : 0;
}

/* fe80::/10 is each interface's own. */
static enum stage next_link(const struct ip_iface *l3, struct pkt *pkt)
{
	struct ip_addr dst = ip_addr_at(ip6_dst(pkt_l3(pkt)), true);

	return l3->ip6 && ip_addr_same(&dst, &l3->link_local) ? STAGE_IP_LOCAL
							      : dropped(pkt, DROP_IP_NO_ROUTE);
}

static enum stage next_slow(const struct ip_iface *l3, const struct hop *hop, struct pkt *pkt)
{
	switch (hop->kind) {
	case HOP_LOCAL:
		return STAGE_IP_LOCAL;
	case HOP_MULTICAST:
		return l3->ip6 ? STAGE_IP_LOCAL : dropped(pkt, DROP_IP_NO_SERVICE);
	case HOP_LINK:
		return next_link(l3, pkt);
	case HOP_BLACKHOLE:
		return dropped(pkt, DROP_IP_BLACKHOLE);
	case HOP_NO_ROUTE:
		return icmp_tell(pkt, DROP_IP_NO_ROUTE, ICMP6_UNREACHABLE, ICMP6_NO_ROUTE, 0);
	default:
		return dropped(pkt, DROP_IP_MARTIAN);
	}
}

/* Of one link, or of nobody: such a source is not forwarded. */
static inline bool source_is_local(const uint8_t *src)
{
	static const uint8_t none[IP6_LEN];

	if (likely(src[0] != 0 && src[0] != 0xfe))
		return false;
	return (src[0] == 0xfe && (src[1] & 0xc0) == 0x80) || memcmp(src, none, sizeof(none)) == 0;
}

/* As in ip4.c. */
struct way {
	uint64_t dst[2];
	uint32_t neigh; /* 0: none yet */
	uint32_t mtu;
};

static bool way_find(
	struct ip *ip, const struct ip_iface *l3, struct pkt *pkt, struct way *way, enum stage *next)
{
	const uint8_t *p = pkt_l3(pkt);
	const struct hop *hop = &ip->hops.list[fib6_lookup(&l3->table->fib6, ip6_dst(p))];
	bool group = unlikely(hop->kind == HOP_GROUP);

	if (group)
		hop = hop_of(ip, l3, p, pkt->head_len - ETHERNET_HEADER_LEN);
	if (likely(hop->kind == HOP_VIA)) {
		pkt->neigh = hop->neigh;
	} else if (hop->kind == HOP_CONNECTED) {
		pkt->neigh = neigh_of(ip, hop, p);
	} else {
		*next = next_slow(l3, hop, pkt);
		return false;
	}
	if (unlikely(pkt->neigh == 0)) {
		*next = dropped(pkt, DROP_NEIGH_FULL);
		return false;
	}
	memcpy(way->dst, ip6_dst(p), sizeof(way->dst));
	way->neigh = group ? 0 : pkt->neigh; /* another flow may go another way */
	way->mtu = iface_mtu(ip->neighs.list[pkt->neigh].iface);
	return true;
}

static inline bool way_is_for(const struct way *way, const uint8_t *p)
{
	uint64_t dst[2];

	memcpy(dst, ip6_dst(p), sizeof(dst));
	return dst[0] == way->dst[0] && dst[1] == way->dst[1] && way->neigh != 0;
}

static inline enum stage ip6_next(struct ip *ip, const struct ip_iface *l3, struct pkt *pkt, struct way *way)
{
	uint8_t *p = pkt_l3(pkt);
	enum stage next;

	if (way_is_for(way, p)) {
		pkt->neigh = way->neigh;
	} else {
		way->neigh = 0;
		if (unlikely(!way_find(ip, l3, pkt, way, &next)))
			return next;
	}
	if (unlikely(pkt->data[0] & 1 || source_is_local(ip6_src(p))))
		return dropped(pkt, DROP_IP_MARTIAN);
	if (unlikely(ip6_hop_limit(p) <= 1))
		return icmp_tell(pkt, DROP_IP_TTL, ICMP6_TIME_EXCEEDED, ICMP6_HOPS, 0);
	if (unlikely(IP6_HEADER_LEN + (uint32_t)ip6_payload_len(p) > way->mtu &&
		     pkt->offload.gso == PKT_GSO_NONE))
		return icmp_tell(pkt, DROP_IP_MTU, ICMP6_TOO_BIG, 0, (uint16_t)way->mtu);
	p[7]--;
	return STAGE_NEIGH_OUTPUT;
}

/* An address of one link is a neighbour there. */
enum drop ip6_way(struct ip *ip, const struct ip_iface *l3, const uint8_t *p, uint32_t len, uint32_t *neigh)
{
	const struct hop *hop = hop_of(ip, l3, p, len);
	struct ip_addr dst = ip_addr_at(ip6_dst(p), true);

	if (hop->kind == HOP_VIA)
		*neigh = hop->neigh;
	else if (hop->kind == HOP_CONNECTED)
		*neigh = neigh_of(ip, hop, p);
	else if (hop->kind == HOP_LINK)
		*neigh = neigh_get(ip, l3, &dst);
	else
		return DROP_IP_NO_ROUTE;
	return *neigh ? DROP_NONE : DROP_NEIGH_FULL;
}

PREFETCH_FN fetch_route(const uint32_t *root, const struct pkt *pkt)
{
	prefetch_read(&root[be16_get(ip6_dst(pkt_l3(pkt)))], 1);
}

static inline void run(struct ip *ip, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	const struct ip_iface *l3 = ip_iface_of(pkts[0]->rx);
	struct way way = {.neigh = 0};
	const uint32_t *root;

	if (unlikely(!l3)) {
		turn_drop_n(turn, pkts, n, DROP_NO_ROAD);
		return;
	}
	root = l3->table->fib6.root;
	for (uint32_t i = 0; i < min_u32(n, LOOKUP_AHEAD); i++)
		fetch_route(root, pkts[i]);
	for (uint32_t i = 0; i < n; i++) {
		enum drop drop = header_check(pkts[i]);

		if (i + LOOKUP_AHEAD < n)
			fetch_route(root, pkts[i + LOOKUP_AHEAD]);
		if (unlikely(drop != DROP_NONE))
			turn_drop(turn, pkts[i], drop);
		else
			turn_push(turn, pkts[i], ip6_next(ip, l3, pkts[i], &way));
	}
}

void ip6_input(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t at = 0, n; at < vec->n; at += n) {
		n = vec_run(vec, at);
		run(subject, turn, &vec->pkts[at], n);
	}
}
