/* SPDX-License-Identifier: Apache-2.0 */
/* IPv6: is it a packet, and where does it go (RFC 8200, RFC 4291). Routers do not cut packets of others. */
#include "ip/ip_private.h"

#include "ip/flow_hash.h"

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

static const struct hop *path_of(const struct ip *ip, const struct hop *group, const uint8_t *p, uint32_t len)
{
	return &ip->hops.list[group->buckets[flow_hash_ip6(p, len, ip->seed) % HOP_BUCKETS]];
}

static const struct hop *hop_of(
	const struct ip *ip, const struct ip_iface *l3, const uint8_t *p, uint32_t len)
{
	const struct hop *hop = &ip->hops.list[lpm_lookup(&l3->table->fib6, ip6_dst(p))];

	return unlikely(hop->kind == HOP_GROUP) ? path_of(ip, hop, p, len) : hop;
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
	uint32_t dst;
	uint32_t hop; /* what else may have the same way: all with this one */
	uint32_t neigh;
	uint32_t mtu;
};

#define NO_DST UINT32_MAX
#define NO_HOP UINT32_MAX

static bool way_find(struct ip *ip, const struct ip_iface *l3, struct pkt *pkt, uint32_t found,
	struct way *way, enum stage *next)
{
	const uint8_t *p = pkt_l3(pkt);
	const struct hop *hop = &ip->hops.list[found];
	bool group = unlikely(hop->kind == HOP_GROUP);

	if (group) {
		hop = path_of(ip, hop, p, pkt->head_len - ETHERNET_HEADER_LEN);
		way->dst = NO_DST; /* another flow may go another way */
	}
	way->hop = NO_HOP;
	if (likely(hop->kind == HOP_VIA)) {
		way->neigh = hop->neigh;
		if (likely(!group))
			way->hop = found;
	} else if (hop->kind == HOP_CONNECTED) {
		way->neigh = neigh_of(ip, hop, p);
	} else {
		*next = next_slow(l3, hop, pkt);
		return false;
	}
	if (unlikely(way->neigh == 0)) {
		*next = dropped(pkt, DROP_NEIGH_FULL);
		return false;
	}
	way->mtu = iface_mtu(ip->neighs.list[way->neigh].iface);
	return true;
}

static inline enum stage ip6_next(struct pkt *pkt, const struct way *way)
{
	uint8_t *p = pkt_l3(pkt);

	pkt->neigh = way->neigh;
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

/* As in ip4.c. */
struct together {
	uint32_t n, n_dsts;
	struct pkt *pkts[LPM_BURST];
	uint8_t dst_of[LPM_BURST];
	struct lpm_burst burst;
};

static inline void together_add(struct together *t, struct pkt *pkt)
{
	uint32_t n = t->n_dsts, last = n == 0 ? 0 : n - 1;

	lpm_burst_put6(&t->burst, n, ip6_dst(pkt_l3(pkt)));
	if (n == 0 || t->burst.hi[n] != t->burst.hi[last] || t->burst.lo[n] != t->burst.lo[last])
		last = t->n_dsts++;
	t->dst_of[t->n] = (uint8_t)last;
	t->pkts[t->n++] = pkt;
}

static inline void forward(struct ip *ip, struct turn *turn, const struct ip_iface *l3, struct together *t)
{
	struct way way = {.dst = NO_DST, .hop = NO_HOP};
	uint32_t n_on = 0;

	lpm_lookup_n(&l3->table->fib6, &ip->memos[turn->worker], &t->burst, t->n_dsts);
	for (uint32_t i = 0; i < t->n; i++) {
		struct pkt *pkt = t->pkts[i];
		uint32_t dst = t->dst_of[i];
		enum stage next;

		if (dst != way.dst) {
			uint32_t hop = t->burst.values[dst];

			way.dst = dst;
			if (hop != way.hop && unlikely(!way_find(ip, l3, pkt, hop, &way, &next))) {
				way = (struct way){.dst = NO_DST, .hop = NO_HOP};
				turn_push(turn, pkt, next);
				continue;
			}
		}
		next = ip6_next(pkt, &way);
		if (likely(next == STAGE_NEIGH_OUTPUT))
			t->pkts[n_on++] = pkt;
		else
			turn_push(turn, pkt, next);
	}
	turn_push_n(turn, t->pkts, n_on, STAGE_NEIGH_OUTPUT);
}

static inline void run(struct ip *ip, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	const struct ip_iface *l3 = ip_iface_of(pkts[0]->rx);
	struct together t;

	if (unlikely(!l3)) {
		turn_drop_n(turn, pkts, n, DROP_NO_ROAD);
		return;
	}
	for (uint32_t at = 0; at < n; at += LPM_BURST) {
		t.n = t.n_dsts = 0;
		for (uint32_t i = at; i < min_u32(n, at + LPM_BURST); i++) {
			enum drop drop = header_check(pkts[i]);

			if (unlikely(drop != DROP_NONE))
				turn_drop(turn, pkts[i], drop);
			else
				together_add(&t, pkts[i]);
		}
		forward(ip, turn, l3, &t);
	}
}

void ip6_input(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t at = 0, n; at < vec->n; at += n) {
		n = vec_run(vec, at);
		run(subject, turn, &vec->pkts[at], n);
	}
}
