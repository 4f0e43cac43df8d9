/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/nat44.h"

#include "base/units.h"
#include "ip/feature.h"
#include "ip/service.h"
#include "wire/ip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Sessions that one turn, or one look of control, may end: a bounded time under the lock. */
#define EXPIRE_TURN    32
#define EXPIRE_CONTROL 1024

struct nat44 *nat44_create(
	struct ip *ip, struct iface_table *ifaces, const struct nat44_limits *limits, uint64_t seed)
{
	struct nat44 *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->ip = ip;
	n->ifaces = ifaces;
	n->fragments.seed = seed;
	n->table = nat44_table_create(limits, seed);
	if (n->table && nat44_waiting_init(&n->waiting, ifaces))
		return n;
	nat44_destroy(n);
	return NULL;
}

void nat44_destroy(struct nat44 *n)
{
	if (!n)
		return;
	nat44_waiting_fini(&n->waiting);
	nat44_table_destroy(n->table);
	free(n);
}

enum nat44_side nat44_side_of(const struct nat44 *n, const struct iface *iface)
{
	return (enum nat44_side)__atomic_load_n(&n->sides[iface->idx], __ATOMIC_RELAXED);
}

/* What the interface's side asks of the road. */
static int set_features(struct nat44 *n, struct iface *iface, enum nat44_side side)
{
	int err = ip_feature_set(n->ip, iface, IP_FEATURE_PRE_LOOKUP, side != NAT44_NO_SIDE);

	return err ? err : ip_feature_set(n->ip, iface, IP_FEATURE_PRE_OUTPUT, side == NAT44_OUTSIDE);
}

int nat44_set_side(struct nat44 *n, struct iface *iface, enum nat44_side side)
{
	int err = set_features(n, iface, side);

	if (err && side != NAT44_NO_SIDE)
		return err;
	nat44_note_side(n, iface, side);
	return 0;
}

void nat44_note_side(struct nat44 *n, const struct iface *iface, enum nat44_side side)
{
	snprintf(n->names[iface->idx], sizeof(n->names[0]), "%s", iface->name);
	__atomic_store_n(&n->sides[iface->idx], (uint8_t)side, __ATOMIC_RELAXED);
}

/* Features end with an interface's last address, and an interface may go: a new address is on the same side again. */
static void look_after_sides(struct nat44 *n)
{
	for (uint32_t idx = 0; idx < IFACE_MAX; idx++) {
		struct iface *iface = n->sides[idx] != NAT44_NO_SIDE ? iface_get(n->ifaces, idx) : NULL;

		if (n->sides[idx] == NAT44_NO_SIDE)
			continue;
		if (iface && strcmp(iface->name, n->names[idx]) == 0)
			set_features(n, iface, (enum nat44_side)n->sides[idx]);
		else
			__atomic_store_n(&n->sides[idx], NAT44_NO_SIDE, __ATOMIC_RELAXED);
	}
}

void nat44_tick(struct nat44 *n, uint64_t now_ns)
{
	uint32_t ended;

	n->now_s = (uint32_t)(now_ns / NS_PER_S);
	look_after_sides(n);
	do {
		lock_take(&n->lock);
		ended = nat44_table_expire(n->table, n->now_s, EXPIRE_CONTROL);
		lock_release(&n->lock);
	} while (ended == EXPIRE_CONTROL);
}

/* Nobody inside is meant, so it is the router's own if that has the address. */
static bool is_for_nobody(enum drop drop)
{
	return drop == DROP_NAT44_NO_SESSION || drop == DROP_NAT44_PROTOCOL || drop == DROP_NAT44_FRAGMENT ||
	       drop == DROP_NAT44_TRUNCATED;
}

/* To an address of the interface, or to all on its network. */
static bool is_for_us(const struct pkt *pkt)
{
	const struct ip_addr dst = ip_addr_at(pkt_l3(pkt) + 16, false);

	return pkt->data[0] & 1 || ip_iface_has(pkt->rx, &dst);
}

/* What will be looked up for these. Header options are not looked at: a wrong guess costs time only. */
static void fetch(const struct nat44 *n, struct pkt *const *pkts, uint32_t n_pkts, bool out)
{
	struct nat44_packet packets[NAT44_FETCH_MAX];

	if (n->table->n_sessions < NAT44_FETCH_FROM)
		return;
	for (uint32_t i = 0; i < n_pkts; i++) {
		const uint8_t *ip = pkt_l3(pkts[i]), *l4 = ip + IP4_HEADER_MIN;
		const struct nat44_endpoint src = {ip4_src(ip), be16_get(l4)};
		const struct nat44_endpoint dst = {ip4_dst(ip), be16_get(l4 + 2)};

		packets[i] = (struct nat44_packet){
			.inside = out ? src : dst, .remote = out ? dst : src, .proto = ip4_proto(ip)};
	}
	nat44_table_fetch(n->table, packets, n_pkts, out);
}

/* To an address that stands for those inside. */
static bool is_for_table(const struct nat44 *n, const struct pkt *pkt)
{
	return nat44_table_has_address(n->table, ip4_dst(pkt_l3(pkt)));
}

static enum drop input_outside(struct nat44 *n, struct pkt *pkt, uint32_t now_s, bool trial)
{
	enum drop drop = unlikely(trial) ? nat44_try_in(n, pkt, ETHERNET_HEADER_LEN)
					 : nat44_in(n, pkt, ETHERNET_HEADER_LEN, now_s);

	return unlikely(is_for_nobody(drop)) && is_for_us(pkt) ? DROP_NONE : drop;
}

static enum drop input_inside(struct nat44 *n, struct pkt *pkt, uint32_t now_s)
{
	enum drop drop;

