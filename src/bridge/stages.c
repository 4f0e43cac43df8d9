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
	struct memo *memo; /* NULL: is not asked now */
	uint64_t state;
	uint32_t settings;
	uint32_t now_s;
};

/*
 * Packets of a burst that follow each other with the same two addresses, or to the same place as is known: decided once. A
 * guest's burst mostly goes to one place, and then this saves three quarters of the stage.
 */
struct group {
	uint32_t n;
	const struct bridge_member *to; /* known. NULL: to be decided, */
	uint64_t src_hash, dst_hash;    /* and where the addresses lie in the table: fetched ahead */
};

/* Clocks a frame between ten to a thousand stations: 36 without the memo, 10 to 13 with it; with ten thousand no less. */
static inline const struct bridge_member *known(const struct visit *v, struct ethernet_pair pair)
{
	uint64_t to;

	if (!memo_knows(
		    v->memo, v->state, pair.dst_and_src, bridge_memo_lo(pair, v->from->iface, v->now_s), &to))
		return NULL;
	return (const struct bridge_member *)(uintptr_t)to;
}

static inline void note(const struct visit *v, const uint8_t *frame, const struct bridge_member *to)
{
	struct ethernet_pair pair = ethernet_pair(frame);

	if (v->memo)
		memo_note(v->memo, v->state, pair.dst_and_src, bridge_memo_lo(pair, v->from->iface, v->now_s),
			(uintptr_t)to);
}

static inline void group_begin(
	struct group *g, const struct visit *v, const struct pkt *pkt, const struct bridge_member *to)
{
	g->n = 1;
	g->to = to;
	if (likely(to))
		return;
	g->src_hash = mac_table_hash(v->macs, ethernet_src(pkt->data));
	g->dst_hash = mac_table_hash(v->macs, ethernet_dst(pkt->data));
	mac_table_prefetch(v->macs, g->src_hash, true);
	mac_table_prefetch(v->macs, g->dst_hash, false);
}

/* ask: there is a memo. Code of its own for a burst without, which is 16 instructions a frame shorter then. */
static inline __attribute__((always_inline)) uint32_t group_all(
	struct group *groups, const struct visit *v, struct pkt *const *pkts, uint32_t n, bool ask)
{
	struct ethernet_pair last = ethernet_pair(pkts[0]->data);
	const struct bridge_member *to = ask ? known(v, last) : NULL;
	uint32_t n_asked = 1, n_unknown = !to;
	struct group *g = groups;

	group_begin(g, v, pkts[0], to);
	for (uint32_t i = 1; i < n; i++) {
		struct ethernet_pair pair = ethernet_pair(pkts[i]->data);

		if (ethernet_pair_same(pair, last)) {
			g->n++;
			continue;
		}
		last = pair;
		to = ask ? known(v, pair) : NULL;
		n_asked++;
		n_unknown += !to;
		if (to && to == g->to)
			g->n++;
		else
			group_begin(++g, v, pkts[i], to);
	}
	if (ask)
		memo_asked(v->memo, n_asked, n_unknown);
	return (uint32_t)(g - groups) + 1;
}

/* Returns how many groups there are. */
static uint32_t group(struct group *groups, const struct visit *v, struct pkt *const *pkts, uint32_t n)
{
	return v->memo ? group_all(groups, v, pkts, n, true) : group_all(groups, v, pkts, n, false);
}

/* Nothing is learned here; packets from an address may be unwanted all the same. */
static enum drop source_check_slow(const struct visit *v, uint64_t src, uint64_t hash)
{
	uint32_t slot;

	return mac_table_find(v->macs, src, hash, &slot) & MAC_WORD_FILTER ? DROP_BRIDGE_FILTER : DROP_NONE;
}

/* DROP_NONE unless packets from this address are unwanted. *done: that need not be looked at again within this second. */
static inline enum drop source_check(
	const struct visit *v, struct turn *turn, const struct group *g, uint64_t src, bool *done)
{
	*done = true;
	if (unlikely(mac_is_group(src)))
		return DROP_BRIDGE_SOURCE;
	if (unlikely(!(v->settings & BRIDGE_LEARN)))
		return source_check_slow(v, src, g->src_hash);
	switch (mac_table_learn(v->macs, src, g->src_hash, v->from->iface->idx, v->now_s)) {
	case MAC_LEARNED_FILTER:
		return DROP_BRIDGE_FILTER;
	case MAC_LEARNED_FULL:
		iface_count(&turn_lane(turn, v->from->iface)->counters.drops[DROP_BRIDGE_NO_LEARN], g->n);
		*done = false;
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
	bool done;
	enum drop reason = source_check(v, turn, g, ethernet_src(frame), &done);
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
		if (likely(may_go(v->from, *to))) {
			if (likely(done))
				note(v, frame, *to);
			return DROP_NONE;
		}
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

/*
 * Returns how many packets have gone. It stops where one of them has changed what was known of those behind it, as a station
 * that moved, and sends to itself, does.
 */
static uint32_t forward(const struct visit *v, struct turn *turn, struct pkt *const *pkts, uint32_t n)
{
	struct group groups[TURN_PKTS_ALL];
	const struct group *end = groups + group(groups, v, pkts, n);
	uint32_t done = 0;
	bool decided = false;

	for (const struct group *g = groups; g < end; done += g++->n) {
		const struct bridge_member *to = g->to;
		enum drop reason = DROP_NONE;

		if (unlikely(!to)) {
			reason = decide(v, turn, g, pkts[done]->data, &to);
			decided = true;
		} else if (unlikely(decided) && memo_state(&v->macs->state) != v->state) {
			break;
		}
		if (unlikely(reason))
			turn_drop_n(turn, pkts + done, g->n, reason);
		else if (likely(to != NULL) && likely(!to->bvi))
			turn_output_n(turn, pkts + done, g->n, to->iface);
		else if (to != NULL)
			go_up(turn, pkts + done, g->n, to->iface, false);
		else
			flood(turn, pkts + done, g->n, v->from);
	}
	return done;
}

void bridge_forward(void *subject, struct turn *turn, const struct vec *vec)
{
	struct bridges *bridges = subject;
	struct memo *memo = turn_is_trial(turn) ? NULL : &bridges->memos[turn->worker];
	struct visit v = {.now_s = (uint32_t)(turn->now_ns / NS_PER_S)};

	for (uint32_t at = 0, n; at < vec->n; at += n) {
		n = vec_run(vec, at);
		v.from = rcu_load(vec->pkts[at]->rx->l2);
		if (unlikely(!v.from)) { /* control takes the interface out right now */
			turn_drop_n(turn, &vec->pkts[at], n, DROP_NO_ROAD);
			continue;
		}
		v.memo = memo && !memo_rests(memo) ? memo : NULL;
		v.macs = rcu_load(v.from->domain->macs);
		v.state = memo_state(&v.macs->state); /* before all that it stands for */
		v.settings = bridge_settings(v.from->domain);
		if (turn_is_trial(turn))
			v.settings &= ~(uint32_t)BRIDGE_LEARN;
		n = forward(&v, turn, &vec->pkts[at], n);
	}
}
