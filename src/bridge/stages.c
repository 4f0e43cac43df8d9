/* SPDX-License-Identifier: Apache-2.0 */
#include "bridge/bridge_private.h"
#include "wire/ethernet.h"

static_assert(IFACE_MAX <= MAC_WORD_IFACE + 1, "an entry has room for an interface's index");

/* A packet's stay in bridge-input: what was fetched ahead for it. */
struct visit {
	const struct bridge_member *from; /* NULL: control takes the interface out right now */
	struct mac_table *macs;
	uint64_t src, src_hash;
	uint64_t dst, dst_hash;
};

static enum stage dropped(struct pkt *pkt, enum drop reason)
{
	pkt->drop = (uint16_t)reason;
	return STAGE_DROP;
}

static void visit_begin(struct visit *v, const struct pkt *pkt)
{
	v->from = rcu_load(pkt->rx->l2);
	if (unlikely(!v->from))
		return;
	v->macs = rcu_load(v->from->domain->macs);
	v->src = ethernet_src(pkt->data);
	v->dst = ethernet_dst(pkt->data);
	v->src_hash = mac_table_hash(v->macs, v->src);
	v->dst_hash = mac_table_hash(v->macs, v->dst);
	mac_table_prefetch(v->macs, v->src_hash);
	mac_table_prefetch(v->macs, v->dst_hash);
}

/* DROP_NONE unless packets from this address are unwanted. */
static enum drop source_check(const struct visit *v, struct turn *turn, const struct pkt *pkt, uint32_t now_s)
{
	uint32_t slot;

	if (unlikely(mac_is_group(v->src)))
		return DROP_BRIDGE_SOURCE;
	if (unlikely(!(bridge_settings(v->from->domain) & BRIDGE_LEARN)))
		return mac_table_find(v->macs, v->src, v->src_hash, &slot) & MAC_WORD_FILTER
			       ? DROP_BRIDGE_FILTER
			       : DROP_NONE;
	switch (mac_table_learn(v->macs, v->src, v->src_hash, pkt->rx->idx, now_s)) {
	case MAC_LEARNED_FILTER:
		return DROP_BRIDGE_FILTER;
	case MAC_LEARNED_FULL:
		iface_count(&turn_lane(turn, pkt->rx)->counters.drops[DROP_BRIDGE_NO_LEARN], 1);
		return DROP_NONE;
	default:
		return DROP_NONE;
	}
}

/* The destination's entry, or 0 if it must be flooded. */
static uint64_t destination(const struct visit *v, uint32_t settings)
{
	uint32_t slot;

	if (mac_is_group(v->dst) || unlikely(!(settings & BRIDGE_FORWARD)))
		return 0;
	return mac_table_find(v->macs, v->dst, v->dst_hash, &slot);
}

static enum stage input_next(const struct visit *v, struct turn *turn, struct pkt *pkt, uint32_t now_s)
{
	enum drop reason;

	if (unlikely(!v->from))
		return dropped(pkt, DROP_NO_ROAD);
	reason = source_check(v, turn, pkt, now_s);
	if (unlikely(reason))
		return dropped(pkt, reason);

	uint32_t settings = bridge_settings(v->from->domain);
	uint64_t word = destination(v, settings);

	if (unlikely(word & MAC_WORD_FILTER))
		return dropped(pkt, DROP_BRIDGE_FILTER);

	const struct bridge_member *to = NULL;

	/* An interface that left the domain meanwhile is unknown. */
	if (word)
		to = rcu_load(v->from->domain->members)->by_iface[word & MAC_WORD_IFACE];
	pkt->tx = to ? to->iface : NULL;
	if (!to && unlikely(!(settings & (mac_is_group(v->dst) ? BRIDGE_FLOOD : BRIDGE_UU_FLOOD))))
		return dropped(pkt, DROP_BRIDGE_NO_FLOOD);
	return STAGE_BRIDGE_OUTPUT;
}

void bridge_input(void *subject, struct turn *turn, const struct vec *vec)
{
	uint32_t now_s = (uint32_t)(turn->now_ns / NS_PER_S);
	struct visit visits[TURN_PKTS];

	for (uint32_t i = 0; i < vec->n; i++)
		visit_begin(&visits[i], vec->pkts[i]);
	for (uint32_t i = 0; i < vec->n; i++)
		turn_push(turn, vec->pkts[i], input_next(&visits[i], turn, vec->pkts[i], now_s));
}

/* Back to where it came from, and within a split horizon group, nothing goes. */
static bool may_go(const struct bridge_member *from, const struct bridge_member *to)
{
	return to != from && (from->shg == 0 || from->shg != to->shg);
}

static enum drop output_one(
	struct turn *turn, struct pkt *pkt, const struct bridge_member *from, const struct bridge_member *to)
{
	if (unlikely(!to))
		return DROP_NO_ROAD;
	if (unlikely(!may_go(from, to)))
		return DROP_BRIDGE_SAME;
	turn_output(turn, pkt, to->iface);
	return DROP_NONE;
}

static enum drop output_all(struct turn *turn, struct pkt *pkt, const struct bridge_member *from)
{
	const struct bridge_members *members = rcu_load(from->domain->members);
	enum drop reason = DROP_BRIDGE_ALONE;

	for (uint32_t i = 0; i < members->n; i++) {
		if (!may_go(from, members->list[i]))
			continue;
		turn_output(turn, pkt, members->list[i]->iface);
		reason = DROP_NONE;
	}
	return reason;
}

void bridge_output(void *subject, struct turn *turn, const struct vec *vec)
{
	for (uint32_t i = 0; i < vec->n; i++) {
		struct pkt *pkt = vec->pkts[i];
		const struct bridge_member *from = rcu_load(pkt->rx->l2);
		enum drop reason;

		if (unlikely(!from))
			reason = DROP_NO_ROAD;
		else if (pkt->tx)
			reason = output_one(turn, pkt, from, rcu_load(pkt->tx->l2));
		else
			reason = output_all(turn, pkt, from);
		if (unlikely(reason))
			turn_drop(turn, pkt, reason);
	}
}
