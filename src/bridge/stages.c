/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/bridge_private.h"
#include "wire/ethernet.h"

static_assert(IFACE_MAX <= MAC_WORD_IFACE + 1, "an entry has room for an interface's index");

/* Back to where it came from, and within a split horizon group, nothing goes. */
static bool may_go(const struct bridge_member *from, const struct bridge_member *to)
{
	return to != from && (from->shg == 0 || from->shg != to->shg);
}

/* What all packets of a burst from one interface have in common. */
struct visit {
	const struct bridge_member *from;
	struct mac_table *macs;
	uint32_t settings;
	uint32_t now_s;
};

/*
 * Packets of a burst that follow each other with the same two addresses: decided once. A guest's burst mostly goes to one
 * place, and then this saves three quarters of the stage.
 */
struct group {
	uint32_t n;
	uint64_t src_hash, dst_hash; /* where the addresses lie in the table: fetched ahead */
};

static inline void group_begin(struct group *g, const struct mac_table *macs, const struct pkt *pkt)
{
	g->n = 1;
	g->src_hash = mac_table_hash(macs, ethernet_src(pkt->data));
	g->dst_hash = mac_table_hash(macs, ethernet_dst(pkt->data));
	mac_table_prefetch(macs, g->src_hash, true);
	mac_table_prefetch(macs, g->dst_hash, false);
}

/* Returns how many groups there are. */
static uint32_t group(struct group *groups, const struct mac_table *macs, struct pkt *const *pkts, uint32_t n)
{
	struct ethernet_pair first = ethernet_pair(pkts[0]->data);
	struct group *g = groups;

	group_begin(g, macs, pkts[0]);
	for (uint32_t i = 1; i < n; i++) {
		struct ethernet_pair pair = ethernet_pair(pkts[i]->data);

		if (ethernet_pair_same(pair, first)) {
			g->n++;
			continue;
		}
		group_begin(++g, macs, pkts[i]);
		first = pair;
	}
	return (uint32_t)(g - groups) + 1;
}

/* Nothing is learned here; packets from an address may be unwanted all the same. */
static enum drop source_check_slow(const struct visit *v, uint64_t src, uint64_t hash)
{
	uint32_t slot;

	return mac_table_find(v->macs, src, hash, &slot) & MAC_WORD_FILTER ? DROP_BRIDGE_FILTER : DROP_NONE;
}

/* DROP_NONE unless packets from this address are unwanted. */
static inline enum drop source_check(
	const struct visit *v, struct turn *turn, const struct group *g, uint64_t src)
{
	if (unlikely(mac_is_group(src)))
		return DROP_BRIDGE_SOURCE;
	if (unlikely(!(v->settings & BRIDGE_LEARN)))
		return source_check_slow(v, src, g->src_hash);
	switch (mac_table_learn(v->macs, src, g->src_hash, v->from->iface->idx, v->now_s)) {
	case MAC_LEARNED_FILTER:
		return DROP_BRIDGE_FILTER;
	case MAC_LEARNED_FULL:
		iface_count(&turn_lane(turn, v->from->iface)->counters.drops[DROP_BRIDGE_NO_LEARN], g->n);
		return DROP_NONE;
	default:
		return DROP_NONE;
	}
}

/* The destination's entry, or 0 if it must be flooded. */
static inline uint64_t destination(const struct visit *v, uint64_t dst, uint64_t hash)
{
	uint32_t slot;

	if (mac_is_group(dst) || unlikely(!(v->settings & BRIDGE_FORWARD)))
		return 0;
	return mac_table_find(v->macs, dst, hash, &slot);
}

