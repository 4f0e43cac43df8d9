/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4: is it a packet, and where does it go (RFC 791, RFC 1812). */
#include "ip/ip_private.h"

#include "ip/flow_hash.h"

static inline enum stage dropped(struct pkt *pkt, enum drop drop)
{
	pkt->drop = (uint16_t)drop;
	return STAGE_DROP;
}

/* --- is it a packet --- */

/* Options are carried on, but those by which a sender chooses the way. */
static enum drop options_check(const uint8_t *p, uint32_t header_len)
{
	for (uint32_t at = IP4_HEADER_MIN; at < header_len;) {
		uint8_t kind = p[at], len = at + 1 < header_len ? p[at + 1] : 0;

		if (kind == 0)
			return DROP_NONE;
		if (kind == 1) {
			at++;
			continue;
		}
		if (len < 2 || at + len > header_len)
			return DROP_IP4_HEADER;
		if ((kind & 0x7f) == 3 || (kind & 0x7f) == 9)
			return DROP_IP_OPTIONS;
		at += len;
	}
	return DROP_NONE;
}

static __attribute__((noinline)) enum drop header_check_slow(
	const uint8_t *p, uint32_t head_len, uint32_t len)
{
	uint32_t header_len = ip4_header_len(p, head_len);

	if (header_len == 0 || ip4_total_len(p) < header_len || ip4_total_len(p) > len)
		return DROP_IP4_HEADER;
	if (csum_fold(csum_sum(p, header_len)) != 0xffff)
		return DROP_IP4_CSUM;
	return options_check(p, header_len);
}

/* No group, no loopback, nothing of 0/8 but "I have none yet", which DHCP's clients say. */
static inline bool source_ok(uint32_t src)
{
	return likely(src - 0x01000000u < 0xe0000000u - 0x01000000u && src >> 24 != 127) || src == 0;
}

static inline enum drop header_check(const struct pkt *pkt)
{
	const uint8_t *p = pkt_l3(pkt);
	uint32_t head_len = pkt->head_len - ETHERNET_HEADER_LEN, len = pkt_len(pkt) - ETHERNET_HEADER_LEN;
	enum drop drop;

	if (likely(head_len >= IP4_HEADER_MIN && p[0] == 0x45)) {
		uint32_t total_len = ip4_total_len(p);

		if (unlikely(total_len < IP4_HEADER_MIN || total_len > len))
			return DROP_IP4_HEADER;
		if (unlikely(!ip4_csum_ok_plain(p)))
			return DROP_IP4_CSUM;
	} else {
		drop = header_check_slow(p, head_len, len);
		if (drop != DROP_NONE)
			return drop;
	}
	return likely(source_ok(ip4_src(p))) ? DROP_NONE : DROP_IP_MARTIAN;
}

/* --- where does it go --- */

/* Of a group the one for this flow. */
static const struct hop *path_of(const struct ip *ip, const struct hop *group, const uint8_t *p, uint32_t len)
{
	return &ip->hops.list[group->buckets[flow_hash_ip4(p, len, ip->seed) % HOP_BUCKETS]];
}

static const struct hop *hop_of(
	const struct ip *ip, const struct ip_iface *l3, const uint8_t *p, uint32_t len)
{
	const struct hop *hop = &ip->hops.list[ip4_hop(l3->table, ip4_dst(p))];

	return unlikely(hop->kind == HOP_GROUP) ? path_of(ip, hop, p, len) : hop;
}

/* Of a connected network; 0: there are too many. */
static uint32_t neigh_of(struct ip *ip, const struct hop *hop, const uint8_t *p)
{
	const struct ip_iface *out = ip_iface_of(hop->iface);
	struct ip_addr dst = ip_addr_at(p + 16, false);

	return likely(out) ? neigh_get(ip, out, &dst) : 0;
}