	if (likely(!is_for_table(n, pkt)))
		return DROP_NONE;
	drop = nat44_hairpin(n, pkt, ETHERNET_HEADER_LEN, now_s);
	return drop == DROP_NAT44_NO_SESSION ? DROP_NONE : drop;
}

/* Inlined: a call of its own costs 3 % of a translation. False: it was dropped. */
static inline __attribute__((always_inline)) bool pass_in(
	struct nat44 *n, struct turn *turn, struct pkt *pkt, uint32_t now_s)
{
	enum drop drop = DROP_NONE;

	switch (nat44_side_of(n, pkt->rx)) {
	case NAT44_OUTSIDE:
		drop = input_outside(n, pkt, now_s, turn_is_trial(turn));
		break;
	case NAT44_INSIDE:
		if (likely(!turn_is_trial(turn)))
			drop = input_inside(n, pkt, now_s);
		break;
	case NAT44_NO_SIDE:
		break;
	}
	if (likely(drop == DROP_NONE))
		turn_push(turn, pkt, STAGE_IP4_LOOKUP);
	else
		turn_drop(turn, pkt, drop);
	return drop == DROP_NONE;
}

static inline __attribute__((always_inline)) bool pass_out(
	struct nat44 *n, struct turn *turn, struct pkt *pkt, uint32_t now_s)
{
	enum drop drop = DROP_NONE;

	if (likely(nat44_side_of(n, pkt->rx) == NAT44_INSIDE))
		drop = turn_is_trial(turn) ? nat44_try_out(n, pkt, ETHERNET_HEADER_LEN)
					   : nat44_out(n, pkt, ETHERNET_HEADER_LEN, now_s);
	if (likely(drop == DROP_NONE))
		ip_push_output(n->ip, turn, pkt);
	else
		turn_drop(turn, pkt, drop);
	return drop == DROP_NONE;
}

static bool pass(struct nat44 *n, struct turn *turn, struct pkt *pkt, uint32_t now_s, bool out)
{
	return out ? pass_out(n, turn, pkt, now_s) : pass_in(n, turn, pkt, now_s);
}

/*
 * Fragments that have no ports go where the first one of their datagram went, or wait for it. One that went on as it was, to
 * the router itself, is remembered like that.
 */
static void pass_fragment(struct nat44 *n, struct turn *turn, struct pkt *pkt, uint32_t now_s, bool out)
{
	const struct nat44_datagram datagram = nat44_datagram_of(pkt_l3(pkt));
	uint32_t at = ip4_fragment_at(pkt_l3(pkt)), neigh = pkt->neigh;
	struct nat44_datagram now;
	bool went;

	if (at > 0 && !nat44_fragments_find(&n->fragments, &datagram, now_s) &&
		nat44_waiting_put(&n->waiting, &datagram, pkt, now_s)) {
		turn_finish(turn, pkt);
		return;
	}
	went = pass(n, turn, pkt, now_s, out);
	if (at > 0)
		return;
	now = nat44_datagram_of(pkt_l3(pkt));
	if (went && nat44_datagram_same(&now, &datagram))
		nat44_fragments_add(&n->fragments, &datagram, datagram.src, datagram.dst, now_s);
	while ((pkt = nat44_waiting_take(&n->waiting, turn, &datagram))) {
		pkt->neigh = neigh;
		pass(n, turn, pkt, now_s, out);
	}
}

static void begin(struct nat44 *n, struct turn *turn, uint32_t now_s)
{
	lock_take(&n->lock);
	nat44_table_expire(n->table, now_s, EXPIRE_TURN);
	if (unlikely(!nat44_waiting_is_empty(&n->waiting)))
		nat44_waiting_expire(&n->waiting, turn, now_s);
}

/* What only tries the road waits for nothing. */
static bool is_fragment(const struct turn *turn, const struct pkt *pkt)
{
	return unlikely(ip4_is_fragment(pkt_l3(pkt))) && !turn_is_trial(turn);
}

void nat44_input(void *subject, struct turn *turn, const struct vec *vec)
{
	struct nat44 *n = subject;
	uint32_t now_s = (uint32_t)(turn->now_ns / NS_PER_S);

	begin(n, turn, now_s);
	for (uint32_t i = 0; i < vec->n; i++) {
		struct pkt *pkt = vec->pkts[i];

		if (i % NAT44_FETCH_MAX == 0 && nat44_side_of(n, pkt->rx) == NAT44_OUTSIDE)
			fetch(n, &vec->pkts[i], min_u32(vec->n - i, NAT44_FETCH_MAX), false);
		if (is_fragment(turn, pkt) && nat44_side_of(n, pkt->rx) != NAT44_NO_SIDE &&
			is_for_table(n, pkt))
			pass_fragment(n, turn, pkt, now_s, false);
		else
			pass_in(n, turn, pkt, now_s);
	}
	lock_release(&n->lock);
}

void nat44_output(void *subject, struct turn *turn, const struct vec *vec)
{
	struct nat44 *n = subject;
	uint32_t now_s = (uint32_t)(turn->now_ns / NS_PER_S);

	begin(n, turn, now_s);
	for (uint32_t i = 0; i < vec->n; i++) {
		struct pkt *pkt = vec->pkts[i];

		if (i % NAT44_FETCH_MAX == 0)
			fetch(n, &vec->pkts[i], min_u32(vec->n - i, NAT44_FETCH_MAX), true);
		if (is_fragment(turn, pkt) && nat44_side_of(n, pkt->rx) == NAT44_INSIDE)
			pass_fragment(n, turn, pkt, now_s, true);
		else
			pass_out(n, turn, pkt, now_s);
	}
	lock_release(&n->lock);
}