/* DROP_NONE, and where it goes: *to, or to all when that is NULL. Or a reason, and *to is NULL. */
static inline enum drop decide(const struct visit *v, struct turn *turn, const struct group *g,
	const uint8_t *frame, const struct bridge_member **to)
{
	enum drop reason = source_check(v, turn, g, ethernet_src(frame));
	uint64_t dst = ethernet_dst(frame), word;

	*to = NULL;
	if (unlikely(reason))
		return reason;
	word = destination(v, dst, g->dst_hash);
	if (unlikely(word & MAC_WORD_FILTER))
		return DROP_BRIDGE_FILTER;
	/* an interface that left the domain meanwhile is unknown */
	if (word)
		*to = rcu_load(v->from->domain->members)->by_iface[word & MAC_WORD_IFACE];
	if (likely(*to != NULL)) {
		if (likely(may_go(v->from, *to)))
			return DROP_NONE;
		*to = NULL;
		return DROP_BRIDGE_SAME;
	}
	return likely(v->settings & (mac_is_group(dst) ? BRIDGE_FLOOD : BRIDGE_UU_FLOOD))
		       ? DROP_NONE
		       : DROP_BRIDGE_NO_FLOOD;
}

/*
 * Up to the router: from here on they have come in at its leg. A packet that others get, too, is copied, as the router
 * writes into what it gets.
 */
static __attribute__((noinline)) void go_up(
	struct turn *turn, struct pkt *const *pkts, uint32_t n, struct iface *bvi, bool copy)
{
	struct iface_counters *c = &turn_lane(turn, bvi)->counters;

	if (unlikely(!iface_is_up(bvi))) {
		iface_count(&c->drops[DROP_IFACE_DOWN], n);
		for (uint32_t i = 0; i < n && !copy; i++)
			turn_finish(turn, pkts[i]);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct pkt *pkt = copy ? turn_copy(turn, pkts[i]) : pkts[i];

		if (unlikely(!pkt)) {
			iface_count(&c->drops[DROP_TURN_FULL], 1);
			continue;
		}
		pkt->rx = bvi;
		iface_count(&c->rx_packets, 1);
		iface_count(&c->rx_bytes, pkt_len(pkt));
		turn_push(turn, pkt, STAGE_L3_INPUT);
	}
}

/* To all others of the domain. */
static __attribute__((noinline)) void flood(
	struct turn *turn, struct pkt *const *pkts, uint32_t n, const struct bridge_member *from)
{
	const struct bridge_members *members = rcu_load(from->domain->members);
	const struct bridge_member *bvi = NULL;
	bool alone = true;

	for (uint32_t i = 0; i < members->n; i++) {
		if (!may_go(from, members->list[i]))
			continue;
		if (unlikely(members->list[i]->bvi)) {
			bvi = members->list[i];
			continue;
		}
		turn_output_n(turn, pkts, n, members->list[i]->iface);
		alone = false;
	}
	if (bvi)
		go_up(turn, pkts, n, bvi->iface, !alone);
	else if (alone)
		turn_drop_n(turn, pkts, n, DROP_BRIDGE_ALONE);
}

static void forward_burst(const struct visit *v, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	struct group groups[TURN_PKTS_ALL];
	uint32_t n_groups = group(groups, v->macs, pkts, n);

	for (const struct group *g = groups; g < groups + n_groups; pkts += g++->n) {
		const struct bridge_member *to;
		enum drop reason = decide(v, turn, g, pkts[0]->data, &to);

		if (unlikely(reason))
			turn_drop_n(turn, pkts, g->n, reason);
		else if (likely(to != NULL) && likely(!to->bvi))
			turn_output_n(turn, pkts, g->n, to->iface);
		else if (to != NULL)
			go_up(turn, pkts, g->n, to->iface, false);
		else
			flood(turn, pkts, g->n, v->from);
	}
}

void bridge_forward(void *subject, struct turn *turn, const struct vec *vec)
{
	struct visit v = {.now_s = (uint32_t)(turn->now_ns / NS_PER_S)};

	for (uint32_t at = 0, n; at < vec->n; at += n) {
		n = vec_run(vec, at);
		v.from = rcu_load(vec->pkts[at]->rx->l2);
		if (unlikely(!v.from)) { /* control takes the interface out right now */
			turn_drop_n(turn, &vec->pkts[at], n, DROP_NO_ROAD);
			continue;
		}
		v.macs = rcu_load(v.from->domain->macs);
		v.settings = bridge_settings(v.from->domain);
		if (turn_is_trial(turn))
			v.settings &= ~(uint32_t)BRIDGE_LEARN;
		forward_burst(&v, turn, &vec->pkts[at], n);
	}
}