/* What is not on its way to a neighbour. */
static enum stage next_slow(const struct hop *hop, struct pkt *pkt)
{
	switch (hop->kind) {
	case HOP_LOCAL:
	case HOP_BROADCAST:
	case HOP_MULTICAST:
		return STAGE_IP_LOCAL;
	case HOP_BLACKHOLE:
		return dropped(pkt, DROP_IP_BLACKHOLE);
	case HOP_NO_ROUTE:
		return icmp_tell(pkt, DROP_IP_NO_ROUTE, ICMP4_UNREACHABLE, ICMP4_NET, 0);
	default:
		return dropped(pkt, DROP_IP_MARTIAN);
	}
}

/* Segments of one that stands for several are cut to size on the way out (port/frame.h). */
static enum stage next_large(struct pkt *pkt, uint8_t *p, uint32_t mtu)
{
	bool large = ip4_total_len(p) > mtu && pkt->offload.gso == PKT_GSO_NONE;

	if (large && ip4_dont_fragment(p))
		return icmp_tell(pkt, DROP_IP_MTU, ICMP4_UNREACHABLE, ICMP4_FRAGMENTATION, (uint16_t)mtu);
	ip4_ttl_take(p);
	return large ? STAGE_IP_FRAGMENT : STAGE_NEIGH_OUTPUT;
}

/* One that is cut, if it must be, after that stage. */
static enum stage next_pre_output(struct pkt *pkt, uint8_t *p, uint32_t mtu)
{
	enum stage next = next_large(pkt, p, mtu);

	return next == STAGE_ICMP_ERROR ? next : STAGE_IP4_PRE_OUTPUT;
}

/* The way of a destination: packets of a burst that follow each other with the same one are decided once. */
struct way {
	uint32_t dst; /* its number in the burst */
	uint32_t hop; /* what else may have the same way: all with this one */
	uint32_t neigh;
	uint32_t len_max; /* of a packet that just goes on; 0: all are looked at closer */
	uint32_t mtu;
};

#define NO_DST UINT32_MAX
#define NO_HOP UINT32_MAX

/* False: *next says where the packet goes, which is not to a neighbour. found: the hop of its destination. */
static bool way_find(struct ip *ip, struct pkt *pkt, uint32_t found, struct way *way, enum stage *next)
{
	const uint8_t *p = pkt_l3(pkt);
	const struct hop *hop = &ip->hops.list[found];
	bool group = unlikely(hop->kind == HOP_GROUP);
	const struct neigh *n;

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
		*next = next_slow(hop, pkt);
		return false;
	}
	if (unlikely(way->neigh == 0)) {
		*next = dropped(pkt, DROP_NEIGH_FULL);
		return false;
	}
	n = &ip->neighs.list[way->neigh];
	way->mtu = iface_mtu(n->iface);
	way->len_max = __atomic_load_n(&n->features, __ATOMIC_RELAXED) & IP_FEATURE_PRE_OUTPUT ? 0 : way->mtu;
	return true;
}

static inline enum stage ip4_next(struct pkt *pkt, const struct way *way)
{
	uint8_t *p = pkt_l3(pkt);

	pkt->neigh = way->neigh;
	if (unlikely(pkt->data[0] & 1 ||
		     ip4_src(p) == 0)) /* to all on the link, or from nobody: not to be forwarded */
		return dropped(pkt, DROP_IP_MARTIAN);
	if (unlikely(ip4_ttl(p) <= 1))
		return icmp_tell(pkt, DROP_IP_TTL, ICMP4_TIME_EXCEEDED, ICMP4_TTL, 0);
	if (unlikely(ip4_total_len(p) > way->len_max))
		return way->len_max ? next_large(pkt, p, way->mtu) : next_pre_output(pkt, p, way->mtu);
	ip4_ttl_take(p);
	return STAGE_NEIGH_OUTPUT;
}

enum drop ip4_way(struct ip *ip, const struct ip_iface *l3, const uint8_t *p, uint32_t len, uint32_t *neigh)
{
	const struct hop *hop = hop_of(ip, l3, p, len);

	if (hop->kind == HOP_VIA)
		*neigh = hop->neigh;
	else if (hop->kind == HOP_CONNECTED)
		*neigh = neigh_of(ip, hop, p);
	else
		return DROP_IP_NO_ROUTE;
	return *neigh ? DROP_NONE : DROP_NEIGH_FULL;
}

/* --- the stages --- */

/* Packets that are looked up together; of those that follow each other with the same destination the first one. */
struct together {
	uint32_t n, n_dsts, last;
	bool special; /* a destination that is no route's */
	struct pkt *pkts[LPM_BURST];
	uint8_t dst_of[LPM_BURST];
	struct lpm_burst burst;
};

static inline void together_add(struct together *t, struct pkt *pkt)
{
	uint32_t dst = ip4_dst(pkt_l3(pkt));

	if (dst != t->last || t->n_dsts == 0) {
		lpm_burst_put4(&t->burst, t->n_dsts++, dst);
		t->special |= ip4_is_special(dst);
	}
	t->last = dst;
	t->dst_of[t->n] = (uint8_t)(t->n_dsts - 1);
	t->pkts[t->n++] = pkt;
}

static inline void forward(struct ip *ip, struct turn *turn, const struct ip_table *table, struct together *t)
{
	struct way way = {.dst = NO_DST, .hop = NO_HOP};
	uint32_t n_on = 0;

	lpm_lookup_n(&table->fib4, &ip->memos[turn->worker], &t->burst, t->n_dsts);
	if (unlikely(t->special))
		for (uint32_t i = 0; i < t->n_dsts; i++)
			t->burst.values[i] = ip4_hop_found(lpm_burst_ip4(&t->burst, i), t->burst.values[i]);
	for (uint32_t i = 0; i < t->n; i++) {
		struct pkt *pkt = t->pkts[i];
		uint32_t dst = t->dst_of[i];
		enum stage next;

		if (dst != way.dst) {
			uint32_t hop = t->burst.values[dst];

			way.dst = dst;
			if (hop != way.hop && unlikely(!way_find(ip, pkt, hop, &way, &next))) {
				way = (struct way){.dst = NO_DST, .hop = NO_HOP};
				turn_push(turn, pkt, next);
				continue;
			}
		}
		next = ip4_next(pkt, &way);
		if (likely(next == STAGE_NEIGH_OUTPUT))
			t->pkts[n_on++] = pkt;
		else
			turn_push(turn, pkt, next);
	}
	turn_push_n(turn, t->pkts, n_on, STAGE_NEIGH_OUTPUT);
}

static inline void run(struct ip *ip, struct turn *turn, struct pkt *const *pkts, uint32_t n, bool check)
{
	const struct ip_iface *l3 = ip_iface_of(pkts[0]->rx);
	struct together t;
	bool pre_lookup;

	if (unlikely(!l3)) {
		turn_drop_n(turn, pkts, n, DROP_NO_ROAD);
		return;
	}
	pre_lookup = check && __atomic_load_n(&l3->features, __ATOMIC_RELAXED) & IP_FEATURE_PRE_LOOKUP;
	for (uint32_t at = 0; at < n; at += LPM_BURST) {
		t.n = t.n_dsts = 0;
		t.special = false;
		for (uint32_t i = at; i < min_u32(n, at + LPM_BURST); i++) {
			enum drop drop = check ? header_check(pkts[i]) : DROP_NONE;

			if (unlikely(drop != DROP_NONE))
				turn_drop(turn, pkts[i], drop);
			else
				together_add(&t, pkts[i]);
		}
		if (unlikely(pre_lookup))
			turn_push_n(turn, t.pkts, t.n, STAGE_IP4_PRE_LOOKUP);
		else
			forward(ip, turn, l3->table, &t);
	}
}

void ip4_input(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t at = 0, n; at < vec->n; at += n) {
		n = vec_run(vec, at);
		run(subject, turn, &vec->pkts[at], n, true);
	}
}

void ip4_lookup(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t at = 0, n; at < vec->n; at += n) {
		n = vec_run(vec, at);
		run(subject, turn, &vec->pkts[at], n, false);
	}
}

void ip4_pre_lookup_none(void *subject, struct turn *turn, const struct vec *vec)
{
	turn_push_n(turn, vec->pkts, vec->n, STAGE_IP4_LOOKUP);
}

void ip4_pre_output_none(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t i = 0; i < vec->n; i++)
		ip_push_output(subject, turn, vec->pkts[i]);
}
